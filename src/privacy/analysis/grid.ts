import { choices } from './intervals.ts'

/** Events in the runs between pauses, each run from 0 on */
export interface Ticks {
  readonly times: Float64Array
  /** The number of the run that each is of */
  readonly runs: Int32Array
}

/** The grid that events lie on, another offset in each run */
export interface Fit {
  readonly period: number
  /** By how much ticks are off, as standard deviation */
  readonly off: number
  readonly likelihood: number
}

/** Which tick an event is changes with the grid, and the grid with it: after three times hardly */
const STEPS = 3

/** The grid of the least squares; ticks may be missing where a period is given to start from */
export function regress (ticks: Ticks, period?: number): Fit {
  const { times, runs } = ticks
  const places = new Float64Array(times.length)

  for (let i = 1; i < times.length; i++) {
    const least = places[i - 1]! + 1
    places[i] = runs[i] !== runs[i - 1] ? 0 : period == null ? least : Math.max(least, Math.round(times[i]! / period))
  }

  let line = lineOf(ticks, places)

  for (let step = 0; period != null && step < STEPS; step++) {
    for (let i = 0; i < times.length; i++) {
      const place = Math.round((times[i]! - line.offsets[runs[i]!]!) / line.slope)
      places[i] = i > 0 && runs[i] === runs[i - 1] ? Math.max(places[i - 1]! + 1, place) : place
    }
    line = lineOf(ticks, places)
  }

  const count = line.counts.length
  const degrees = times.length - count - 1
  const variance = Math.max(1e-8, line.rest / degrees)
  let passed = 0

  for (let i = 1; i < times.length; i++) {
    passed += runs[i] === runs[i - 1] ? places[i]! - places[i - 1]! : 0
  }

  const missed = passed - (times.length - count)
  const known = line.slope > 0 && Number.isFinite(line.slope) && degrees > 0
  // any offset is as likely as any other, and so is any choice of the ticks that are missing
  const likelihood = known ? -((times.length - count) * Math.log(2 * Math.PI * variance) + degrees + line.counts.reduce((sum, n) => sum + Math.log(n), 0)) / 2 - choices(passed, missed) : -Infinity

  return { period: line.slope, off: Math.sqrt(variance), likelihood }
}

interface Line {
  readonly slope: number
  readonly offsets: readonly number[]
  readonly counts: readonly number[]
  /** Sum of the squares of what is left */
  readonly rest: number
}

/** One slope and an offset for each run */
function lineOf ({ times, runs }: Ticks, places: Float64Array): Line {
  const count = (runs.at(-1) ?? 0) + 1
  const counts = Array.from({ length: count }, () => 0)
  const [meanTimes, meanPlaces] = [[...counts], [...counts]]

  runs.forEach(run => counts[run]!++)
  runs.forEach((run, i) => {
    meanTimes[run]! += times[i]! / counts[run]!
    meanPlaces[run]! += places[i]! / counts[run]!
  })

  let [across, along, up] = [0, 0, 0]

  for (let i = 0; i < times.length; i++) {
    const x = places[i]! - meanPlaces[runs[i]!]!
    const y = times[i]! - meanTimes[runs[i]!]!
    across += x * y
    along += x * x
    up += y * y
  }

  const slope = across / along
  return { slope, offsets: meanTimes.map((mean, run) => mean - slope * meanPlaces[run]!), counts, rest: Math.max(0, up - slope * across) }
}
