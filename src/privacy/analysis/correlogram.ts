import { gumbel } from './gumbel.ts'
import { apart, CELLS, circularSums, heightsOf, NEAR, stepOf } from './heights.ts'
import type { Gumbel } from './gumbel.ts'

/** Lags up to this many usual intervals are looked for, and up to a fifth of the time: the rest is what chance does */
const FAR_INTERVALS = 3
const MOST_FAR = 410

/** In cells: each twice the one before, up to a twentieth of the time, for a correlation over fewer bins is none */
const WIDTHS = [1, 2, 4, 8, 16, 32, 64, 102]

/** Lags that make a block, whose maxima tell what chance does; and where chance is looked at for no lag at all */
const BLOCK = 2 * NEAR + 1
const SAMPLE = 8

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

function signed (at: number): number {
  return at > CELLS / 2 ? at - CELLS : at
}

function several (chance: Gumbel, height: number, tests: number): number {
  return -Math.expm1(tests * Math.log1p(-Math.min(chance.above(height), 1 - Number.EPSILON)))
}
