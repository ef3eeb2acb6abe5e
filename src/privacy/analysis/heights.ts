/** Cells of the circle that a pair of flows is laid around: a power of two, and enough for what is seen to a thousandth of the time */
export const CELLS = 2048

/** Parts of a cell that times are rounded to, so that a difference of two of them is rounded little: 2 ** 3 */
const PART_BITS = 3

/** Lags up to this many cells, 1 / 128 of the time, either way, are near */
export const NEAR = 16

/** What surrounds a peak, in widths: it has to stand out of its own neighbourhood, not out of what both flows do all day */
const SURROUNDINGS = 16

/** In cells: so many at least, for of twenty events a few cells tell nothing about what is usual; and no more than a quarter of the time, for tides turn */
const MIN_SURROUNDINGS = 256
const MAX_SURROUNDINGS = 512

/** That two flows avoid each other is rarer than that they go together: e times less of the chance is for it */
const LESS = 2

/** Prefix sums, three times around, of how many pairs are how far apart */
export function circularSums (a: Float64Array, b: Float64Array, from: number, to: number): Int32Array {
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

export function stepOf (width: number): number {
  return Math.max(1, width >> 1)
}

/** Of all lags, half a width apart: how far the pairs in a window around each are from what surrounds it */
export function heightsOf (sums: Int32Array, width: number): Float64Array {
  const step = stepOf(width)
  const around = Math.min(MAX_SURROUNDINGS, Math.max(MIN_SURROUNDINGS, SURROUNDINGS * width))
  const inner = 2 * width
  const share = width / (around - inner)
  const heights = new Float64Array(Math.floor((CELLS - 1) / step) + 1)
  let total = 0
  let away = 0

  for (let i = 0; i < heights.length; i++) {
    const at = i * step
    const count = within(sums, at, width)
    const expected = (within(sums, at, around) - within(sums, at, inner)) * share
    const height = deviance(count, expected)
    heights[i] = count < expected ? -height : height

    if (apart(at, 0) > NEAR + width) {
      total += height
      away++
    }
  }

  // a flow in clumps has more of everything, by chance too
  const scale = Math.max(1, total / Math.max(1, away))
  return heights.map(height => height > 0 ? surprise(height / scale) : surprise(-height / scale) - LESS)
}

/** Pairs in a window of `width` cells around `at` */
function within (sums: Int32Array, at: number, width: number): number {
  const start = at + CELLS - (width >> 1)
  return sums[start + width]! - sums[start]!
}

/** Of a count against what was expected: χ² with one degree of freedom, about, and right for small counts too */
function deviance (count: number, expected: number): number {
  const mean = Math.max(expected, 0.01)
  return 2 * ((count === 0 ? 0 : count * Math.log(count / mean)) - (count - mean))
}

/** −2 ln of the chance that a χ² with one degree of freedom is above: the maxima of such are Gumbel's from a handful on (within 0.1) */
function surprise (height: number): number {
  return height <= 0 ? 0 : height + Math.log(1 + Math.sqrt(height) + Math.PI / 2 * height)
}

/** Around the circle */
export function apart (x: number, y: number): number {
  const distance = Math.abs(x - y)
  return Math.min(distance, CELLS - distance)
}
