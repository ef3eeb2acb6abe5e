import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DEFAULT_HEDGE } from '../../src/routing/hedge-budget.ts'
import { numbered, world } from './support/world.ts'
import type { World } from './support/world.ts'

/** Reads blocks from `from` on, one after the other */
async function read ({ network, clock, manager }: World, count: number, from = 0, mode?: 'open' | 'balanced' | 'strict'): Promise<number[]> {
  const times: number[] = []

  for (let i = from; i < from + count; i++) {
    const started = clock.now()
    await clock.run(manager.retrieve(network.block(numbered(i)), { mode }))
    times.push(clock.now() - started)
  }

  return times
}

describe('hedging', () => {
  it('asks a second provider once the usual time has passed, and not before', async () => {
    const w = await world({ routing: { hedge: { shadowShare: 0 } } })
    const a = w.network.add('a', { latency: 50 })
    const b = w.network.add('b', { latency: 55 })
    await read(w, 40)
    const { hedges } = w.manager.stats()
    a.behaviour.silent = true
    b.behaviour.silent = true
    const chosen = w.manager.retrieve(w.network.block(numbered(100)))
    await w.clock.advance(45)
    expect(w.manager.stats().hedges.sent).toBe(hedges.sent)
    await w.clock.advance(45)
    expect(w.manager.stats().hedges.sent).toBe(hedges.sent + 1)
    const { attempts } = w.manager.stats()
    expect(attempts).toBe(40 + hedges.sent + 2)
    await w.manager.stop()
    await expect(chosen).rejects.toMatchObject({ name: 'NotRunningError' })
  })

  it('does not wait at a fast provider for as long as the slow ones took lately', async () => {
    const w = await world({ routing: { hedge: { shadowShare: 0 } } })
    w.network.add('slow', { latency: 400 })
    await read(w, 40)
    const fast = w.network.add('fast', { latency: 20 })
    await read(w, 20, 40)
    expect(fast.requestCount).toBeGreaterThan(10)
    const { hedges } = w.manager.stats()
    fast.behaviour.silent = true
    const reading = w.manager.retrieve(w.network.block(numbered(100)))
    await w.clock.advance(100)
    expect(w.manager.stats().hedges.sent).toBe(hedges.sent + 1)
    await w.clock.run(reading)
    await w.manager.stop()
  })

  it('rescues a read from a provider that falls silent', async () => {
    const w = await world({ routing: { hedge: { shadowShare: 0 } } })
    const fast = w.network.add('fast', { latency: 20 })
    w.network.add('other', { latency: 60 })
    await read(w, 30)
    fast.behaviour.silent = true
    const [took] = await read(w, 1, 100)
    expect(took).toBeGreaterThan(60)
    expect(took).toBeLessThan(200)
    expect(w.manager.stats().hedges.won).toBeGreaterThan(0)
    await w.manager.stop()
  })

  it('cancels the loser on the wire and does not blame it, but learns that it took longer', async () => {
    const w = await world({ routing: { hedge: { shadowShare: 0 } } })
    const fast = w.network.add('fast', { latency: 20 })
    w.network.add('other', { latency: 60 })
    await read(w, 30)
    const before = w.book.describe(fast.id)
    const believed = w.book.view(fast.id, fast.route, w.clock.now()).latency.mean
    fast.behaviour.silent = true
    await read(w, 1, 100)
    expect(fast.requests.at(-1)?.outcome).toBe('aborted')
    expect(w.book.describe(fast.id)).toMatchObject({ conduct: before?.conduct, breaker: 'closed' })
    expect(w.book.describe(fast.id)?.reliability).toBeCloseTo(before?.reliability as number, 3)
    expect(w.book.view(fast.id, fast.route, w.clock.now()).latency.mean).toBeGreaterThan(believed)
    await w.manager.stop()
  })

  it('counts the bytes of the loser as wasted', async () => {
    const w = await world({ routing: { hedge: { shadowShare: 0, coldDelay: 50 } } })
    // both answer after the hedge went out; the slower one is cut off in the middle of its transfer
    w.network.add('a', { latency: 100, throughput: 50 })
    w.network.add('b', { latency: 100, throughput: 50 })
    const cid = w.network.block(numbered(1, 65_536))
    await w.clock.run(w.manager.retrieve(cid))
    const { bytes, hedges } = w.manager.stats()
    expect(hedges.sent).toBe(1)
    expect(bytes.delivered).toBe(65_536)
    expect(bytes.wasted).toBeGreaterThan(0)
    await w.manager.stop()
  })

  it('rescues a read from a provider whose transfer has begun to crawl, which is not asked first again', async () => {
    const w = await world({ routing: { hedge: { shadowShare: 0 } } })
    const read = async (n: number): Promise<number> => {
      const started = w.clock.now()
      await w.clock.run(w.manager.retrieve(w.network.block(numbered(n, 131_072))))
      return w.clock.now() - started
    }
    const fast = w.network.add('fast', { latency: 20, throughput: 2_000 })
    w.network.add('other', { latency: 60, throughput: 2_000 })
    for (let n = 0; n < 30; n++) {
      await read(n)
    }
    const before = w.manager.stats().hedges
    // eleven seconds for a block, and never silent for long enough to be a stall
    fast.behaviour.throughput = 12
    const times: number[] = []
    for (let n = 100; n < 140; n++) {
      times.push(await read(n))
    }
    expect(Math.max(...times)).toBeLessThan(400)
    expect(w.manager.stats().hedges.won).toBeGreaterThan(before.won)
    const asked = fast.requestCount
    for (let n = 200; n < 220; n++) {
      await read(n)
    }
    expect(fast.requestCount - asked).toBeLessThanOrEqual(2)
    await w.manager.stop()
  })

  it('is not for a transfer that takes as long as they all do, nor for one that is nearly done', async () => {
    const w = await world({ routing: { hedge: { shadowShare: 0 } } })
    const [a] = [w.network.add('a', { latency: 50, throughput: 200 }), w.network.add('b', { latency: 50, throughput: 200 })]
    const block = (n: number): Promise<Uint8Array> => w.manager.retrieve(w.network.block(numbered(n, 262_144)))
    for (let n = 0; n < 40; n++) {
      await w.clock.run(block(n))
    }
    const { sent } = w.manager.stats().hedges
    for (let n = 100; n < 120; n++) {
      await w.clock.run(block(n))
    }
    expect(w.manager.stats().hedges.sent).toBe(sent)
    // late at seven eighths, but another one would not be done sooner
    w.network.providers.delete('b')
    a.behaviour.throughput = 155
    w.network.add('c', { latency: 50, throughput: 200 })
    await w.clock.run(block(200))
    expect(w.manager.stats().hedges.sent).toBe(sent)
    await w.manager.stop()
  })

  it('never happens in strict mode', async () => {
    const w = await world()
    w.network.add('a', { latency: 20, stragglers: 0.05 })
    w.network.add('b', { latency: 25, stragglers: 0.05 })
    await read(w, 100, 0, 'strict')
    expect(w.manager.stats().hedges).toEqual({ sent: 0, won: 0, shadows: 0 })
    await read(w, 100, 200, 'balanced')
    expect(w.manager.stats().hedges.sent).toBeGreaterThan(0)
    await w.manager.stop()
  })

  it('and measurements together stay below a tenth of the reads plus the burst, however bad the network is', async () => {
    await fc.assert(fc.asyncProperty(
      fc.integer({ min: 1, max: 1e6 }),
      fc.array(fc.record({
        latency: fc.integer({ min: 1, max: 800 }),
        sigma: fc.double({ min: 0, max: 1, noNaN: true }),
        stragglers: fc.double({ min: 0, max: 0.5, noNaN: true }),
        blackHoles: fc.double({ min: 0, max: 0.3, noNaN: true })
      }), { minLength: 2, maxLength: 6 }),
      async (seed, behaviours) => {
        const w = await world({ seed, routing: { hedge: { shadowShare: 0.2 } } })
        behaviours.forEach((behaviour, i) => w.network.add(`p${i}`, behaviour))
        const reads = 300
        const all: Array<Promise<unknown>> = []

        for (let i = 0; i < reads; i++) {
          all.push(w.manager.retrieve(w.network.block(numbered(i))).catch(() => {}))
          await w.clock.advance(w.network.random.next() * 100)
        }

        await w.clock.run(Promise.all(all))
        const { hedges } = w.manager.stats()
        await w.manager.stop()
        expect(hedges.sent + hedges.shadows).toBeLessThanOrEqual(reads * DEFAULT_HEDGE.share + DEFAULT_HEDGE.burst)
        expect(w.clock.pending).toBe(0)
      }
    ), { numRuns: 8 })
  })
})

