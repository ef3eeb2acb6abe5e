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

/**
 * After so many it shows where a start leads: of each two shapes the better start, and of those the ones that are ahead, go
 * on. All of them to the end say the same of 4 000 flows of five kinds but for a few at the edge.
 */
const FIRST_STEPS = 6
const AHEAD = 3

/** Means and shares that move by less in a step, as a share of themselves, have arrived */
const ARRIVED = 1e-4

/** Shapes of the Erlang distributions that are tried: 1 for what comes by chance, 4 for what is paced */
const SHAPES = [1, 4] as const

/** Within bursts also 32, for what a program paces to the millisecond: without it that looks like the sharp lower end of one long tail */
const SHORT_SHAPES = [...SHAPES, 32] as const

/** Of each shape, the logarithm of the factorial of one less */
const LOG_FACTORIALS: Readonly<Record<number, number>> = { 1: 0, 4: Math.log(6), 32: 78.092223553315 }

/** Shares of the short kind to start from */
const STARTS = [0.5, 0.8] as const

/** Far from where a number overflows */
const LARGE = 1e100

/** How far one start got */
interface Fit {
  /** Shapes of both kinds */
  readonly k1: number
  readonly k2: number
  /** Share of the short kind */
  readonly w: number
  /** Means of both kinds */
  readonly m1: number
  readonly m2: number
  readonly likelihood: number
  readonly arrived: boolean
}

/** Fits both to intervals in units of their mean */
export function mixtureOf (intervals: Float64Array): Mixture {
  const logs = intervals.map(Math.log)
  const sorted = Float64Array.from(intervals).sort()
  const begun = SHORT_SHAPES.flatMap(k1 => SHAPES.map(k2 => STARTS
    .map(start => maximise(intervals, logs, startOf(sorted, k1, k2, start), FIRST_STEPS))
    .reduce(likelier)))
  const best = begun
    .sort((a, b) => b.likelihood - a.likelihood)
    .slice(0, AHEAD)
    .map(fit => fit.arrived ? fit : maximise(intervals, logs, fit, STEPS - FIRST_STEPS))
    .reduce(likelier)

  const poisson = -intervals.length
  const single = Math.max(poisson, lognormal(logs), weibull(logs), lomax(intervals), pareto(sorted, logs))

  return {
    overPoisson: best.likelihood - poisson,
    overSingle: best.likelihood - single,
    ratio: best.m2 / best.m1,
    short: best.w,
    cut: Math.sqrt(best.m2 * best.m1)
  }
}

function likelier (a: Fit, b: Fit): Fit {
  return b.likelihood > a.likelihood ? b : a
}

/** The shortest intervals are of one kind, and the others of the other */
function startOf (sorted: Float64Array, k1: number, k2: number, w: number): Fit {
  const half = Math.max(1, Math.floor(w * sorted.length))
  return { k1, k2, w, m1: mean(sorted.subarray(0, half)), m2: mean(sorted.subarray(half)), likelihood: -Infinity, arrived: false }
}

/** So many steps on, or until it has arrived: one exponential for each interval and step, for this is what a report takes its time for */
function maximise (x: Float64Array, logs: Float64Array, { k1, k2, w, m1, m2 }: Fit, steps: number): Fit {
  const n = x.length
  const total = x.reduce((sum, y) => sum + y, 0)
  let arrived = false

  for (let step = 0; step < steps && !arrived; step++) {
    // the logarithm of how much likelier the long kind is: a + b log x + c x
    const a = scaleOf(k2, m2) + Math.log(1 - w) - scaleOf(k1, m1) - Math.log(w)
    const b = k2 - k1
    const c = k1 / m1 - k2 / m2
    let shares = 0
    let sum = 0

    for (let i = 0; i < n; i++) {
      const share = 1 / (1 + Math.exp(a + b * logs[i]! + c * x[i]!))
      shares += share
      sum += share * x[i]!
    }

    const before = { w, m1, m2 }
    // half an interval of each kind at least: a kind of none at all is no kind
    w = Math.min(Math.max(shares / n, 0.5 / n), 1 - 0.5 / n)
    m1 = Math.max(sum / Math.max(shares, 1e-9), 1e-5)
    m2 = Math.max((total - sum) / Math.max(n - shares, 1e-9), 1e-5)
    arrived = near(w, before.w) && near(m1, before.m1) && near(m2, before.m2)
  }

  return { k1, k2, w, m1, m2, likelihood: likelihoodOf(x, logs, { k1, k2, w, m1, m2 }), arrived }
}

function likelihoodOf (x: Float64Array, logs: Float64Array, { k1, k2, w, m1, m2 }: Omit<Fit, 'likelihood' | 'arrived'>): number {
  const c1 = scaleOf(k1, m1) + Math.log(w)
  const c2 = scaleOf(k2, m2) + Math.log(1 - w)
  let likelihood = 0
  let product = 1

  for (let i = 0; i < x.length; i++) {
    const d1 = c1 + (k1 - 1) * logs[i]! - k1 * x[i]! / m1
    const d2 = c2 + (k2 - 1) * logs[i]! - k2 * x[i]! / m2
    likelihood += Math.max(d1, d2)
    product *= 1 + Math.exp(-Math.abs(d1 - d2))

    // one logarithm for hundreds of factors, none of which is above 2
    if (product > LARGE) {
      likelihood += Math.log(product)
      product = 1
    }
  }
  return likelihood + Math.log(product)
}

/** Logarithm of what makes an Erlang distribution one */
function scaleOf (shape: number, mean: number): number {
  return shape * Math.log(shape / mean) - (LOG_FACTORIALS[shape] ?? 0)
}

function near (a: number, b: number): boolean {
  return Math.abs(a - b) <= ARRIVED * b
}

function mean (x: Float64Array): number {
  return x.length === 0 ? 1 : Math.max(1e-5, x.reduce((sum, y) => sum + y, 0) / x.length)
}
