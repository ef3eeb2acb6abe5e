import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { normal, seededRandom } from '../../src/clock/random.ts'
import { ageEstimate, DEFAULT_ESTIMATE, emptyEstimate, hazardRate, hopefulMean, observe, observeBelow, observeCensored, observeDelivery } from '../../src/reputation/estimate.ts'
import type { Estimate } from '../../src/reputation/estimate.ts'

const params = DEFAULT_ESTIMATE

interface Trace { mean: number, sd: number, highest: number, last: Estimate }

/** Feeds `count` latencies around `mu`, each hidden beyond what `limit` draws, and looks at the belief after a warm-up */
function feed (mu: number, sd: number, limit: (dice: () => number) => number, count = 20_000): Trace {
  const random = seededRandom(42)
  const estimate = emptyEstimate()
  const trace: Trace = { mean: 0, sd: 0, highest: -Infinity, last: estimate }
  const from = count / 10

  for (let i = 0; i < count; i++) {
    const x = mu + sd * normal(random)
    const c = limit(() => random.next())

    if (x <= c) {
      observe(estimate, x, params)
    } else {
      observeCensored(estimate, c, params)
    }

    trace.highest = Math.max(trace.highest, estimate.mean)

    if (i >= from) {
      trace.mean += estimate.mean / (count - from)
      trace.sd += Math.sqrt(estimate.variance) / (count - from)
    }
  }

  return trace
}

describe('the hazard rate of the standard normal', () => {
  it('is the density over the upper tail', () => {
    // by integration: midpoints of 0.0001 over twelve deviations
    const reference = (a: number): number => {
      let tail = 0
      for (let t = 0.00005; t < 12; t += 0.0001) {
        tail += Math.exp(-(t * t) / 2 - a * t) * 0.0001
      }
      return 1 / tail
    }

    for (const a of [-3, -1, 0, 1, 1.99, 2, 2.01, 3, 5, 8, 20]) {
      expect(hazardRate(a) / reference(a)).toBeCloseTo(1, 5)
    }
  })

  it('never falls, and stays above its argument', () => {
    fc.assert(fc.property(fc.double({ min: -10, max: 20, noNaN: true }), fc.double({ min: 0, max: 5, noNaN: true }), (a, more) => {
      expect(hazardRate(a)).toBeGreaterThan(Math.max(0, a))
      expect(hazardRate(a + more)).toBeGreaterThanOrEqual(hazardRate(a) * (1 - 1e-6))
    }))
  })
})

describe('exact observations', () => {
  it('the first one is taken at its word, with the prior uncertainty', () => {
    const estimate = emptyEstimate()
    observe(estimate, 3, params)
    expect(estimate).toEqual({ mean: 3, longRun: 3, variance: params.priorSd ** 2, weight: 1 })
  })

  it('find mean and deviation', () => {
    for (const sd of [0.25, 0.5]) {
      const { mean, sd: found } = feed(4, sd, () => Infinity)
      expect(mean).toBeCloseTo(4, 1)
      expect(found / sd).toBeGreaterThan(0.85)
      expect(found / sd).toBeLessThan(1.1)
    }
  })

  it('believe a provider that turned eight times slower within three observations, and one straggler never', () => {
    const settled = (): Estimate => {
      const estimate = emptyEstimate()
      for (let i = 0; i < 50; i++) {
        observe(estimate, Math.log(50), params)
      }
      return estimate
    }
    const straggler = settled()
    observe(straggler, Math.log(500), params)
    expect(Math.exp(straggler.mean)).toBeLessThan(80)

    const slower = settled()
    for (let i = 0; i < 3; i++) {
      observe(slower, Math.log(400), params)
    }
    expect(Math.exp(slower.mean)).toBeGreaterThan(90)
  })
})

describe('a delivery far sooner than believed', () => {
  const settled = (sd: number): Estimate => ({ mean: 5, longRun: 5, variance: sd ** 2, weight: 6 })

  it('is believed at once, and any other is an observation like every other', () => {
    fc.assert(fc.property(fc.double({ min: 0.2, max: 2, noNaN: true }), fc.double({ min: -6, max: 6, noNaN: true }), (sd, deviations) => {
      const spread = Math.max(params.priorSd, sd)
      const x = 5 + deviations * spread
      const estimate = settled(sd)
      const plain = settled(sd)
      observeDelivery(estimate, x, params)
      observe(plain, x, params)

      if (deviations < -2.501) {
        expect(estimate).toEqual({ mean: x, longRun: plain.longRun, variance: spread ** 2, weight: 1 })
      } else if (deviations > -2.499) {
        expect(estimate).toEqual(plain)
      }
    }))
  })

  it.each([-Infinity, Infinity, NaN])('that is no time (%d) changes nothing', x => {
    const estimate = settled(0.3)
    observeDelivery(estimate, x, params)
    expect(estimate).toEqual(settled(0.3))
  })

  it('hardly flatters one that stays as it was, even one whose times are spread widely', () => {
    for (const [sd, share] of [[0.35, 0.02], [1, 0.2]] as const) {
      const random = seededRandom(7)
      const estimate = emptyEstimate()
      let sum = 0

      for (let i = 0; i < 20_000; i++) {
        observeDelivery(estimate, 4 + sd * normal(random), params)
        sum += estimate.mean
      }

      expect(Math.abs(sum / 20_000 - 4)).toBeLessThan(share * sd)
    }
  })
})