describe('measurements', () => {
  it('find a better provider that is never chosen, in mode open', async () => {
    const w = await world({ routing: { hedge: { shadowShare: 1 } } })
    w.network.add('known', { latency: 50 })
    await read(w, 20)
    const late = w.network.add('late', { latency: 500 })
    await read(w, 30, 100)
    expect(w.manager.stats().hedges.shadows).toBeGreaterThan(0)
    expect(late.requests.some(({ purpose }) => purpose === 'shadow')).toBe(true)
    await w.manager.stop()
  })

  it.each(['balanced', 'strict'] as const)('are never made in mode %s', async mode => {
    const w = await world({ routing: { hedge: { shadowShare: 1 } } })
    w.network.add('known', { latency: 50 })
    await read(w, 20, 0, mode)
    w.network.add('late', { latency: 500 })
    await read(w, 30, 100, mode)
    expect(w.manager.stats().hedges.shadows).toBe(0)
    await w.manager.stop()
  })

  it('are paid from the hedging budget: without one there are none', async () => {
    const w = await world({ routing: { hedge: { shadowShare: 1, share: 0, initial: 0 } } })
    w.network.add('known', { latency: 50 })
    await read(w, 20)
    w.network.add('late', { latency: 500 })
    await read(w, 30, 100)
    expect(w.manager.stats().hedges).toMatchObject({ sent: 0, shadows: 0 })
    await w.manager.stop()
  })

  it('end with stop', async () => {
    const w = await world({ routing: { hedge: { shadowShare: 1 } } })
    w.network.add('known', { latency: 50 })
    await read(w, 20)
    const silent = w.network.add('silent', { silent: true })
    for (let i = 0; silent.requestCount === 0; i++) {
      await read(w, 1, 100 + i)
    }
    await w.manager.stop()
    expect(silent.requests.every(({ outcome }) => outcome !== 'pending')).toBe(true)
    expect(w.manager.stats().inFlight.attempts).toBe(0)
    expect(w.clock.pending).toBe(0)
  })
})
