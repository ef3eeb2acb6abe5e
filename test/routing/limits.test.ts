import { describe, expect, it } from 'vitest'
import { numbered, settled, world } from './support/world.ts'
import type { World } from './support/world.ts'

const noHedge = { share: 0, initial: 0, shadowShare: 0 }

/** The most attempts that were under way at once, by the provider's own account */
async function crowd (w: World, reads: ReadonlyArray<Promise<unknown>>, count: () => number): Promise<number> {
  let most = 0
  let done = false
  const all = Promise.all(reads).finally(() => { done = true })

  while (!done) {
    most = Math.max(most, count())
    await w.clock.advance(10)
  }

  await all
  return most
}

function pending (w: World, name?: string): number {
  let count = 0

  for (const provider of w.network.providers.values()) {
    if (name == null || provider.name === name) {
      count += provider.requests.filter(({ outcome }) => outcome === 'pending').length
    }
  }

  return count
}

describe('attempts in flight', () => {
  it('are limited over all reads', async () => {
    const w = await world({ routing: { limits: { global: 5 }, hedge: noHedge } })
    for (let i = 0; i < 8; i++) {
      w.network.add(`p${i}`, { latency: 100 })
    }
    const reads = Array.from({ length: 40 }, async (_, i) => w.manager.retrieve(w.network.block(numbered(i)), { client: `c${i}` }))
    expect(await crowd(w, reads, () => pending(w))).toBe(5)
    await w.manager.stop()
  })

  it('are limited per provider, whose surplus goes to another', async () => {
    const w = await world({ routing: { limits: { perProvider: 3 }, hedge: noHedge } })
    const near = w.network.add('near', { latency: 10 })
    // near enough that waiting for a place is not cheaper
    w.network.add('far', { latency: 15 })
    for (let i = 0; i < 20; i++) {
      await w.clock.run(w.manager.retrieve(w.network.block(numbered(i))))
    }
    near.behaviour.latency = 100
    const reads = Array.from({ length: 6 }, async (_, i) => w.manager.retrieve(w.network.block(numbered(100 + i))))
    await w.clock.advance(5)
    expect(pending(w, 'near')).toBe(3)
    expect(pending(w, 'far')).toBe(3)
    await w.clock.run(Promise.all(reads))
    await w.manager.stop()
  })

  it('at a sole provider wait for room there', async () => {
    const w = await world({ routing: { limits: { perProvider: 2 }, hedge: noHedge } })
    w.network.add('only', { latency: 100 })
    const reads = Array.from({ length: 10 }, async (_, i) => w.manager.retrieve(w.network.block(numbered(i))))
    expect(await crowd(w, reads, () => pending(w))).toBe(2)
    expect(w.clock.now()).toBeLessThanOrEqual(520)
    await w.manager.stop()
  })

  it('are limited per client', async () => {
    const w = await world({ routing: { limits: { perClient: 2 }, hedge: noHedge } })
    w.network.add('a', { latency: 100 })
    await w.clock.run(w.manager.retrieve(w.network.block(numbered(1_000))))
    const reads = Array.from({ length: 10 }, async (_, i) => w.manager.retrieve(w.network.block(numbered(i)), { client: 'greedy' }))
    await w.clock.advance(5)
    expect(pending(w)).toBe(2)
    const other = w.manager.retrieve(w.network.block(numbered(100)), { client: 'modest' })
    await w.clock.advance(5)
    expect(pending(w)).toBe(3)
    await w.clock.run(Promise.all([...reads, other]))
    await w.manager.stop()
  })

  it('are limited per session', async () => {
    const w = await world({ routing: { limits: { perClient: 2 }, hedge: noHedge } })
    w.network.add('a', { latency: 100 })
    const session = w.manager.createSession(w.network.block(numbered(0)))
    const reads = Array.from({ length: 10 }, async (_, i) => session.retrieve(w.network.block(numbered(i))))
    await w.clock.advance(5)
    expect(pending(w)).toBe(2)
    await w.clock.run(Promise.all(reads))
    await w.manager.stop()
  })
})