describe('censored observations', () => {
  it.each([-1, -0.5, 0, 0.5, 1, 2])('cut off %d deviations from the truth leave the belief unbiased', a => {
    for (const sd of [0.25, 0.35, 0.7]) {
      const { mean } = feed(5, sd, () => 5 + a * sd)
      expect(Math.abs(mean - 5)).toBeLessThan(0.2 * sd)
    }
  })

  it('at limits that vary leave mean and deviation unbiased', () => {
    for (const sd of [0.25, 0.35, 0.7]) {
      const { mean, sd: found } = feed(5, sd, dice => 5 + sd * (4 * dice() - 2))
      expect(Math.abs(mean - 5)).toBeLessThan(0.1 * sd)
      expect(found / sd).toBeGreaterThan(0.85)
      expect(found / sd).toBeLessThan(1.2)
    }
  })

  it('alone make a provider that always loses look slower than those it loses to', () => {
    // the winner answers at 50 ms, this one is never heard out
    const { mean } = feed(Math.log(400), 0.35, () => Math.log(50))
    expect(Math.exp(mean)).toBeGreaterThan(80)
  })

  it('however many and early do not talk a provider down without bound', () => {
    for (const count of [1_000, 100_000]) {
      const { highest } = feed(Math.log(400), 0.35, () => Math.log(20), count)
      // three deviations of the prior above the cut-off
      expect(highest).toBeLessThan(Math.log(20) + 3.5 * params.priorSd)
    }
  })

  it('far below the belief say nothing and cost no evidence', () => {
    const estimate = emptyEstimate()
    for (let i = 0; i < 50; i++) {
      observe(estimate, Math.log(100), params)
    }
    const before = { ...estimate }
    for (let i = 0; i < 1_000; i++) {
      observeCensored(estimate, Math.log(5), params)
    }
    expect(estimate).toEqual(before)
  })

  it('are never good news', () => {
    const belief = fc.record({
      mean: fc.double({ min: -3, max: 15, noNaN: true }),
      variance: fc.double({ min: 0, max: 9, noNaN: true }),
      weight: fc.double({ min: 0.01, max: 7, noNaN: true })
    }).map(believed => ({ ...believed, longRun: believed.mean }))
    fc.assert(fc.property(belief, fc.double({ min: -5, max: 20, noNaN: true }), (estimate, x) => {
      const { mean, weight } = estimate
      observeCensored(estimate, x, params)
      expect(estimate.mean).toBeGreaterThanOrEqual(mean)
      expect(estimate.mean - mean).toBeLessThanOrEqual(params.clip)
      expect(estimate.weight).toBeLessThanOrEqual(Math.max(weight, 1 / (1 - params.keep)) + 1)
    }))
  })

  it('of a stranger leave it near what is usual when short, and above it when long', () => {
    const usual = { mean: Math.log(100), longRun: Math.log(100), variance: 0.25, weight: 20 }
    const short = emptyEstimate()
    observeCensored(short, Math.log(2), params, usual)
    // a race lost after 2 ms must not make it look fast
    expect(ageEstimate(short, 0, 0, params).weight).toBeLessThan(0.01)

    const middling = emptyEstimate()
    observeCensored(middling, Math.log(60), params, usual)
    expect(Math.exp(middling.mean)).toBeGreaterThan(100)
    expect(middling.weight).toBeLessThan(0.5)

    const long = emptyEstimate()
    observeCensored(long, Math.log(1_000), params, usual)
    expect(Math.exp(long.mean)).toBeGreaterThan(1_000)
    expect(Math.exp(long.mean)).toBeLessThan(1_500)
  })
})

describe('the long run', () => {
  it('of a stranger that lost a race early is what it then shows, not zero', () => {
    const usual = { mean: Math.log(1_000), longRun: Math.log(1_000), variance: 0.25, weight: 20 }
    const estimate = emptyEstimate()
    observeCensored(estimate, Math.log(2), params, usual)
    expect(estimate).toEqual(emptyEstimate())
    observe(estimate, Math.log(300), params)
    expect(Math.exp(hopefulMean(estimate, 0, 1_000, params))).toBeCloseTo(300)
  })

  it('of one that always loses is not its first guess', () => {
    const estimate = emptyEstimate()
    observeCensored(estimate, Math.log(20), params)
    for (let i = 0; i < 500; i++) {
      observeCensored(estimate, Math.log(400), params)
    }
    expect(Math.exp(hopefulMean(estimate, 0, 10_000, params))).toBeGreaterThan(300)
  })

  it('is not biased by what was cut off', () => {
    for (const a of [-1, 0, 1]) {
      const { last } = feed(5, 0.35, () => 5 + a * 0.35)
      expect(Math.abs(last.longRun - 5)).toBeLessThan(0.15)
    }
  })

  it('is what a faded belief starts from again, when all that comes is a lost race', () => {
    const usual = { mean: Math.log(20), longRun: Math.log(20), variance: 0.1, weight: 20 }
    const estimate = { mean: Math.log(800), longRun: Math.log(400), variance: 0.1, weight: 0.001 }
    observeCensored(estimate, Math.log(100), params, usual)
    expect(Math.exp(ageEstimate(estimate, 0, 0, params).mean)).toBeGreaterThan(350)
    expect(Math.exp(estimate.longRun)).toBeCloseTo(400, -1)
  })
})

