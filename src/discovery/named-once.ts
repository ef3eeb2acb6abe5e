import type { Provider, ProviderId } from '../interface/provider.ts'

/** Whether a provider is named for the first time, or with addresses for the first time: who looks up through the node wants no more */
export function namedOnce (): (provider: Provider) => boolean {
  const named = new Map<ProviderId, number>()

  return ({ id, addresses }) => {
    const known = named.get(id)
    const isNews = known == null || (known === 0 && addresses.length > 0)

    if (isNews) {
      named.set(id, addresses.length)
    }
    return isNews
  }
}
