import { AbortError } from 'p-retry'
import { describe, expect, it, vi } from 'vitest'
import { MetricRegistry } from '../../src/gateway/metric-registry.ts'
import { routingMetrics } from '../../src/routing/metrics.ts'
import { numbered, settled, unpublished, world } from './support/world.ts'
import type { Metrics } from '../../src/interface/metrics.ts'
import type { RoutingFigures } from '../../src/routing/figures.ts'
import type { SourceStats } from '../../src/interface/stats.ts'
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

type Calculate = () => number | Record<string, number>

/** A registry that keeps what reads each metric */
function registry (): { metrics: Metrics, calculated: Map<string, Calculate>, labels: Map<string, string> } {
  const calculated = new Map<string, Calculate>()
  const labels = new Map<string, string>()
  const register = (name: string, { label, calculate }: { label?: string, calculate: Calculate }): void => {
    expect(calculated.has(name)).toBe(false)
    calculated.set(name, calculate)
    if (label != null) {
      labels.set(name, label)
    }
  }
  return { metrics: { registerMetric: register, registerMetricGroup: register } as unknown as Metrics, calculated, labels }
}

describe('metrics', () => {
  it('say the same as stats, when they are read', async () => {
    const { metrics, calculated, labels } = registry()
    const failing = numbered(666)
    const w = await world({
      parts: {
        metrics,
        provide: async cid => {
          if (cid.equals(w.network.block(failing))) {
            throw new AbortError('no router')
          }
        }
      }
    })
    await busy(w)
    await w.clock.run(w.manager.announce(w.network.block(numbered(1))))
    await w.clock.run(settled(w.manager.announce(w.network.block(failing))))
    const session = w.manager.createSession(w.network.block(numbered(1)))
    const stats = w.manager.stats()
    expect(stats.announced).toEqual({ done: 1, failed: 1, pending: 0 })
    expect(Object.fromEntries([...calculated].map(([name, calculate]) => [name.replace('portolan_routing_', ''), calculate()]))).toEqual({
      misses_total: 22,
      succeeded_total: 21,
      not_found_total: 1,
      failed_total: 0,
      aborted_total: 0,
      success_ratio: 0.955,
      coalesced_total: 1,
      negative_hits_total: 1,
      retrieval_seconds: { p50: 0.02, p90: 0.02, p99: 0.02 },
      retrieval_mean_seconds: 0.02,
      attempts_total: 22,
      outcomes_total: stats.outcomes,
      hedges_total: 0,
      hedges_won_total: 0,
      shadows_total: 0,
      delivered_bytes_total: 21 * 1_024,
      wasted_bytes_total: 0,
      streams_total: 0,
      streams_resumed_total: 0,
      stream_blocks_total: 0,
      stream_bytes_total: 0,
      streams: 0,
      lookups_total: 22,
      lookups_failed_total: 0,
      providers_found_total: 22,
      source_lookups_total: { simulated: 22 },
      source_failed_total: { simulated: 0 },
      source_named_total: { simulated: 22 },
      source_alone_total: { simulated: 22 },
      source_delivered_total: { simulated: 21 },
      source_kept_ratio: { simulated: 1 },
      source_first_p90_seconds: { simulated: 0 },
      source_end_p90_seconds: { simulated: 0 },
      local_hits_total: 0,
      hit_ratio: 0,
      saved_bytes_total: 0,
      saved_seconds: 0.02,
      corrupt_local_total: 0,
      store_failures_total: 0,
      flights: 0,
      attempts: 0,
      queued: 0,
      sessions: 1,
      providers: 1,
      announced_total: 1,
      announce_failed_total: 1,
      announce_pending: 0
    })
    expect(Object.fromEntries(labels)).toEqual({
      portolan_routing_outcomes_total: 'outcome',
      portolan_routing_retrieval_seconds: 'quantile',
      ...Object.fromEntries(['lookups_total', 'failed_total', 'named_total', 'alone_total', 'delivered_total', 'kept_ratio', 'first_p90_seconds', 'end_p90_seconds'].map(name => [`portolan_routing_source_${name}`, 'source']))
    })
    session.close()
    await w.manager.stop()
  })

  it('each read the figure that they are named after', async () => {
    const { manager } = await world()
    const { metrics, calculated } = registry()
    let next = 0
    // every number differs, so that no two metrics can be mistaken for each other
    const numberedFigures = JSON.parse(JSON.stringify({ ...manager.stats(), successRate: 0, retrievalTime: { p50: 0, p90: 0, p99: 0, mean: 0 } }), (_key, value: unknown) =>
      typeof value === 'number' ? ++next * 1_000 : value) as RoutingFigures
    const source: SourceStats = { name: 'dht', lookups: 1, failed: 2, late: 3, named: 4, alone: 5, agreed: 6, asked: 7, successfulRetrievals: 8, kept: 0.9, firstProvider: { p90: 10 }, end: { p90: 11 } }
    const f: RoutingFigures = { ...numberedFigures, discovery: { ...numberedFigures.discovery, sources: [source, { ...source, name: 'new', kept: undefined, firstProvider: {}, end: {} }] }, cache: { ...numberedFigures.cache, hitRatio: 0.25 } }
    routingMetrics(metrics, { now: () => 0, snapshot: () => f })
    const value = (name: string): unknown => calculated.get(`portolan_routing_${name}`)?.()
    expect([value('aborted_total'), value('failed_total'), value('success_ratio')]).toEqual([f.aborted, f.failed, f.successRate])
    expect([value('hedges_total'), value('hedges_won_total'), value('shadows_total')]).toEqual([f.hedges.sent, f.hedges.won, f.hedges.shadows])
    expect([value('lookups_total'), value('lookups_failed_total'), value('providers_found_total')]).toEqual([f.discovery.lookups, f.discovery.failed, f.discovery.providersFound])
    expect(['lookups_total', 'failed_total', 'named_total', 'alone_total', 'delivered_total'].map(name => value(`source_${name}`))).toEqual([1, 2, 4, 5, 8].map(n => ({ dht: n, new: n })))
    expect(['kept_ratio', 'first_p90_seconds', 'end_p90_seconds'].map(name => value(`source_${name}`))).toEqual([{ dht: 0.9 }, { dht: 0.01 }, { dht: 0.011 }])
    expect([value('local_hits_total'), value('hit_ratio'), value('saved_bytes_total')]).toEqual([f.cache.hits, 0.25, f.cache.bytesSaved])
    expect([value('streams_total'), value('streams_resumed_total'), value('stream_blocks_total'), value('stream_bytes_total'), value('streams')]).toEqual([f.streams.begun, f.streams.resumed, f.streams.blocks, f.streams.bytes, f.streams.open])
    expect([value('corrupt_local_total'), value('store_failures_total'), value('wasted_bytes_total')]).toEqual([f.cache.corrupt, f.cache.storeFailures, f.bytes.wasted])
    expect([value('flights'), value('attempts'), value('queued'), value('sessions')]).toEqual([f.inFlight.flights, f.inFlight.attempts, f.inFlight.queued, f.inFlight.sessions])
    expect([value('announced_total'), value('announce_failed_total'), value('announce_pending')]).toEqual([f.announced.done, f.announced.failed, f.announced.pending])
    const { p50, p90, p99, mean } = f.retrievalTime
    expect(value('retrieval_seconds')).toEqual({ p50: Number(p50) / 1_000, p90: Number(p90) / 1_000, p99: Number(p99) / 1_000 })
    expect([value('retrieval_mean_seconds'), value('saved_seconds')]).toEqual([Number(mean) / 1_000, f.cache.timeSaved / 1_000])
    await manager.stop()
  })

  it('take one snapshot per scrape, and describe no provider for it', async () => {
    const { metrics, calculated } = registry()
    const w = await world({ parts: { metrics } })
    w.network.add('good', { latency: 20 })
    const described = vi.spyOn(w.book, 'describe')
    const scrape = (): unknown => [...calculated.values()].map(calculate => calculate()) && calculated.get('portolan_routing_succeeded_total')?.()
    expect(scrape()).toBe(0)
    await w.clock.run(w.manager.retrieve(w.network.block(numbered(1))))
    await w.clock.advance(229)
    expect(scrape()).toBe(0)
    await w.clock.advance(1)
    expect(scrape()).toBe(1)
    expect(described).not.toHaveBeenCalled()
    expect(w.manager.stats().providers).toHaveLength(1)
    expect(described).toHaveBeenCalledTimes(1)
    await w.manager.stop()

    const counted = vi.fn(() => w.manager.stats())
    const other = registry()
    let now = 0
    routingMetrics(other.metrics, { now: () => now, snapshot: counted })
    expect(counted).not.toHaveBeenCalled()
    for (const at of [0, 249, 250, 499, 500]) {
      now = at
      for (const calculate of other.calculated.values()) {
        calculate()
      }
    }
    expect(counted).toHaveBeenCalledTimes(3)
  })

  it('make a page of their own registry, where totals are counters and nothing is made up', async () => {
    const metrics = new MetricRegistry()
    const w = await world({ parts: { metrics } })
    const idle = metrics.toString()
    expect(idle).toContain('# TYPE portolan_routing_misses_total counter\nportolan_routing_misses_total 0\n')
    expect(idle).toContain('# TYPE portolan_routing_outcomes_total counter\n')
    expect(idle).not.toMatch(/NaN|undefined/)
    expect(idle).not.toMatch(/^portolan_routing_(hit_ratio|success_ratio|retrieval_seconds|retrieval_mean_seconds)/m)
    await busy(w)
    await w.clock.advance(250)
    const page = metrics.toString()
    expect(page).toContain('# TYPE portolan_routing_retrieval_seconds gauge\n')
    expect(page).toContain('portolan_routing_retrieval_seconds{quantile="p99"} 0.02\n')
    expect(page).toContain('portolan_routing_success_ratio 0.955\n')
    expect(page).toContain('# TYPE portolan_routing_saved_seconds gauge\nportolan_routing_saved_seconds 0.02\n')
    await w.manager.stop()
  })
})