describe('the queue', () => {
  it('hands slots out round-robin: a client with many reads does not keep one with few waiting', async () => {
    const w = await world({ routing: { limits: { global: 1 }, hedge: noHedge } })
    w.network.add('a', { latency: 100 })
    const order: string[] = []
    const read = async (client: string, n: number): Promise<void> => {
      await w.manager.retrieve(w.network.block(numbered(n)), { client })
      order.push(client)
    }
    const reads = [...Array.from({ length: 20 }, async (_, i) => read('many', i))]
    await w.clock.advance(1)
    reads.push(...Array.from({ length: 3 }, async (_, i) => read('few', 100 + i)))
    await w.clock.run(Promise.all(reads))
    expect(order.slice(0, 7).filter(client => client === 'few')).toHaveLength(3)
    await w.manager.stop()
  })

  it('serves the higher priority of one client first', async () => {
    const w = await world({ routing: { limits: { global: 1 }, hedge: noHedge } })
    w.network.add('a', { latency: 100 })
    const order: number[] = []
    const read = async (n: number, priority: number): Promise<void> => {
      await w.manager.retrieve(w.network.block(numbered(n)), { priority })
      order.push(n)
    }
    const reads = [read(0, 0), read(1, 0), read(2, -1), read(3, 5), read(4, 5)]
    await w.clock.run(Promise.all(reads))
    expect(order).toEqual([0, 3, 4, 1, 2])
    await w.manager.stop()
  })

  it('does not run the timers of an attempt: they start when it is dispatched', async () => {
    const w = await world({ routing: { limits: { global: 1 }, hedge: noHedge, timeouts: { unknown: 150, floor: 150, ceiling: 150, connect: 150 } } })
    w.network.add('a', { latency: 100 })
    const reads = Array.from({ length: 20 }, async (_, i) => settled(w.manager.retrieve(w.network.block(numbered(i)))))
    const results = await w.clock.run(Promise.all(reads))
    expect(results.every(({ value }) => value != null)).toBe(true)
    expect(w.manager.stats().outcomes).toMatchObject({ delivered: 20, stalled: 0, unreachable: 0 })
    await w.manager.stop()
  })

  it('is left by a reader that gives up', async () => {
    const w = await world({ routing: { limits: { global: 1 }, hedge: noHedge } })
    const a = w.network.add('a', { latency: 100 })
    const first = w.manager.retrieve(w.network.block(numbered(0)))
    await w.clock.advance(1)
    const leaving = new AbortController()
    const second = settled(w.manager.retrieve(w.network.block(numbered(1)), { signal: leaving.signal }))
    const third = w.manager.retrieve(w.network.block(numbered(2)))
    await w.clock.advance(1)
    expect(w.manager.stats().inFlight).toMatchObject({ attempts: 1, queued: 2 })
    leaving.abort(new Error('left'))
    expect((await second).error?.message).toBe('left')
    expect(w.manager.stats().inFlight.queued).toBe(1)
    await w.clock.run(Promise.all([first, third]))
    expect(a.requestCount).toBe(2)
    await w.manager.stop()
  })

  it('that is full turns readers away with a named error', async () => {
    const { network, clock, manager } = await world({ routing: { limits: { global: 1, queue: 2 } } })
    network.add('good', { latency: 100 })
    const reads = Array.from({ length: 10 }, async (_, i) => settled(manager.retrieve(network.block(numbered(i)))))
    await clock.advance(10)
    expect(manager.stats().inFlight.queued).toBeLessThanOrEqual(2)
    const results = await clock.run(Promise.all(reads))
    expect(results.filter(({ error }) => error != null)).toHaveLength(7)
    await manager.stop()
  })
})

describe('room at a provider', () => {
  it('is passed on when the reader that was woken for it has left', async () => {
    const { network, clock, manager } = await world({ routing: { limits: { perProvider: 1, global: 2 }, hedge: { share: 0, initial: 0 } } })
    network.add('p', { latency: 100 }, { unlisted: true })
    network.add('q', { latency: 1_000 }, { unlisted: true })
    const read = async (n: number, at: string, client: string, signal?: AbortSignal): Promise<unknown> =>
      settled(manager.retrieve(network.block(numbered(n)), { providers: [`http://${at}.example`], client, signal }))
    const leaving = new AbortController()
    const r0 = read(0, 'p', 'a')
    const s0 = read(10, 'q', 'b')
    await clock.advance(1)
    // both slots taken: w waits for a slot with a third provider, r1 and r2 for room at p
    network.add('w', { latency: 1_000 }, { unlisted: true })
    const w = read(20, 'w', 'c')
    const r1 = read(1, 'p', 'd', leaving.signal)
    const r2 = read(2, 'p', 'e')
    await clock.run(r0)
    await clock.advance(50)
    leaving.abort(new Error('left'))
    await clock.run(Promise.all([s0, w, r1]))
    const result = await clock.run(r2) as { value?: Uint8Array }
    expect(result.value).toEqual(numbered(2))
    expect(clock.now()).toBeLessThan(5_000)
    await manager.stop()
  })

  it('is shared fairly by its clients', async () => {
    const { network, clock, manager } = await world({ routing: { limits: { perProvider: 1 } } })
    network.add('only', { latency: 100 })
    const order: string[] = []
    const read = async (client: string, n: number): Promise<void> => {
      await manager.retrieve(network.block(numbered(n)), { client })
      order.push(client)
    }
    const many = Array.from({ length: 20 }, async (_, i) => read('many', i))
    await clock.advance(10)
    const one = read('one', 100)
    await clock.run(Promise.all([...many, one]))
    expect(order.indexOf('one')).toBeLessThanOrEqual(2)
    await manager.stop()
  })
})
