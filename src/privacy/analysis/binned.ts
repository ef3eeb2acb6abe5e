import type { Random } from '../../interface/clock.ts'

/** Where bins may begin anywhere, r is the mean over bins that begin at four places, so that no edge decides; in shares of a bin */
export const ANYWHERE: readonly number[] = [0, 0.25, 0.5, 0.75]
export const AT_START: readonly number[] = [0]

/** Few enough to be quick, enough to tell a p of 0.01 */
const PERMUTATIONS = 399

/** When so many shifts did the same, p is 0.01 or more whatever the others do */
const ENOUGH = 4

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
  const moving = places(b, from, length, bins).map(place => aroundCircle(place, bins))
  const still = offsets.map(offset => countsOf(places(a, from, length, bins), bins, offset))
  const scratch = { counts: new Int32Array(bins), bins: new Int32Array(moving.length) }
  const correlation = (shift: number): number => still.reduce((sum, counts, i) => sum + pearson(counts, moving, shift + (offsets[i] ?? 0), scratch), 0) / offsets.length

  const r = correlation(-lag * bins / length)
  const margin = Math.min(bins / 4, 2)
  let asHigh = 0
  let tried = 0

  while (tried < PERMUTATIONS && asHigh < ENOUGH) {
    const shift = margin + (bins - 2 * margin) * random.next()
    asHigh += Math.abs(correlation(shift - lag * bins / length)) >= Math.abs(r) ? 1 : 0
    tried++
  }

  return { r, p: (1 + asHigh) / (1 + tried), bins }
}

/** In bins */
function places (times: Float64Array, from: number, length: number, bins: number): Float64Array {
  return times.map(time => (time - from) * bins / length)
}

interface Counts {
  readonly counts: Int32Array
  readonly sum: number
  readonly squares: number
}

function countsOf (at: Float64Array, bins: number, shift: number): Counts {
  const counts = new Int32Array(bins)
  at.forEach(place => counts[binOf(place + shift, bins)]!++)
  return { counts, sum: at.length, squares: counts.reduce((sum, count) => sum + count * count, 0) }
}

function aroundCircle (place: number, bins: number): number {
  return place - bins * Math.floor(place / bins)
}

function binOf (place: number, bins: number): number {
  return Math.min(bins - 1, Math.floor(aroundCircle(place, bins)))
}

interface Scratch {
  /** All 0 */
  readonly counts: Int32Array
  readonly bins: Int32Array
}

/** Of counts, and of events that are counted now, which is quick where most bins are empty; what is in `scratch` is left as it came */
function pearson ({ counts, sum, squares }: Counts, at: Float64Array, shift: number, scratch: Scratch): number {
  const n = counts.length
  const moved = aroundCircle(shift, n)
  let products = 0
  let others = 0

  for (let i = 0; i < at.length; i++) {
    // both are within the circle: no division for each
    const place = at[i]! + moved
    const bin = Math.min(n - 1, Math.floor(place < n ? place : place - n))
    scratch.bins[i] = bin
    products += counts[bin]!
    others += 2 * scratch.counts[bin]! + 1
    scratch.counts[bin]!++
  }
  for (const bin of scratch.bins) {
    scratch.counts[bin] = 0
  }

  const spread = (squares - sum * sum / n) * (others - at.length * at.length / n)
  return spread > 0 ? Math.max(-1, Math.min(1, (products - sum * at.length / n) / Math.sqrt(spread))) : 0
}
