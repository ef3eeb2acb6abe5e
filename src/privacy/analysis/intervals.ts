import { lognormal, normal, pareto, weibull } from './likelihoods.ts'

/** What the distances between the events of a flow say of its rhythm */
export interface Rhythm {
  /** Intervals */
  readonly n: number
  readonly mean: number
  readonly median: number
  /** Standard deviation / mean: 1 for independent events, 0 for a clock */
  readonly variation: number
  /** Chance that independent events are as regular as this (Moran, 1951) */
  readonly regular: number
  /** Log likelihood by which a distribution around a middle explains the intervals better than one with a sharp lower end and a tail */
  readonly middle: number
  /** The same, by which intervals are as often too early as too late, and not of one long tail (lognormal) */
  readonly even: number
  /** Share of intervals above one and a half medians that are near a multiple of it: 1 where there are none */
  readonly multiples: number
  /** Intervals that were left out of all this: in which the timer paused, or ticks are missing */
  readonly gaps: number
  /** Of these, the ones in which ticks are missing */
  readonly missed: number
}

/** Intervals of no length would make everything else look even: shares of the mean below this are taken for it */
const SHORTEST = 1e-4

/** An interval in which a tick is missing is twice as long, give or take this share */
const NEAR_MULTIPLE = 0.25

/** In medians: from here on an interval is long; up to here ticks may be missing in it, beyond it is a pause */
const LONG = 1.5
const LONGER = 1.65
const MOST_MISSED = 4.35
const NEAR_MISSED = 0.35

/** Share of the long ones that have to be near a multiple, and of all intervals that may be long */
const MOSTLY = 0.8
const MOST_GAPS = 0.35

/** What pauses take, in times of what a timer runs */
const MOST_GONE = 1.5

/** Between pauses a timer ticks so often on average, and it pauses twice; what does oftener comes in bursts */
const EVENTS_OF_RUN = 10
const MOST_PAUSES = 2

/** Distances between neighbours, in units of their mean and none of length 0 */
export function intervalsOf (times: Float64Array): { readonly intervals: Float64Array, readonly mean: number } {
  const n = times.length - 1

  if (n < 1) {
    return { intervals: new Float64Array(0), mean: 0 }
  }

  const mean = Math.max((times[n]! - times[0]!) / n, Number.MIN_VALUE)
  const intervals = new Float64Array(n)

  for (let i = 0; i < n; i++) {
    intervals[i] = Math.max((times[i + 1]! - times[i]!) / mean, SHORTEST)
  }
  return { intervals, mean }
}

/** The rhythm of all intervals, and where some are left out because ticks are missing or the timer paused, that of the others */
export function rhythmsOf (times: Float64Array): readonly Rhythm[] {
  const { intervals, mean } = intervalsOf(times)
  const whole = rhythm(intervals, mean)
  const middle = whole.median / Math.max(mean, Number.MIN_VALUE)
  const left = withoutGaps(Float64Array.from(intervals).sort(), middle)

  if (left.length < 2 || left.length === intervals.length) {
    return [whole]
  }

  const running = rhythm(left, mean)
  // which ones are left out was chosen: any other choice would have had its chance
  return [whole, { ...running, regular: Math.min(1, running.regular * Math.exp(choices(intervals.length, left.length))), gaps: intervals.length - left.length, missed: intervals.filter(x => x > LONGER * middle && x <= MOST_MISSED * middle).length }]
}

function rhythm (intervals: Float64Array, unit: number): Rhythm {
  const n = intervals.length

  if (n < 2) {
    return { n, mean: unit, median: unit, variation: 0, regular: 1, middle: 0, even: 0, multiples: 1, gaps: 0, missed: 0 }
  }

  let sum = 0
  let squares = 0
  let logs = 0

  for (const x of intervals) {
    sum += x
    squares += x * x
    logs += Math.log(x)
  }

  const average = sum / n
  const variation = Math.sqrt(Math.max(0, squares / n - average * average) * n / (n - 1)) / average
  // twice the log likelihood ratio of gamma against exponential, with Bartlett's correction: χ² with n - 1 degrees
  const moran = 2 * n * (Math.log(average) - logs / n) / (1 + (n + 1) / (6 * n))
  const sorted = Float64Array.from(intervals).sort()
  const median = sorted[n >> 1]!
  const logarithms = intervals.map(Math.log)
  const evenly = normal(intervals)
  const skewed = lognormal(logarithms)
  const middle = Math.max(evenly, skewed, weibull(logarithms)) - pareto(sorted, logarithms)

  return { n, mean: average * unit, median: median * unit, variation, regular: lowerTail(moran, n - 1), middle, even: evenly - skewed, multiples: multiplesOf(sorted, median), gaps: 0, missed: 0 }
}

/**
 * The intervals without those in which ticks are missing, which are near a multiple of the others, and without pauses of
 * the timer; nothing where neither explains the long ones
 */
function withoutGaps (sorted: Float64Array, median: number): Float64Array {
  const n = sorted.length
  const long = sorted.filter(x => x > LONGER * median)
  const pauses = long.filter(x => x > MOST_MISSED * median).length
  const missed = long.slice(0, long.length - pauses)
  const gone = long.reduce((sum, x) => sum + x, 0)
  const explained = gone <= MOST_GONE * (sorted.reduce((sum, x) => sum + x, 0) - gone) && pauses <= Math.min(MOST_PAUSES, Math.floor((n + 1) / EVENTS_OF_RUN) - 1) && long.length <= MOST_GAPS * n && multiplesOf(missed, median, NEAR_MISSED) >= MOSTLY

  return explained ? sorted.slice(0, n - long.length) : new Float64Array(0)
}

/** Logarithm of the number of ways to choose k of n */
export function choices (n: number, k: number): number {
  let sum = 0

  for (let i = 1; i <= k; i++) {
    sum += Math.log((n - k + i) / i)
  }
  return sum
}

function multiplesOf (sorted: Float64Array, median: number, near = NEAR_MULTIPLE): number {
  const long = sorted.filter(x => x > LONG * median)
  return long.length === 0 ? 1 : long.filter(x => Math.abs(x / median - Math.round(x / median)) <= near).length / long.length
}

/** Of a χ² distribution (Wilson and Hilferty, 1931): within a few percent of the logarithm where it is used */
function lowerTail (x: number, degrees: number): number {
  const k = 2 / (9 * degrees)
  const z = (Math.cbrt(Math.max(0, x) / degrees) - (1 - k)) / Math.sqrt(k)
  return normalBelow(z)
}

/** Of a standard normal variate (Abramowitz and Stegun 26.2.17, and its asymptote in the tail) */
export function normalBelow (z: number): number {
  if (z > 0) {
    return 1 - normalBelow(-z)
  }

  if (z < -6) {
    return Math.exp(-z * z / 2) / (-z * Math.sqrt(2 * Math.PI))
  }

  const t = 1 / (1 - 0.2316419 * z)
  const series = t * (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))))
  return Math.exp(-z * z / 2) / Math.sqrt(2 * Math.PI) * series
}
