import { providing, withdrawing } from './provide-egress.ts'
import { routerLookup } from './router-lookup.ts'
import type { RoutingSourceComponents, FindsProviders } from './helia-routing-egress.ts'
import type { Provides } from './provide-egress.ts'
import type { ProviderSource } from '../interface/provider.ts'

const NAME = 'libp2p'
const NOBODY = new Set(['NoContentRoutersError'])

/** The part of a libp2p node that is used here */
export interface HasContentRouting {
  contentRouting: FindsProviders & Provides
}

/** Everybody whom the content routers of a libp2p node find: for nodes without Helia */
export function libp2pRoutingSource (libp2p: HasContentRouting, components: RoutingSourceComponents): ProviderSource {
  const log = components.logger.forComponent('portolan:discovery:libp2p')

  return {
    name: NAME,
    async * find ({ cid }, request) {
      yield * routerLookup({
        log,
        clock: components.clock,
        request,
        disclosure: request.disclose({ observer: `router:${NAME}`, form: 'cid', transport: 'foreign', audience: 'unbounded' }),
        record: { source: NAME, policy: components.policy },
        nobody: NOBODY,
        find: signal => libp2p.contentRouting.findProviders(cid, { signal })
      })
    }
  }
}

/** Publishes through the content routers of a libp2p node */
export function libp2pProviding (libp2p: Pick<HasContentRouting, 'contentRouting'>): ReturnType<typeof providing> {
  return providing(NAME, () => libp2p.contentRouting)
}

/** Has the content routers of a libp2p node announce a block no more by themselves */
export function libp2pWithdrawing (libp2p: Pick<HasContentRouting, 'contentRouting'>): ReturnType<typeof withdrawing> {
  return withdrawing(() => libp2p.contentRouting)
}
