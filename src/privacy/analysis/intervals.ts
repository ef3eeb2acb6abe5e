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
  /** Share of intervals above one and a half medians that are near a multiple of it: 1 where there are none */
  readonly multiples: number
}

/** Intervals of no length would make everything else look even: shares of the mean below this are taken for it */
const SHORTEST = 1e-4

/** An interval in which a tick is missing is twice as long, give or take this share */
const NEAR_MULTIPLE = 0.25

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

export function rhythmOf (times: Float64Array): Rhythm {
  const { intervals, mean } = intervalsOf(times)
  const n = intervals.length

  if (n < 2) {
    return { n, mean, median: mean, variation: 0, regular: 1, middle: 0, multiples: 1 }
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
  const middle = Math.max(normal(intervals), lognormal(logarithms), weibull(logarithms)) - pareto(sorted, logarithms)

  return { n, mean, median: median * mean, variation, regular: lowerTail(moran, n - 1), middle, multiples: multiplesOf(sorted, median) }
}

function multiplesOf (sorted: Float64Array, median: number): number {
  const long = sorted.filter(x => x > 1.5 * median)
  return long.length === 0 ? 1 : long.filter(x => Math.abs(x / median - Math.round(x / median)) <= NEAR_MULTIPLE).length / long.length
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
