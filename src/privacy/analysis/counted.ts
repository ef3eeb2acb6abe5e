import { normalBelow } from './intervals.ts'

/** In ms: the bins in which people, timers and logs count */
const BINS = [50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000, 300_000, 900_000]

/** Fewer bins make no correlation; more than these for an event, on average, are mostly empty */
const MIN_BINS = 20
const MOST_BINS_PER_EVENT = 2

/** What is usual around a bin is the mean over so many to both sides: what changes slower is a tide, which both flows may have */
const MOST_TIDE = 8
const TIDE_SHARE = 6

/** Shifts by which chance is known: a standard deviation within a tenth */
const SHIFTS = 96

/** That much less is believed of a distance in standard deviations, for these are estimates, and counts are not quite normal */
const CAUTION = 0.93

export interface Counted {
  /** For all the bins that were tried; not corrected for the number of pairs */
  readonly p: number
  readonly bin: number
  readonly from: number
  readonly to: number
}

/**
 * Whether the counts of two flows in bins go together, for causes that act over a while and not at a moment: bins of round
 * lengths that begin where the observation began, counts less the mean around them, and the product of both flows against
 * the products when one of them is shifted by whole bins.
 */
export function countedTogether (a: Float64Array, b: Float64Array, from: number, to: number, origin: number): Counted | undefined {
  const most = MOST_BINS_PER_EVENT * Math.min(a.length, b.length)
  let best: { readonly z: number, readonly bin: number, readonly from: number, readonly to: number } | undefined
  let tried = 0

  for (const bin of BINS) {
    const first = origin + Math.floor((from - origin) / bin) * bin
    const bins = Math.ceil((to - first) / bin)

    if (bins < MIN_BINS || bins > most) {
      continue
    }

    const z = distance(countsAbove(a, first, bin, bins), countsAbove(b, first, bin, bins)) * CAUTION
    tried++

    if (best == null || z > best.z) {
      best = { z, bin, from: first, to: first + bins * bin }
    }
  }

  return best == null ? undefined : { p: Math.min(1, tried * 2 * normalBelow(-best.z)), bin: best.bin, from: best.from, to: best.to }
}

/** Counts in bins, less the mean of those around */
function countsAbove (times: Float64Array, first: number, bin: number, bins: number): Float64Array {
  const counts = new Float64Array(bins)

  for (const time of times) {
    counts[Math.min(bins - 1, Math.max(0, Math.floor((time - first) / bin)))]!++
  }

  const width = 2 * Math.min(MOST_TIDE, Math.floor(bins / TIDE_SHARE)) + 1
  let sum = 0

  for (let i = 0; i < width; i++) {
    sum += counts[(i - (width >> 1) + bins) % bins]!
  }

  return counts.map((count, i) => {
    const above = count - sum / width
    sum += counts[(i - (width >> 1) + width + bins) % bins]! - counts[(i - (width >> 1) + bins) % bins]!
    return above
  })
}

/**
 * How far what is seen is from what shifts give, as a distance in a normal distribution: few shifts know little of their
 * own spread (Student's t, by Wallace's approximation). By one bin is no shift: where the bins begin is not known.
 */
function distance (a: Float64Array, b: Float64Array): number {
  const bins = a.length
  const stride = Math.max(1, Math.floor((bins - 3) / SHIFTS))
  let sum = 0
  let squares = 0
  let n = 0

  for (let shift = 2; shift < bins - 1; shift += stride) {
    const product = together(a, b, shift)
    sum += product
    squares += product * product
    n++
  }

  const mean = sum / n
  const spread = Math.sqrt(Math.max(0, squares / n - mean * mean) * n / Math.max(1, n - 1))
  const t = spread > 0 ? (together(a, b, 0) - mean) / spread : 0
  const degrees = Math.max(1, n - 1)

  return (8 * degrees + 1) / (8 * degrees + 3) * Math.sqrt(degrees * Math.log1p(t * t / degrees))
}

function together (a: Float64Array, b: Float64Array, shift: number): number {
  const bins = a.length
  const turn = bins - shift
  let sum = 0

  for (let i = 0; i < turn; i++) {
    sum += a[i]! * b[i + shift]!
  }
  for (let i = turn; i < bins; i++) {
    sum += a[i]! * b[i - turn]!
  }
  return sum
}
