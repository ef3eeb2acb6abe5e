import type { ProviderAddresses } from './provider-addresses.ts'
import type { Provider, ProviderSource } from '../../interface/provider.ts'
import type { Request } from '../../interface/request.ts'

/** Providers of one lookup whose addresses are asked for: beyond it a lookup would become many */
export const MAX_SOUGHT = 4

/**
 * The same source, whose providers come with the addresses that are known to
 * work first. For those without any others are asked, beside the lookup; a
 * provider is named at once, and again when its addresses are there.
 */
export function addressedSource (source: ProviderSource, getAddresses: () => Pick<ProviderAddresses, 'complete' | 'seek'> | undefined): ProviderSource {
  return {
    name: source.name,
    ...(source.lastResort == null ? {} : { lastResort: source.lastResort }),
    ...(source.later == null ? {} : { later: source.later }),
    ...(source.settled == null ? {} : { settled: source.settled.bind(source) }),
    async * find (want, request) {
      const addresses = getAddresses()

      if (addresses == null) {
        yield * source.find(want, request)
      } else {
        yield * addressed(source.find(want, request)[Symbol.asyncIterator](), addresses, request)
      }
    }
  }
}

async function * addressed (iterator: AsyncIterator<Provider>, addresses: Pick<ProviderAddresses, 'complete' | 'seek'>, request: Request): AsyncGenerator<Provider, void, undefined> {
  const seeking = new Map<Promise<unknown>, Promise<{ readonly sought: Promise<unknown>, readonly provider: Provider | undefined }>>()
  const over = new AbortController()
  const named = new Set<string>()
  let open = true

  try {
    let next = iterator.next().then(result => ({ result }))

    while (open || seeking.size > 0) {
      const event = await Promise.race([...open ? [next] : [], ...seeking.values()])

      if ('sought' in event) {
        seeking.delete(event.sought)

        if (event.provider != null) {
          yield event.provider
        }
      } else if (event.result.done === true) {
        open = false
      } else {
        const provider = addresses.complete(event.result.value, request.mode)

        if (provider.addresses.length === 0 && named.size < MAX_SOUGHT && !named.has(provider.id)) {
          named.add(provider.id)
          const sought = addresses.seek(provider, request, over.signal)
          seeking.set(sought, sought.then(provider => ({ sought, provider })))
        }
        yield provider
        next = iterator.next().then(result => ({ result }))
      }
    }
  } finally {
    over.abort()

    if (open) {
      await iterator.return?.()
    }
  }
}
