import { lognormal, lomax, pareto, weibull } from './likelihoods.ts'

/** Two kinds of intervals in one flow, or one */
export interface Mixture {
  /** Log likelihood over that of independent events (one exponential) */
  readonly overPoisson: number
  /** Log likelihood over the best single kind of interval: exponential, lognormal, Weibull, Lomax, Pareto */
  readonly overSingle: number
  /** Mean of the long kind / mean of the short */
  readonly ratio: number
  /** Share of the intervals that are of the short kind */
  readonly short: number
  /** Below this, in units of the mean, an interval is more likely of the short kind */
  readonly cut: number
}

/** Steps of the expectation maximisation: what moves after that moves little */
const STEPS = 25

/** Shapes of the Erlang distributions that are tried: 1 for what comes by chance, 4 for what is paced */
const SHAPES = [1, 4] as const

/** Within bursts also 32, for what a program paces to the millisecond: without it that looks like the sharp lower end of one long tail */
const SHORT_SHAPES = [...SHAPES, 32] as const

/** Of each shape, the logarithm of the factorial of one less */
const LOG_FACTORIALS: Readonly<Record<number, number>> = { 1: 0, 4: Math.log(6), 32: 78.092223553315 }

/** Shares of the short kind to start from */
const STARTS = [0.5, 0.8] as const

interface Fit {
  readonly likelihood: number
  readonly short: number
  readonly shortMean: number
  readonly longMean: number
}

/** Fits both to intervals in units of their mean */
export function mixtureOf (intervals: Float64Array): Mixture {
  const logs = intervals.map(Math.log)
  const sorted = Float64Array.from(intervals).sort()
  let best: Fit = { likelihood: -Infinity, short: 0, shortMean: 1, longMean: 1 }

  for (const shapeShort of SHORT_SHAPES) {
    for (const shapeLong of SHAPES) {
      for (const start of STARTS) {
        const fit = maximise(intervals, logs, sorted, shapeShort, shapeLong, start)
        best = fit.likelihood > best.likelihood ? fit : best
      }
    }
  }

  const poisson = -intervals.length
  const single = Math.max(poisson, lognormal(logs), weibull(logs), lomax(intervals), pareto(sorted, logs))

  return {
    overPoisson: best.likelihood - poisson,
    overSingle: best.likelihood - single,
    ratio: best.longMean / best.shortMean,
    short: best.short,
    cut: Math.sqrt(best.longMean * best.shortMean)
  }
}

function maximise (x: Float64Array, logs: Float64Array, sorted: Float64Array, k1: number, k2: number, start: number): Fit {
  const n = x.length
  const half = Math.max(1, Math.floor(start * n))
  let m1 = mean(sorted.subarray(0, half))
  let m2 = mean(sorted.subarray(half))
  let w = start
  let likelihood = 0

  for (let step = 0; step < STEPS; step++) {
    const c1 = k1 * Math.log(k1 / m1) - (LOG_FACTORIALS[k1] ?? 0) + Math.log(w)
    const c2 = k2 * Math.log(k2 / m2) - (LOG_FACTORIALS[k2] ?? 0) + Math.log(1 - w)
    let shares = 0
    let sum1 = 0
    let sum2 = 0
    likelihood = 0

    for (let i = 0; i < n; i++) {
      const d1 = c1 + (k1 - 1) * logs[i]! - k1 * x[i]! / m1
      const d2 = c2 + (k2 - 1) * logs[i]! - k2 * x[i]! / m2
      const most = Math.max(d1, d2)
      const total = most + Math.log1p(Math.exp(-Math.abs(d1 - d2)))
      const share = Math.exp(d1 - total)
      likelihood += total
      shares += share
      sum1 += share * x[i]!
      sum2 += (1 - share) * x[i]!
    }

    // half an interval of each kind at least: a kind of none at all is no kind
    w = Math.min(Math.max(shares / n, 0.5 / n), 1 - 0.5 / n)
    m1 = Math.max(sum1 / Math.max(shares, 1e-9), 1e-5)
    m2 = Math.max(sum2 / Math.max(n - shares, 1e-9), 1e-5)
  }

  return { likelihood, short: w, shortMean: m1, longMean: m2 }
}

function mean (x: Float64Array): number {
  return x.length === 0 ? 1 : Math.max(1e-5, x.reduce((sum, y) => sum + y, 0) / x.length)
}
