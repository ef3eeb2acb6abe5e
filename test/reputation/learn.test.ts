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

describe('what a block teaches that shares its line with others', () => {
  const SHARED: Sample = { latency: 20, answered: true, bytes: 262_144, transfer: 200 }

  it('is what the line bears', () => {
    expect(Math.exp(after([['delivered', SHARED]]).throughput.mean)).toBeCloseTo(262_144 / 200)
    expect(Math.exp(after([['delivered', { ...SHARED, line: 1_048_576 }]]).throughput.mean)).toBeCloseTo(1_048_576 / 200)
  })

  it('is no less than its own bytes, whatever is said of the line', () => {
    for (const line of [0, 1_000, -5, NaN, Infinity]) {
      expect(Math.exp(after([['delivered', { ...SHARED, line }]]).throughput.mean)).toBeCloseTo(262_144 / 200)
    }
  })

  it('is no reason to call the provider slow when it was cut off', () => {
    const [alone, beside] = [after([['cancelled', CUT_OFF]]), after([['cancelled', { ...CUT_OFF, line: 20_000_000 }]])]
    expect(Math.exp(alone.throughput.mean)).toBeLessThan(262)
    expect(beside.throughput.weight === 0 || beside.throughput.mean > alone.throughput.mean + 1).toBe(true)
  })
})

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

describe('a race that was lost', () => {
  /** Usually 20 ms, 200 of late, and passed over since */
  const slowed = (): RouteRecord => {
    const route = newRoute(0)
    Object.assign(route.latency, { mean: Math.log(200), longRun: Math.log(20), variance: 0.04, weight: 5 })
    route.passed = 50
    return route
  }
  const cancelled = (latency: number, answered?: boolean): RouteRecord => {
    const route = slowed()
    learn(route, 'cancelled', { latency, answered }, 0, DEFAULT_ESTIMATE, emptyEstimate())
    return route
  }

  it('too soon for any answer is not the look that a slow one is due', () => {
    expect(cancelled(10)).toEqual(slowed())
  })

  it('is one when it would have answered by then, were it what it was, or when it did answer', () => {
    expect(cancelled(60).passed).toBe(0)
    expect(cancelled(300).passed).toBe(0)
    expect(cancelled(10, true).passed).toBe(0)
  })

  it('early says something about one that is usually as fast', () => {
    const route = slowed()
    route.latency.mean = Math.log(20)
    learn(route, 'cancelled', { latency: 18 }, 0, DEFAULT_ESTIMATE, emptyEstimate())
    expect(route.passed).toBe(0)
    expect(route.latency.mean).toBeGreaterThan(Math.log(20))
  })
})

describe('a delivery far sooner than believed', () => {
  const slow = Array.from({ length: 20 }, () => ['delivered', { latency: 500 }] as const)

  it('is believed at once: a provider that recovered is seen to have in one look', () => {
    expect(Math.exp(after([...slow, ['delivered', { latency: 60 }]]).latency.mean)).toBeCloseTo(60)
  })

  it('is not what a fast refusal is', () => {
    expect(Math.exp(after([...slow, ['not-here', { latency: 60 }]]).latency.mean)).toBeGreaterThan(300)
  })

  it('has no counterpart: a straggler is not a new belief', () => {
    const fast = Array.from({ length: 20 }, () => ['delivered', { latency: 60 }] as const)
    expect(Math.exp(after([...fast, ['delivered', { latency: 600 }]]).latency.mean)).toBeLessThan(90)
  })
})
