import { choices } from './intervals.ts'
import { regress } from './grid.ts'
import { uneven } from './likelihoods.ts'
import type { Fit, Ticks } from './grid.ts'

/** The timer that explains a flow best */
export interface Timer {
  /** Intervals in which it ran */
  readonly n: number
  /** In the unit of the intervals */
  readonly period: number
  readonly variation: number
  /** Log likelihood over the best renewal process whose intervals vary by 0.6 of their mean and more */
  readonly gain: number
}

/** In medians: what is longer is a pause */
const PAUSE = 4.35

/** Between pauses a timer ticks so often on average, and it pauses twice; what does oftener comes in bursts */
const EVENTS_OF_RUN = 10
const MOST_PAUSES = 2

/** What pauses take, in times of what a timer runs: one that is off for longer comes in two bursts */
const MOST_GONE = 1.5

/** A clock whose ticks are off by more shares of its period is none: of a normal jitter of 30 % it is 0.3 */
const MOST_OFF = 0.45

/** Ticks that may be missing, in shares of those that are there; with a jitter of 30 % and a quarter missing intervals vary by 0.6 */
const MOST_MISSED = 0.35
const MOST_VARIATION = 0.75

/** Of more intervals the median is a good guess of the period, and the time for a search grows with the square */
const MOST_SEARCHED = 100

/** Price of the search for the period where ticks are missing */
const SEARCH = 2

/** What is around a middle where the pauses are left out: a timer with 30 % varies by 0.3 */
const VARIATION_OF_RUN = 0.45

/**
 * How well a timer explains intervals: one that ticks on a grid, each tick with a jitter of its own; the same with ticks
 * missing; or, between pauses, one that is set anew after each tick. Of a grid the places count, not the lengths of
 * intervals alone: what is late once is early the next time, which no renewal process does. Where a gain is `enough`,
 * no better one is looked for.
 */
export function timerOf (intervals: Float64Array, enough: number): Timer | undefined {
  const n = intervals.length
  const sorted = Float64Array.from(intervals).sort()
  const cut = PAUSE * (sorted[n >> 1] ?? 0)
  const pauses = sorted.filter(x => x > cut)
  const run = intervals.filter(x => x <= cut)

  if (run.length < 3 || pauses.length > Math.min(MOST_PAUSES, Math.floor((n + 1) / EVENTS_OF_RUN) - 1)) {
    return undefined
  }

  const total = run.reduce((sum, x) => sum + x, 0)
  const mean = total / run.length
  const variance = Math.max(1e-8, run.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (run.length - 1))
  const variation = Math.sqrt(variance) / mean
  const gone = pauses.reduce((sum, x) => sum + x, 0)

  if (variation > MOST_VARIATION || gone > MOST_GONE * total) {
    return undefined
  }

  // pauses are of any length, and which intervals they are was chosen
  const length = gone / Math.max(1, pauses.length)
  const price = (pauses.length === 0 ? 0 : pauses.length * (Math.log(length) + 1) + choices(n, pauses.length)) + uneven(intervals)
  const ticks = ticksOf(intervals, cut)
  let best: Timer = { n: run.length, period: mean, variation, gain: -Infinity }

  if (pauses.length > 0 && variation < VARIATION_OF_RUN) {
    best = { ...best, gain: -(run.length * Math.log(2 * Math.PI * variance) + run.length - 1) / 2 - price }
  }

  const onGrid = ({ period, off, likelihood }: Fit, search: number): void => {
    const gain = likelihood - price - search

    if (off < MOST_OFF * period && gain > best.gain) {
      best = { n: run.length, period, variation: search === 0 ? variation : Math.SQRT2 * off / period, gain }
    }
  }

  onGrid(regress(ticks), 0)

  for (let missed = 0; best.gain < enough && missed <= (n <= MOST_SEARCHED ? MOST_MISSED * n : 0); missed++) {
    onGrid(regress(ticks, missed === 0 ? sorted[n >> 1]! : total / (run.length + missed)), SEARCH)
  }
  return best
}

function ticksOf (intervals: Float64Array, cut: number): Ticks {
  const times = new Float64Array(intervals.length + 1)
  const runs = new Int32Array(times.length)

  intervals.forEach((x, i) => {
    const paused = x > cut
    runs[i + 1] = runs[i]! + (paused ? 1 : 0)
    times[i + 1] = paused ? 0 : times[i]! + x
  })
  return { times, runs }
}
