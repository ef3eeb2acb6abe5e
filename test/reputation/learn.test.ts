import { describe, expect, it } from 'vitest'
import { DEFAULT_ESTIMATE, emptyEstimate } from '../../src/reputation/estimate.ts'
import { learn } from '../../src/reputation/learn.ts'
import { newRoute } from '../../src/reputation/record.ts'
import type { RouteRecord } from '../../src/reputation/record.ts'
import type { Outcome } from '../../src/interface/outcome.ts'
import type { Sample } from '../../src/interface/reputation.ts'

const CUT_OFF: Sample = { latency: 20, answered: true, bytes: 262_144, transfer: 1_000 }

function after (steps: ReadonlyArray<readonly [Outcome, Sample]>): RouteRecord {
  const route = newRoute(0)

  for (const [outcome, sample] of steps) {
    learn(route, outcome, sample, 0, DEFAULT_ESTIMATE, emptyEstimate())
  }

  return route
}

describe('what an attempt that was cut off in the middle of a block teaches', () => {
  it.each(['cancelled', 'stalled'] as const)('is that the whole would have taken longer (%s)', outcome => {
    const { throughput } = after([[outcome, CUT_OFF]])
    expect(throughput.weight).toBeGreaterThan(0.5)
    expect(Math.exp(throughput.mean)).toBeLessThan(262)
  })

  it('comes to outweigh what was delivered fast before', () => {
    const delivered = Array.from({ length: 10 }, () => ['delivered', { latency: 20, answered: true, bytes: 262_144, transfer: 50 }] as const)
    const slower = Array.from({ length: 12 }, () => ['cancelled', CUT_OFF] as const)
    expect(Math.exp(after(delivered).throughput.mean)).toBeGreaterThan(5_000)
    expect(Math.exp(after([...delivered, ...slower]).throughput.mean)).toBeLessThan(500)
  })

  it('is nothing when it was cut off at once: a race lost by a hair makes nobody slow, nor fast', () => {
    const { throughput } = after([['cancelled', { ...CUT_OFF, transfer: 0.1 }]])
    expect(throughput.weight).toBe(0)
  })

  it.each([
    ['invalid', CUT_OFF],
    ['refused', CUT_OFF],
    ['cancelled', { latency: 20, bytes: 262_144, transfer: 1_000 }],
    ['cancelled', { latency: 20, answered: true }],
    ['cancelled', { ...CUT_OFF, transfer: NaN }],
    ['cancelled', { ...CUT_OFF, bytes: -1 }]
  ] as const)('is nothing about throughput where nothing was measured (%s, %j)', (outcome, sample) => {
    expect(after([[outcome, sample]]).throughput.weight).toBe(0)
  })
})
