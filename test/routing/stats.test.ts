import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RoutingStats } from '../../src/routing/stats.ts'

describe('RoutingStats', () => {
  it('knows the percentiles of the last thousand times', () => {
    fc.assert(fc.property(fc.array(fc.integer({ min: 0, max: 60_000 }), { minLength: 1, maxLength: 1_500 }), times => {
      const stats = new RoutingStats()
      times.forEach(ms => { stats.took(ms) })
      const kept = times.slice(-1_000).sort((a, b) => a - b)
      const { p50, p90, p99, mean } = stats.percentiles()
      expect([p50, p90, p99]).toEqual([0.5, 0.9, 0.99].map(q => kept[Math.min(kept.length - 1, Math.floor(q * kept.length))]))
      expect(mean).toBeCloseTo(times.reduce((sum, ms) => sum + ms, 0) / times.length, 2)
    }), { numRuns: 50 })
  })

  it('claims nothing before there was anything', () => {
    const snapshot = new RoutingStats().snapshot()
    expect(snapshot.retrievalTime).toEqual({})
    expect(snapshot.successRate).toBeUndefined()
    expect(snapshot.cache.hitRatio).toBeUndefined()
    expect(snapshot.cache.timeSaved).toBe(0)
  })

  it('tells rates from counts: of what ended, of what was read', () => {
    const stats = new RoutingStats()
    Object.assign(stats, { localHits: 6, localBytes: 600, cacheMissesHandled: 4, succeeded: 1, notFound: 1, failed: 1, aborted: 1, coalesced: 4 })
    stats.took(10)
    stats.took(30)
    const snapshot = stats.snapshot()
    expect(snapshot.successRate).toBe(0.333)
    expect(snapshot.cache).toMatchObject({ hits: 6, hitRatio: 0.6, bytesSaved: 600, timeSaved: 200 })
  })

  it('gives snapshots that do not change, and are plain JSON', () => {
    const stats = new RoutingStats()
    const before = stats.snapshot()
    stats.outcomes.delivered++
    stats.attempts++
    expect(before.outcomes.delivered).toBe(0)
    expect(before.attempts).toBe(0)
    const now = stats.snapshot()
    expect(JSON.parse(JSON.stringify(now))).toMatchObject({ attempts: 1, outcomes: { delivered: 1 } })
  })
})
