import { decoratedFetcher } from './decorated-fetcher.ts'
import type { Block, BlockFetcher } from '../interface/fetcher.ts'
import type { Route } from '../interface/provider.ts'
import type { Request } from '../interface/request.ts'

/** The same fetcher, which tells who delivered: bytes that nobody has verified yet */
export function deliveringFetcher (fetcher: BlockFetcher, onDelivered: (route: Route, request: Request) => void): BlockFetcher {
  const { stream } = fetcher

  return decoratedFetcher(fetcher, {
    async fetch (want, route, attempt) {
      const block = await fetcher.fetch(want, route, attempt)
      onDelivered(route, attempt.request)
      return block
    },
    ...stream == null
      ? {}
      : {
          async * stream (dag, route, attempt): AsyncGenerator<Block, void, undefined> {
            for await (const block of stream.call(fetcher, dag, route, attempt)) {
              onDelivered(route, attempt.request)
              yield block
            }
          }
        }
  })
}