describe('estimates', () => {
  it('lose half of their evidence per half-life, and some per decision against them', () => {
    const estimate = { mean: 4, longRun: 4, variance: 0.1, weight: 6 }
    expect(ageEstimate(estimate, params.halfLife, 0, params).weight).toBeCloseTo(3)
    expect(ageEstimate(estimate, 3 * params.halfLife, 0, params).weight).toBeCloseTo(0.75)
    expect(ageEstimate(estimate, 0, 100, params).weight).toBeCloseTo(6 * params.keepPassed ** 100)
    expect(ageEstimate(estimate, -1e9, 0, params).weight).toBe(6)
    expect(ageEstimate(estimate, Number.MAX_VALUE, 1e9, params)).toMatchObject({ mean: 4, weight: 0 })
  })

  it('that are not renewed may hope for what is usual in the long run', () => {
    const estimate = emptyEstimate()
    for (let i = 0; i < 200; i++) {
      observe(estimate, Math.log(20), params)
    }
    for (let i = 0; i < 5; i++) {
      observe(estimate, Math.log(160), params)
    }
    const hope = (passes: number): number => Math.exp(hopefulMean(estimate, 0, passes, params))
    expect(hope(0)).toBeCloseTo(Math.exp(estimate.mean))
    expect(hope(0)).toBeGreaterThan(50)
    expect(hope(20)).toBeLessThan(hope(0))
    expect(hope(300)).toBeLessThan(30)
    expect(hope(300)).toBeGreaterThan(19)
    // and never for worse than what was seen last
    observe(estimate, Math.log(1), params)
    expect(hope(300)).toBeLessThanOrEqual(Math.exp(estimate.mean) + 1e-9)
  })

  it('stay finite and bounded, whatever they are fed', () => {
    const anything = fc.oneof(fc.double(), fc.double({ min: -20, max: 20 }), fc.constantFrom(NaN, Infinity, -Infinity, 0, Number.MAX_VALUE, -Number.MAX_VALUE))
    const step = fc.tuple(fc.constantFrom('exact', 'censored'), anything)
    fc.assert(fc.property(fc.array(step, { maxLength: 100 }), steps => {
      const estimate = emptyEstimate()
      for (const [kind, x] of steps) {
        if (kind === 'exact') {
          observe(estimate, x, params)
        } else {
          observeCensored(estimate, x, params)
        }
        expect(Number.isFinite(estimate.mean)).toBe(true)
        expect(Number.isFinite(estimate.longRun)).toBe(true)
        expect(Number.isFinite(estimate.variance)).toBe(true)
        expect(estimate.variance).toBeGreaterThanOrEqual(0)
        expect(estimate.weight).toBeGreaterThanOrEqual(0)
        expect(estimate.weight).toBeLessThan(1 / (1 - params.keep) + 1)
      }
    }))
  })
})

describe('observing that it was less than that', () => {
  const prior = { mean: 7, variance: 1 }

  it('is the mirror image of observing that it was more', () => {
    fc.assert(fc.property(
      fc.array(fc.tuple(fc.boolean(), fc.double({ min: -10, max: 10, noNaN: true })), { maxLength: 20 }),
      steps => {
        const [below, above] = [emptyEstimate(), emptyEstimate()]

        for (const [exact, x] of steps) {
          if (exact) {
            observe(below, x, params)
            observe(above, -x, params)
          } else {
            observeBelow(below, x, params, prior)
            observeCensored(above, -x, params, { ...prior, mean: -prior.mean, longRun: -prior.mean, weight: 1 })
          }
        }

        expect(below.mean).toBeCloseTo(-above.mean, 9)
        expect(below.variance).toBeCloseTo(above.variance, 9)
        expect(below.weight).toBeCloseTo(above.weight, 9)
      }
    ))
  })

  it('makes nobody look faster, and says nothing where that goes without saying', () => {
    const estimate = emptyEstimate()
    observeBelow(estimate, 60, params, prior)
    expect(estimate.weight).toBe(0)

    for (let i = 0; i < 20; i++) {
      const before = estimate.weight === 0 ? prior.mean : estimate.mean
      observeBelow(estimate, 5, params, prior)
      expect(estimate.mean).toBeLessThanOrEqual(before)
    }

    expect(estimate.mean).toBeLessThan(5)
  })
})
