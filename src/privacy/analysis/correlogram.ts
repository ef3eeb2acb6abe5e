/** Cells of the circle that a pair of flows is laid around: a power of two, and enough for what is seen to a thousandth of the time */
const CELLS = 2048

/** Parts of a cell that times are rounded to, so that a difference of two of them is rounded little: 2 ** 3 */
const PART_BITS = 3

/** Lags up to this many cells, 1 / 128 of the time, either way: longer ones are looked for as chance is, so as to know it */
const LAGS = 16

/** In cells: each twice the one before, up to a twentieth of the time, for a correlation over fewer bins is none */
const WIDTHS = [1, 2, 4, 8, 16, 32, 64, 102]

/** What surrounds a peak, in widths: it has to stand out of its own neighbourhood, not out of what both flows do all day */
const SURROUNDINGS = 16

/** In cells: so many at least, for of twenty events a few cells tell nothing about what is usual */
const MIN_SURROUNDINGS = 256

/** Below this many blocks of lags chance cannot be known */
const BLOCK = 2 * LAGS + 1

const EULER = 0.5772156649015329

export interface Peak {
  /** That chance puts a peak this high at some lag and some width; not corrected for the number of pairs */
  readonly p: number
  /** In ms: by how much the second flow comes later */
  readonly lag: number
  /** In ms: the width at which it stands out most */
  readonly width: number
  /** Coincidences more (or fewer, below 0) than the surroundings have */
  readonly excess: number
}

/**
 * Looks whether two flows have more (or fewer) events close to each other than they have when one of them is shifted
 * against the other around the circle: the cross-correlogram near lag 0, at eight widths at once, against the
 * correlogram everywhere else.
 *
 * A shift leaves each flow as it is, with its bursts and periods, so that these are part of chance here. The height of a
 * peak is a Poisson deviance against its own surroundings, which takes slow tides out that both flows have. Maxima of
 * such heights over blocks of lags follow a Gumbel distribution, which is fitted to the blocks that are away from 0.
 *
 * Times are in order; both flows are within `[from, to)`.
 */
export function correlogramPeak (a: Float64Array, b: Float64Array, from: number, to: number): Peak {
  const cell = (to - from) / CELLS
  const sums = circularSums(a, b, from, to)
  const best = new Float64Array(CELLS)
  const heights = new Float64Array(CELLS)
  let peak = { height: -1, at: 0, width: 1, excess: 0 }

  for (const width of WIDTHS) {
    const step = Math.max(1, width >> 1)
    const around = Math.min(CELLS, Math.max(MIN_SURROUNDINGS, SURROUNDINGS * width))
    const inner = around === CELLS ? 0 : 2 * width
    const share = width / (around - inner)
    const first = -Math.floor(LAGS / step) * step
    const positions = Math.floor((CELLS - 1) / step) + 1
    let total = 0
    let outside = 0

    for (let i = 0; i < positions; i++) {
      const s = first + i * step
      const expected = (within(sums, s, around) - (inner === 0 ? 0 : within(sums, s, inner))) * share
      const height = deviance(within(sums, s, width), expected)
      heights[i] = height

      if (s > LAGS + width || s < -LAGS - width) {
        total += height
        outside++
      }
    }

    // a flow in clumps has more of everything, by chance too
    const scale = Math.max(1, total / Math.max(1, outside))

    for (let i = 0; i < positions; i++) {
      const s = first + i * step
      const height = heights[i]! / scale
      const index = s & (CELLS - 1)

      if (height > best[index]!) {
        best[index] = height
      }

      if (s >= -LAGS && s <= LAGS && height > peak.height) {
        const expected = (within(sums, s, around) - (inner === 0 ? 0 : within(sums, s, inner))) * share
        peak = { height, at: s, width, excess: within(sums, s, width) - expected }
      }
    }
  }

  return { p: chanceOf(peak.height, best), lag: peak.at * cell, width: peak.width * cell, excess: peak.excess }
}

/** Prefix sums, three times around, of how many pairs are how far apart */
function circularSums (a: Float64Array, b: Float64Array, from: number, to: number): Int32Array {
  const parts = CELLS << PART_BITS
  const perPart = parts / (to - from)
  // whole numbers, for there are tens of thousands of differences
  const places = (times: Float64Array): Int32Array => Int32Array.from(times, time => Math.floor((time - from) * perPart))
  const counts = new Int32Array(CELLS)
  const ys = places(b)
  // half a cell on, so that what is at the same moment lies within the cell around 0
  const half = 1 << (PART_BITS - 1)

  for (const x of places(a)) {
    for (let i = 0; i < ys.length; i++) {
      counts[((ys[i]! - x + half) & (parts - 1)) >> PART_BITS]!++
    }
  }

  const sums = new Int32Array(3 * CELLS + 1)

  for (let i = 0; i < 3 * CELLS; i++) {
    sums[i + 1] = sums[i]! + counts[i & (CELLS - 1)]!
  }
  return sums
}

/** Pairs in a window of `width` cells around `s` */
function within (sums: Int32Array, s: number, width: number): number {
  const start = s + CELLS - (width >> 1)
  return sums[start + width]! - sums[start]!
}

/** Of a count against what was expected: χ² with one degree of freedom, about, and right for small counts too */
function deviance (count: number, expected: number): number {
  const mean = Math.max(expected, 0.01)
  return 2 * ((count === 0 ? 0 : count * Math.log(count / mean)) - (count - mean))
}

/** Fits the maxima of the blocks away from 0, and says how likely one is as high as the peak */
function chanceOf (height: number, best: Float64Array): number {
  const maxima: number[] = []
  const margin = LAGS + (WIDTHS.at(-1) ?? 0)

  for (let start = margin; start + BLOCK <= CELLS - margin; start += BLOCK) {
    let most = 0

    for (let i = start; i < start + BLOCK; i++) {
      most = Math.max(most, best[i]!)
    }
    maxima.push(most)
  }

  const mean = maxima.reduce((sum, x) => sum + x, 0) / maxima.length
  const variance = maxima.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (maxima.length - 1)
  // the tail of a χ² falls by e in 2: a fit that is steeper has seen too little
  const scale = Math.max(2, Math.sqrt(6 * variance) / Math.PI)
  const location = mean - EULER * scale

  return -Math.expm1(-Math.exp(-(height - location) / scale))
}
