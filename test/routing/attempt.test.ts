import { describe, expect, it } from 'vitest'
import { decoratedFetcher } from '../../src/exchange/decorated-fetcher.ts'
import { SimulatedNetwork } from '../../src/testing/simulated-network.ts'
import { numbered, settled, world } from './support/world.ts'

describe('a transfer that stalls', () => {
  it('at an instant that is no whole number is given up too, not waited for without end', async () => {
    // sums of fractions are rounded: here the timer is over before the silence is
    let at = 0.24
    while (at + 1_500 - at >= 1_500) {
      at += 0.37
    }
    const w = await world({ routing: { hedge: { share: 0, initial: 0, shadowShare: 0 } } })
    w.network.add('stalling', { latency: at, stallsAfter: 0.5 })
    const { clock } = w
    const { schedule } = clock
    let timers = 0
    let spinning = false
    clock.schedule = (ms, fn) => {
      spinning ||= ++timers > 10_000
      return spinning ? () => {} : schedule.call(clock, ms, fn)
    }
    const reading = settled(w.manager.retrieve(w.network.block(numbered(1)), { timeout: 5_000 }))
    await clock.advance(6_000)
    expect(spinning).toBe(false)
    expect((await reading).error).toBeDefined()
    await w.manager.stop()
  })
})

describe('silence', () => {
  const hedge = { share: 0, initial: 0, shadowShare: 0 }

  it('is not judged before an answer that came in the same instant was read', async () => {
    const { network, clock, manager } = await world({ routing: { hedge, timeouts: { unknown: 2_500 } } })
    network.add('a', { latency: 2_500 })
    network.add('b', { latency: 2_500 })
    await clock.run(manager.retrieve(network.block(numbered(1))))
    expect(clock.now()).toBe(2_500)
    expect(network.requests).toBe(1)
    await manager.stop()
  })

  it('in the middle of a transfer neither', async () => {
    const { network, clock, manager } = await world({ routing: { hedge, timeouts: { stall: 1_024 } } })
    // a piece of 16 KiB every 1,024 ms
    network.add('a', { latency: 50, throughput: 16 })
    network.add('b', { latency: 50, throughput: 16 })
    await clock.run(manager.retrieve(network.block(numbered(1, 65_536))))
    expect(clock.now()).toBe(50 + 4 * 1_024)
    expect(network.requests).toBe(1)
    await manager.stop()
  })
})

describe('a provider that delivered and then is not found', () => {
  it.each([[false, 'closed'], [true, 'open'], [undefined, 'open']] as const)('where what is dialled is proven to be its own: %s, is %s to the next', async (proven, breaker) => {
    const network = new SimulatedNetwork({ seed: 1 })
    let gone = false
    const fetcher = decoratedFetcher(network.fetcher, {
      fetch: async (want, route, attempt) => gone ? new Promise<never>(() => {}) : network.fetcher.fetch(want, route, attempt),
      ...proven == null ? {} : { proven: () => proven }
    })
    const { clock, manager, book } = await world({ network, parts: { fetchers: [fetcher] } })
    const { provider, route } = network.add('a', { latency: 20 })
    await clock.run(manager.retrieve(network.block(numbered(1))))
    gone = true
    const { error } = await clock.run(settled(manager.retrieve(network.block(numbered(2)), { timeout: 30_000 })))
    expect(error).toMatchObject({ message: expect.stringMatching(/unreachable|no connection/) as string })
    expect(book.view(provider.id, route, clock.now())).toMatchObject({ breaker })
    await manager.stop()
  })
})
