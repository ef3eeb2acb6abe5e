import { FetchError } from '../interface/errors.ts'
import { httpOrigin } from '../provider/provider.ts'
import type { BlockFetcher } from '../interface/fetcher.ts'
import type { Provider } from '../interface/provider.ts'

/** Whether a provider is a peer, whom only bitswap reaches */
export function needsBitswap (provider: Pick<Provider, 'id' | 'addresses'>): boolean {
  return provider.id.startsWith('p2p:') && httpOrigin(provider).length === 0
}

/** Stands where bitswap is off: reaches nobody, and says why to whoever named a peer */
export const absentBitswap: BlockFetcher = {
  name: 'bitswap',
  transport: 'bitswap',
  routes: () => [],
  unusable: provider => needsBitswap(provider) ? 'bitswap is off' : undefined,
  fetch: async (_want, { provider }) => { throw new FetchError('cancelled', `${provider} was not asked: bitswap is off`, { provider }) }
}
