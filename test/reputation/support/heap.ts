/**
 * Weighs a thousand idle providers: run with --expose-gc, prints bytes. A process of
 * its own, so that nothing else moves the heap.
 */
import { seededRandom } from '../../../src/clock/random.ts'
import { ProviderBook } from '../../../src/reputation/book.ts'
import type { ProviderId } from '../../../src/interface/provider.ts'

const book = new ProviderBook({ clock: { now: () => 0, wall: () => 0 }, random: seededRandom(1) })

function meet (from: number, to: number): void {
  for (let i = from; i < to; i++) {
    const provider: ProviderId = `p2p:12D3KooWProviderNumber${i}`

    for (const address of [`/dns4/provider-${i}.example.net/tcp/4001`, `/dns4/provider-${i}.example.net/udp/4001/quic-v1`]) {
      const route = { provider, transport: 'bitswap', address } as const
      book.record(provider, route, 'delivered', { latency: 20 + i, bytes: 1e6, transfer: 15 }, i)
      book.record(provider, route, 'invalid', { latency: 21.5 + i }, i)
      book.passOver(provider, route)
    }
  }
}

function used (): number {
  for (let i = 0; i < 4; i++) {
    globalThis.gc?.()
  }

  return process.memoryUsage().heapUsed
}

meet(0, 200)
book.takeDirty()
const before = used()
meet(200, 1_200)
book.takeDirty()
const after = used()
console.log(JSON.stringify({ bytes: after - before, size: book.size }))
