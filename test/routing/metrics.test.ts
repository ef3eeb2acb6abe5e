import { describe, expect, it } from 'vitest'
import { numbered, settled, unpublished, world } from './support/world.ts'
import type { Metrics } from '../../src/interface/metrics.ts'
import type { CID } from 'multiformats/cid'
import type { World } from './support/world.ts'

/** A hit of everything that is counted: delivered, missing, coalesced, remembered, hedged */
async function busy (w: World): Promise<void> {
  w.network.add('good', { latency: 20 })
  for (let i = 0; i < 20; i++) {
    await w.clock.run(w.manager.retrieve(w.network.block(numbered(i))))
  }
  const shared: CID = w.network.block(numbered(100))
  await w.clock.run(Promise.all([w.manager.retrieve(shared), w.manager.retrieve(shared)]))
  await w.clock.run(settled(w.manager.retrieve(unpublished(1))))
  await w.clock.run(settled(w.manager.retrieve(unpublished(1))))
}

describe('stats', () => {
  it('have the documented shape, and are plain JSON', async () => {
    const w = await world()
    await busy(w)
    const stats = w.manager.stats()
    expect(JSON.parse(JSON.stringify(stats))).toEqual(stats)
    expect(stats).toMatchObject({
      cacheMissesHandled: 22,
      successRate: 0.955,
      retrievalTime: { p50: 20, p90: 20, p99: 20, mean: 20 },
      succeeded: 21,
      notFound: 1,
      failed: 0,
      aborted: 0,
      coalesced: 1,
      negativeHits: 1,
      attempts: 22,
      outcomes: { delivered: 21, 'not-here': 1, invalid: 0 },
      hedges: { sent: 0, won: 0, shadows: 0 },
      bytes: { delivered: 21 * 1_024, wasted: 0 },
      discovery: { lookups: 22, failed: 0, providersFound: 22 },
      cache: { hits: 0, hitRatio: 0, corrupt: 0, storeFailures: 0, bytesSaved: 0, timeSaved: 20 },
      reputation: { size: 1, kept: 'memory' },
      inFlight: { flights: 0, attempts: 0, queued: 0, sessions: 0 },
      announced: { done: 0, failed: 0, pending: 0 }
    })
    expect(stats.providers).toEqual([expect.objectContaining({ id: 'http:good.example' })])
    expect((stats.providers[0] as { reliability: number }).reliability).toBeGreaterThan(0.9)
    await w.manager.stop()
  })

  it('count what was not found, what failed and what was given up', async () => {
    const { network, clock, manager } = await world()
    network.add('good')
    const good = network.block(numbered(1))
    await clock.run(manager.retrieve(good))
    await clock.run(settled(manager.retrieve(unpublished(2))))
    network.add('good', { garbage: true })
    await clock.run(settled(manager.retrieve(network.block(numbered(3)))))
    const left = settled(manager.retrieve(network.block(numbered(4)), { signal: AbortSignal.abort() }))
    await clock.run(left)
    const leaving = new AbortController()
    network.add('good', { silent: true })
    const reading = settled(manager.retrieve(network.block(numbered(5)), { signal: leaving.signal, skipNegativeCache: true, providers: ['http://good.example'] }))
    await clock.advance(10)
    leaving.abort()
    await clock.run(reading)
    const stats = manager.stats()
    expect(stats.notFound).toBe(1)
    expect(stats.failed).toBe(1)
    expect(stats.aborted).toBe(1)
    expect(stats.successRate).toBeCloseTo(1 / 3, 2)
    await manager.stop()
  })

  it('say where reputation is kept', async () => {
    const { MemoryDatastore } = await import('datastore-core')
    const kept = await world({ datastore: new MemoryDatastore() })
    expect(kept.manager.stats().reputation.kept).toBe('datastore')
    const forgotten = await world({ datastore: new MemoryDatastore(), parts: { volatile: true } })
    expect(forgotten.manager.stats().reputation.kept).toBe('memory')
    await kept.manager.stop()
    await forgotten.manager.stop()
  })
})

describe('metrics', () => {
  it('say the same as stats, when they are read', async () => {
    const gauges = new Map<string, () => number | Record<string, number>>()
    const register = (name: string, { calculate }: { calculate (): number }): void => { gauges.set(name, calculate) }
    const metrics = { registerMetric: register, registerMetricGroup: register } as unknown as Metrics
    const w = await world({ parts: { metrics } })
    await busy(w)
    const value = (name: string): unknown => gauges.get(`portolan_routing_${name}`)?.()
    const stats = w.manager.stats()
    expect({
      misses: value('misses_total'),
      succeeded: value('succeeded_total'),
      notFound: value('not_found_total'),
      coalesced: value('coalesced_total'),
      negative: value('negative_hits_total'),
      attempts: value('attempts_total'),
      delivered: value('delivered_bytes_total'),
      lookups: value('lookups_total'),
      outcomes: value('outcomes_total'),
      providers: value('providers')
    }).toEqual({
      misses: stats.cacheMissesHandled,
      succeeded: 21,
      notFound: 1,
      coalesced: 1,
      negative: 1,
      attempts: 22,
      delivered: 21 * 1_024,
      lookups: 22,
      outcomes: stats.outcomes,
      providers: 1
    })
    for (const [name, calculate] of gauges) {
      expect(name).toMatch(/^portolan_routing_[a-z_]+$/)
      expect(Object.values([calculate()].flat()).length).toBeGreaterThan(0)
    }
    await w.manager.stop()
  })
})
