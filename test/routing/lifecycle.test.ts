import { MemoryDatastore } from 'datastore-core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { numbered, settled, unpublished, world } from './support/world.ts'
import type { World } from './support/world.ts'

const NOTHING = { flights: 0, attempts: 0, queued: 0, sessions: 0 }

function said (w: World): number {
  return w.network.requests + w.network.lookups
}

describe('before start and after stop', () => {
  it.each(['before', 'after'])('%s: reads and sessions are refused by name, and nobody hears of it', async when => {
    const w = await world({ started: false })
    if (when === 'after') {
      await w.manager.start()
      await w.manager.stop()
    }
    w.network.add('good')
    const cid = w.network.block(numbered(1))
    await expect(w.manager.retrieve(cid)).rejects.toMatchObject({ name: 'NotRunningError' })
    expect(() => w.manager.createSession(cid)).toThrow(expect.objectContaining({ name: 'NotRunningError' }))
    await expect(w.manager.retrieveContent(cid).next()).rejects.toMatchObject({ name: 'NotRunningError' })
    expect(said(w)).toBe(0)
    expect(w.clock.pending).toBe(0)
  })

  it('start and stop may be called in any order and any number', async () => {
    const w = await world({ started: false })
    w.network.add('good')
    await w.manager.stop()
    for (let i = 0; i < 3; i++) {
      await Promise.all([w.manager.start(), w.manager.start()])
      expect(w.manager.running).toBe(true)
      expect(w.clock.pending).toBe(1)
      expect(await w.clock.run(w.manager.retrieve(w.network.block(numbered(i))))).toEqual(numbered(i))
      await Promise.all([w.manager.stop(), w.manager.stop()])
      expect(w.manager.running).toBe(false)
      expect(w.clock.pending).toBe(0)
    }
  })
})

