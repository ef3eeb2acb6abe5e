import type { Random } from '../../interface/clock.ts'

/** Where bins may begin anywhere, r is the mean over bins that begin at two places, so that one edge does not decide; in shares of a bin */
export const ANYWHERE: readonly number[] = [0, 0.5]
export const AT_START: readonly number[] = [0]

/** Few enough to be quick, enough for a p of 0.005 */
const PERMUTATIONS = 199

export interface BinnedCorrelation {
  /** Pearson's, of the counts in bins */
  readonly r: number
  /** Share of random shifts of one flow against the other with an |r| as high */
  readonly p: number
  readonly bins: number
}

/**
 * Pearson's r of the counts of two flows in bins, one of them moved back by its lag, and how often chance does the same:
 * chance is the same two flows, one of them shifted around the circle by at least two bins, each as bursty as it is.
 */
export function binnedCorrelation (a: Float64Array, b: Float64Array, from: number, to: number, bin: number, lag: number, random: Random, offsets: readonly number[] = ANYWHERE): BinnedCorrelation {
  const length = to - from
  const bins = Math.max(1, Math.round(length / bin))
  const counts = [new Int32Array(bins), new Int32Array(bins)] as const
  const correlation = (shift: number): number => offsets.reduce((sum, offset) => {
    count(a, from, length, offset * length / bins, counts[0])
    count(b, from, length, offset * length / bins + shift, counts[1])
    return sum + pearson(counts[0], counts[1])
  }, 0) / offsets.length

  const r = correlation(-lag)
  const margin = Math.min(0.25, 2 / bins)
  let asHigh = 0

  for (let i = 0; i < PERMUTATIONS; i++) {
    const shift = length * (margin + (1 - 2 * margin) * random.next())
    asHigh += Math.abs(correlation(shift - lag)) >= Math.abs(r) ? 1 : 0
  }

  return { r, p: (1 + asHigh) / (1 + PERMUTATIONS), bins }
}

function count (times: Float64Array, from: number, length: number, shift: number, into: Int32Array): void {
  const perBin = into.length / length
  into.fill(0)

  for (const time of times) {
    const place = (time - from + shift) % length
    const bin = Math.floor((place < 0 ? place + length : place) * perBin)
    into[Math.min(bin, into.length - 1)]!++
  }
}

function pearson (a: Int32Array, b: Int32Array): number {
  const n = a.length
  let sumA = 0
  let sumB = 0
  let squaresA = 0
  let squaresB = 0
  let products = 0

  for (let i = 0; i < n; i++) {
    const x = a[i]!
    const y = b[i]!
    sumA += x
    sumB += y
    squaresA += x * x
    squaresB += y * y
    products += x * y
  }

  const spread = (squaresA - sumA * sumA / n) * (squaresB - sumB * sumB / n)
  return spread > 0 ? Math.max(-1, Math.min(1, (products - sumA * sumB / n) / Math.sqrt(spread))) : 0
}
