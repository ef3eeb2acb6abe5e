import { correlogramPeak } from './correlogram.ts'
import { countedTogether } from './counted.ts'
import type { Flow } from './flows.ts'
import type { TIMING_TESTS } from '../../interface/privacy.ts'

/** Events of each flow within the time that both have: with fewer there is nothing to correlate */
export const MIN_COMMON_EVENTS = 10

/** The newest of each in that time: the time for a pair grows with the product */
const MAX_COMMON_EVENTS = 256

/** Two flows in the time that both were there, and where they agree most */
export interface Pair {
  readonly a: Flow
  readonly b: Flow
  readonly from: number
  readonly to: number
  /** Of both tests, not corrected for the number of pairs */
  readonly p: number
  readonly bin: number
  readonly lag: number
  readonly test: typeof TIMING_TESTS[number]
}

/** How the chance of a false alarm is shared between what agrees in its moments, which is the rule, and what only does in its counts */
const MOMENTS_SHARE = 0.75

/** In the time that both were there, and a usual interval before and after */
export function compare (a: Flow, b: Flow, origin: number): readonly Pair[] {
  const last = Math.min(a.times.at(-1) ?? 0, b.times.at(-1) ?? 0)
  const first = Math.max(newestBefore(a.times, last), newestBefore(b.times, last))
  const margin = Math.max(1, last - first) / Math.max(MIN_COMMON_EVENTS, Math.min(a.times.length, b.times.length))
  const from = first - margin
  const to = last + margin
  const within = (time: number): boolean => time >= from && time < to
  const both = { a: { ...a, times: a.times.filter(within) }, b: { ...b, times: b.times.filter(within) } }

  if (last <= first || both.a.times.length < MIN_COMMON_EVENTS || both.b.times.length < MIN_COMMON_EVENTS) {
    return []
  }

  const peak = correlogramPeak(both.a.times, both.b.times, from, to)
  const p = Math.min(1, peak.p / MOMENTS_SHARE)
  const counted = countedTogether(both.a.times, both.b.times, from, to, origin)
  const byCounts = counted == null ? 1 : Math.min(1, counted.p / (1 - MOMENTS_SHARE))

  return counted != null && byCounts < p
    ? [{ ...both, ...counted, p: byCounts, lag: 0, test: 'counts' }]
    : [{ ...both, from, to, p, bin: peak.width, lag: peak.lag, test: 'moments' }]
}

/** Where the newest events up to a moment begin, as many as are compared */
function newestBefore (times: Float64Array, last: number): number {
  let end = times.length

  while (end > 1 && times[end - 1]! > last) {
    end--
  }
  return times[Math.max(0, end - MAX_COMMON_EVENTS)] ?? 0
}