describe('stop', () => {
  it('rejects every read and session in progress by name, and leaves nothing in flight', async () => {
    const w = await world({ routing: { limits: { global: 4 } } })
    for (let i = 0; i < 3; i++) {
      w.network.add(`silent${i}`, { silent: true })
    }
    const session = w.manager.createSession(w.network.block(numbered(0)))
    const reads = [
      ...Array.from({ length: 10 }, async (_, i) => settled(w.manager.retrieve(w.network.block(numbered(i))))),
      ...Array.from({ length: 10 }, async (_, i) => settled(session.retrieve(w.network.block(numbered(100 + i)))))
    ]
    const content = settled(w.manager.retrieveContent(w.network.block(numbered(200))).next())
    await w.clock.advance(100)
    expect(w.manager.stats().inFlight).toMatchObject({ flights: 21, sessions: 2 })
    expect(w.manager.stats().inFlight.queued).toBeGreaterThan(0)
    await w.manager.stop()
    const errors = await Promise.all([...reads, content])
    expect(new Set(errors.map(({ error }) => error?.name))).toEqual(new Set(['NotRunningError']))
    expect(w.manager.stats().inFlight).toEqual(NOTHING)
    expect(w.clock.pending).toBe(0)
    for (const provider of w.network.providers.values()) {
      expect(provider.requests.every(({ outcome }) => outcome === 'aborted')).toBe(true)
    }
    await expect(session.retrieve(w.network.block(numbered(1)))).rejects.toMatchObject({ name: 'NotRunningError' })
  })

  it('at any moment, in any network, ends every read and every timer', async () => {
    const behaviour = fc.record({
      latency: fc.integer({ min: 0, max: 2_000 }),
      connect: fc.integer({ min: 0, max: 500 }),
      throughput: fc.constantFrom(Infinity, 0.5, 50),
      silent: fc.boolean(),
      down: fc.boolean(),
      garbage: fc.boolean(),
      has: fc.constantFrom(0, 0.5, 1),
      rateLimit: fc.constantFrom(undefined, 1),
      stallsAfter: fc.constantFrom(1, 0.5)
    }, { requiredKeys: [] })
    await fc.assert(fc.asyncProperty(
      fc.integer({ min: 1, max: 1e6 }),
      fc.array(behaviour, { maxLength: 5 }),
      fc.integer({ min: 0, max: 3_000 }),
      fc.constantFrom(0, 100),
      fc.integer({ min: 0, max: 15_000 }),
      fc.constantFrom('open' as const, 'strict' as const),
      async (seed, behaviours, lookupDelay, lookupGap, moment, mode) => {
        const w = await world({ seed, lookupDelay, lookupGap, routing: { mode, hedge: { shadowShare: 0.5 }, limits: { global: 5, perProvider: 2 } } })
        behaviours.forEach((one, i) => w.network.add(`p${i}`, one))
        const session = w.manager.createSession(w.network.block(numbered(0)))
        const reads = Array.from({ length: 12 }, async (_, i) => settled((i % 2 === 0 ? session : w.manager).retrieve(w.network.block(numbered(i)))))
        await w.clock.advance(moment)
        await w.manager.stop()
        // nothing needs time to pass any more
        const ends = await Promise.all(reads)
        await w.clock.advance(0)
        expect(ends.every(({ value, error }) => value != null || ['NotRunningError', 'NotFoundError', 'RetrievalFailedError', 'RetrievalTimeoutError'].includes(error?.name ?? ''))).toBe(true)
        expect(w.manager.stats().inFlight).toEqual(NOTHING)
        expect(w.clock.pending).toBe(0)
        expect([...w.network.providers.values()].flatMap(({ requests }) => requests).filter(({ outcome }) => outcome === 'pending')).toEqual([])
      }
    ), { numRuns: 60 })
  })

  it('ends an announcement under way by name', async () => {
    const w = await world({ parts: { provide: async () => new Promise(() => {}) } })
    const announcing = settled(w.manager.announce([unpublished(1), unpublished(2)]))
    await w.clock.advance(10)
    await w.manager.stop()
    expect((await announcing).error?.name).toBe('NotRunningError')
    expect(w.manager.stats().announced.pending).toBe(0)
    expect(w.clock.pending).toBe(0)
  })

  it('saves what was learnt, and so does a tick a minute', async () => {
    const datastore = new MemoryDatastore()
    const entries = async (): Promise<number> => {
      let count = 0
      for await (const key of datastore.queryKeys({})) {
        count += key == null ? 0 : 1
      }
      return count
    }
    const w = await world({ datastore })
    w.network.add('good')
    await w.clock.run(w.manager.retrieve(w.network.block(numbered(1))))
    expect(await entries()).toBe(0)
    await w.clock.advance(80_000)
    const saved = await entries()
    expect(saved).toBeGreaterThan(0)
    w.network.add('other')
    await w.clock.run(w.manager.retrieve(w.network.block(numbered(2)), { providers: ['http://other.example'] }))
    await w.manager.stop()
    expect(await entries()).toBeGreaterThan(saved)
  })

  it('ends a lookup that lingers for the sake of later reads', async () => {
    const w = await world({ lookupGap: 5_000 })
    w.network.add('good', { latency: 50 })
    w.network.add('late')
    await w.clock.run(w.manager.retrieve(w.network.block(numbered(1))))
    expect(w.clock.pending).toBeGreaterThan(1)
    await w.manager.stop()
    await w.clock.advance(0)
    expect(w.clock.pending).toBe(0)
  })

  it('leaves no timer of a lookup that ended while it lingered', async () => {
    const w = await world({ lookupGap: 100, routing: { hedge: { share: 0, initial: 0, shadowShare: 0 } } })
    w.network.add('good', { latency: 50 })
    await w.clock.run(w.manager.retrieve(w.network.block(numbered(1))))
    await w.clock.advance(100)
    await w.manager.stop()
    expect(w.clock.pending).toBe(0)
  })
})
