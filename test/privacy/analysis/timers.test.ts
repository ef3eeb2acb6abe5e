import { describe, expect, it } from 'vitest'
import { normal, seededRandom } from '../../../src/clock/random.ts'
import { burstFlows } from '../../../src/privacy/analysis/bursts.ts'
import { correlogramPeak } from '../../../src/privacy/analysis/correlogram.ts'
import { periodicFlows } from '../../../src/privacy/analysis/periodicity.ts'
import type { Random } from '../../../src/interface/clock.ts'

/** Generators that the detectors were not tuned on, in ms; `n` events */
type Generator = (random: Random, n: number) => number[]

const CASES = 200
const EVENTS = [20, 30, 50, 100, 200]

const exponential = (random: Random): number => -Math.log(1 - random.next())
const even = (random: Random, share: number): number => share * (2 * random.next() - 1)

function renewal (interval: (random: Random) => number): Generator {
  return (random, n) => {
    let at = 0
    return Array.from({ length: n }, () => (at += 1_000 * interval(random)))
  }
}

function clock (off: (random: Random) => number): Generator {
  return (random, n) => Array.from({ length: n }, (_, i) => 1_000 * (i + off(random))).sort((a, b) => a - b)
}

/** Off for a tenth of its time and up to all of it, once */
function paused (generator: Generator): Generator {
  return (random, n) => {
    const [after, gone] = [2 + Math.floor(random.next() * (n - 4)), (0.1 + random.next()) * n * 1_000]
    return generator(random, n).map((at, i) => i < after ? at : at + gone)
  }
}

/** Each tenth tick is missing, by chance */
function missing (generator: Generator): Generator {
  return (random, n) => generator(random, 2 * n).filter(() => random.next() >= 0.1).slice(0, n)
}

/** Share of flows that are called periodic, in reports on five of them */
function called (generator: Generator, n: number): number {
  const random = seededRandom(n)
  const others = Array.from({ length: 4 }, (_, i) => ({ id: `other-${i}`, times: Float64Array.of(0, 1) }))
  let found = 0

  for (let i = 0; i < CASES; i++) {
    found += periodicFlows([{ id: 'flow', times: Float64Array.from(generator(random, n)) }, ...others]).length
  }
  return found / CASES
}

describe('renewal processes whose intervals vary by 0.7 of their mean and more are not periodic', () => {
  it.each([
    ['exponential', renewal(exponential)],
    ['gamma of shape 1.5', renewal(random => exponential(random) + normal(random) ** 2 / 2)],
    ['gamma of shape 2', renewal(random => exponential(random) + exponential(random))],
    ['Weibull of shape 1.3', renewal(random => exponential(random) ** (1 / 1.3))],
    ['lognormal of 0.8', renewal(random => Math.exp(0.8 * normal(random)))],
    ['lognormal of 1', renewal(random => Math.exp(normal(random)))],
    ['lognormal of 1.5', renewal(random => Math.exp(1.5 * normal(random)))]
  ])('%s', (_, generator) => {
    const shares = EVENTS.map(n => called(generator, n))
    // of five flows in a report, one report in a hundred
    expect(shares.reduce((sum, share) => sum + share, 0) / EVENTS.length).toBeLessThanOrEqual(0.002)
  })
})

describe('timers with a jitter of up to 30 % are found', () => {
  it.each([
    ['clock, even', clock(random => even(random, 0.3)), 20],
    ['clock, normal', clock(random => 0.3 * normal(random)), 30],
    ['timer, even', renewal(random => 1 + even(random, 0.3)), 20],
    ['timer, normal', renewal(random => Math.max(0, 1 + 0.3 * normal(random))), 30],
    ['clock, even, that paused', paused(clock(random => even(random, 0.3))), 30],
    ['clock, normal, that paused', paused(clock(random => 0.3 * normal(random))), 30],
    ['timer, normal, that paused', paused(renewal(random => Math.max(0, 1 + 0.3 * normal(random)))), 50],
    ['clock, even, with ticks missing', missing(clock(random => even(random, 0.3))), 30]
  ])('%s', (_, generator, least) => {
    for (const n of EVENTS.filter(n => n >= least)) {
      expect(called(generator, n), `${n} events`).toBeGreaterThanOrEqual(0.95)
    }
  })
})

describe('what comes in pages is in bursts', () => {
  it.each([50, 100, 200])('of %i events', n => {
    const random = seededRandom(n)
    let found = 0

    for (let i = 0; i < CASES; i++) {
      const [size, ratio] = [3 + Math.floor(10 * random.next()), 20 + 180 * random.next()]
      const times = Float64Array.from(renewal(() => 0.5 + random.next())(random, n), (at, j) => at + Math.floor(j / size) * ratio * 1_000)
      found += burstFlows([{ id: 'flow', times }]).length
      expect(periodicFlows([{ id: 'flow', times }])).toEqual([])
    }
    expect(found / CASES).toBeGreaterThanOrEqual(0.95)
  })
})

describe('a copy that comes later stands out', () => {
  it.each([0, 0.5, 1, 2])('by %d intervals', later => {
    const random = seededRandom(later + 1)
    let found = 0

    for (let i = 0; i < 40; i++) {
      const a = Float64Array.from({ length: 100 }, () => 100_000 * random.next()).sort()
      const b = a.map(at => random.next() < 0.7 ? at + later * 1_000 + 50 * normal(random) : 100_000 * random.next()).sort()
      const peak = correlogramPeak(a, b, -3_000, 104_000)
      found += peak.p < 1e-3 && Math.abs(peak.lag - later * 1_000) < 200 ? 1 : 0
    }
    expect(found / 40).toBeGreaterThanOrEqual(0.95)
  })
})
