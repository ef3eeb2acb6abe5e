import { decoratedFetcher } from './decorated-fetcher.ts'
import { relayedAttempt } from './relayed-attempt.ts'
import type { Block, BlockFetcher } from '../interface/fetcher.ts'
import type { Transport } from '../interface/provider.ts'
import type { ExchangeStats } from '../interface/stats.ts'

/** Bytes and blocks by the transport that brought them */
export class TransferCounts {
  readonly received: Record<Transport, number> = { bitswap: 0, http: 0, sibling: 0, broker: 0 }
  readonly blocks: Record<Transport, number> = { bitswap: 0, http: 0, sibling: 0, broker: 0 }

  snapshot (): Pick<ExchangeStats, 'received' | 'blocks'> {
    return { received: { ...this.received }, blocks: { ...this.blocks } }
  }

  /** The same fetcher, whose blocks are counted */
  count (fetcher: BlockFetcher): BlockFetcher {
    const { received, blocks } = this
    const { stream } = fetcher
    const bytes = (transport: Transport) => (n: number): void => { received[transport] += n }

    return decoratedFetcher(fetcher, {
      async fetch (want, route, attempt) {
        const block = await fetcher.fetch(want, route, relayedAttempt(attempt, { bytes: bytes(route.transport) }))
        blocks[route.transport]++
        return block
      },
      ...stream == null
        ? {}
        : {
            async * stream (dag, route, attempt): AsyncGenerator<Block, void, undefined> {
              for await (const block of stream.call(fetcher, dag, route, relayedAttempt(attempt, { bytes: bytes(route.transport) }))) {
                blocks[route.transport]++
                yield block
              }
            }
          }
    })
  }
}
