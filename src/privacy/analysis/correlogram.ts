import { gumbel } from './gumbel.ts'
import type { Gumbel } from './gumbel.ts'

/** Cells of the circle that a pair of flows is laid around: a power of two, and enough for what is seen to a thousandth of the time */
const CELLS = 2048

/** Parts of a cell that times are rounded to, so that a difference of two of them is rounded little: 2 ** 3 */
const PART_BITS = 3

/** Lags up to this many cells, 1 / 128 of the time, either way, are near */
const NEAR = 16

/** Lags up to this many usual intervals are looked for, and up to a fifth of the time: the rest is what chance does */
const FAR_INTERVALS = 3
const MOST_FAR = 410

/** In cells: each twice the one before, up to a twentieth of the time, for a correlation over fewer bins is none */
const WIDTHS = [1, 2, 4, 8, 16, 32, 64, 102]

/** What surrounds a peak, in widths: it has to stand out of its own neighbourhood, not out of what both flows do all day */
const SURROUNDINGS = 16

/** In cells: so many at least, for of twenty events a few cells tell nothing about what is usual; and no more than a quarter of the time, for tides turn */
const MIN_SURROUNDINGS = 256
const MAX_SURROUNDINGS = 512

/** Lags that make a block, whose maxima tell what chance does; and where chance is looked at for no lag at all */
const BLOCK = 2 * NEAR + 1
const SAMPLE = 8

/** That two flows avoid each other is rarer than that they go together: e times less of the chance is for it */
const LESS = 2

/** How the chance of a false alarm is shared: no lag at all is the rule */
const SHARES = { none: 0.6, near: 0.25, far: 0.15 }

export interface Peak {
  /** That chance puts a peak this high at some lag and some width; not corrected for the number of pairs */
  readonly p: number
  /** In ms: by how much the second flow comes later */
  readonly lag: number
  /** In ms: the width at which it stands out most */
  readonly width: number
}

interface Place {
  readonly height: number
  readonly at: number
  readonly width: number
}

/**
 * Looks whether two flows have more (or fewer) events close to each other than they have when one of them is shifted
 * against the other around the circle: the cross-correlogram at lag 0, near it, and up to a few intervals away, at eight
 * widths at once, against the correlogram everywhere else.
 *
 * A shift leaves each flow as it is, with its bursts and periods, so that these are part of chance here. The height of a
 * peak is a Poisson deviance against its own surroundings, which takes slow tides out that both flows have. Maxima of
 * such heights follow a Gumbel distribution, which is fitted to what is away from 0.
 *
 * Times are in order; both flows are within `[from, to)`.
 */
export function correlogramPeak (a: Float64Array, b: Float64Array, from: number, to: number): Peak {
  const cell = (to - from) / CELLS
  const far = Math.min(MOST_FAR, Math.max(NEAR, Math.ceil(FAR_INTERVALS * CELLS / Math.min(a.length, b.length))))
  const best = new Float64Array(CELLS)
  const bestWidth = new Uint8Array(CELLS)
  const sampled = new Float64Array(CELLS / SAMPLE)
  const sums = circularSums(a, b, from, to)
  let none: Place = { height: -1, at: 0, width: 1 }

  for (const width of WIDTHS) {
    const heights = heightsOf(sums, width)
    const step = stepOf(width)

    for (let i = 0; i < heights.length; i++) {
      const at = i * step

      if (heights[i]! > best[at]!) {
        best[at] = heights[i]!
        bestWidth[at] = width
      }
    }
    for (let i = 0; i < sampled.length; i++) {
      sampled[i] = Math.max(sampled[i]!, heights[Math.round(i * SAMPLE / step) % heights.length]!)
    }
    if (heights[0]! > none.height) {
      none = { height: heights[0]!, at: 0, width }
    }
  }

  const place = (reach: number): Place => highest(best, bestWidth, reach)
  const near = place(NEAR)
  const away = place(far)
  const blocks = gumbel(maxima(best, away))
  const points = gumbel(sampled.filter((_, i) => apart(i * SAMPLE, none.at) > NEAR + none.width && apart(i * SAMPLE, away.at) > NEAR + away.width))
  const candidates = [
    { ...none, p: points.above(none.height) / SHARES.none },
    { ...near, p: blocks.above(near.height) / SHARES.near },
    { ...away, p: several(blocks, away.height, (2 * far + 1) / BLOCK) / SHARES.far }
  ]
  const peak = candidates.reduce((least, candidate) => candidate.p < least.p ? candidate : least)

  return { p: Math.min(1, peak.p), lag: signed(peak.at) * cell, width: peak.width * cell }
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

function stepOf (width: number): number {
  return Math.max(1, width >> 1)
}

/** Of all lags, half a width apart: how far the pairs in a window around each are from what surrounds it */
function heightsOf (sums: Int32Array, width: number): Float64Array {
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

/** The highest up to so many cells away from 0 */
function highest (best: Float64Array, widths: Uint8Array, reach: number): Place {
  let place: Place = { height: -1, at: 0, width: 1 }

  for (let s = -reach; s <= reach; s++) {
    const at = s & (CELLS - 1)

    if (best[at]! > place.height) {
      place = { height: best[at]!, at, width: widths[at]! }
    }
  }
  return place
}

/** Of the blocks of lags that touch neither 0 nor the peak itself */
function maxima (best: Float64Array, peak: Place): readonly number[] {
  const list: number[] = []
  const margin = NEAR + (WIDTHS.at(-1) ?? 0)

  for (let start = margin; start + BLOCK <= CELLS - margin; start += BLOCK) {
    if (apart(start + NEAR, peak.at) > NEAR + peak.width) {
      list.push(best.subarray(start, start + BLOCK).reduce((most, height) => Math.max(most, height), 0))
    }
  }
  return list
}

/** Around the circle */
function apart (x: number, y: number): number {
  const distance = Math.abs(x - y)
  return Math.min(distance, CELLS - distance)
}

function signed (at: number): number {
  return at > CELLS / 2 ? at - CELLS : at
}

function several (chance: Gumbel, height: number, tests: number): number {
  return -Math.expm1(tests * Math.log1p(-Math.min(chance.above(height), 1 - Number.EPSILON)))
}
