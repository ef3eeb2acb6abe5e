import { intervalsOf } from './intervals.ts'
import { MIN_EVENTS } from './flows.ts'
import { mixtureOf } from './mixture.ts'
import { risk, tooLittle } from './finding.ts'
import type { Finding } from './finding.ts'
import type { Flow } from './flows.ts'
import type { PeriodicFlow } from './periodicity.ts'
import type { Risk } from '../../interface/privacy.ts'

/** Bursts make intervals vary more than this (1 is independent events): the others need not be looked at twice */
const LEAST_VARIATION = 1.12

/** Between bursts it takes seven times as long as within, on average, or nobody would see where one ends */
const LEAST_RATIO = 7

/** Log likelihood over independent events that is needed, and for each interval: tides make flows uneven by as much */
const OVER_POISSON = 5
const OVER_POISSON_EACH = 0.2

/**
 * Log likelihood over one kind of long-tailed intervals: of few intervals the two cannot be told apart, so that the best
 * guess decides; of a hundred and more it has to be clear
 */
const OVER_SINGLE = -3.5
const OVER_SINGLE_EACH = 0.06
const MOST_OVER_SINGLE = 4

/** The same where pauses are less than forty times as long: so far apart are two means of one long tail, too */
const CLEAR_RATIO = 40
const OVER_SINGLE_NEAR = -1
const OVER_SINGLE_NEAR_EACH = 0.08

/** One pause is an interruption, unless so little was seen that there was no time for another */
const MIN_BURSTS = 3
const FEW_INTERVALS = 30

const MAX_RISKS = 64

export interface BurstFlow {
  readonly id: string
  /** Where bursts begin, in ms */
  readonly starts: Float64Array
  readonly events: number
  readonly ratio: number
  /** Log likelihood by which two kinds of interval explain the flow better than independent events */
  readonly gain: number
  readonly short: number
}

/** Flows that come in bursts: intervals of two kinds, short ones within and long ones between */
export function burstFlows (flows: readonly Flow[]): readonly BurstFlow[] {
  return flows.flatMap(({ id, times }) => {
    const { intervals, mean } = intervalsOf(times)
    const n = intervals.length

    if (variationOf(intervals) < LEAST_VARIATION) {
      return []
    }

    const { overPoisson, overSingle, ratio, short, cut } = mixtureOf(intervals)
    const starts = times.filter((_, i) => i === 0 || intervals[i - 1]! > cut)
    const bursty = ratio >= LEAST_RATIO &&
      overPoisson >= OVER_POISSON + OVER_POISSON_EACH * n + Math.log(flows.length) &&
      overSingle >= leastOverSingle(n, ratio) &&
      (starts.length >= MIN_BURSTS || (starts.length === MIN_BURSTS - 1 && n <= FEW_INTERVALS && ratio >= CLEAR_RATIO)) &&
      mean > 0

    return bursty ? [{ id, starts, events: times.length, ratio, gain: overPoisson, short }] : []
  })
}

function leastOverSingle (n: number, ratio: number): number {
  return Math.min(MOST_OVER_SINGLE, ratio >= CLEAR_RATIO ? OVER_SINGLE + OVER_SINGLE_EACH * n : OVER_SINGLE_NEAR + OVER_SINGLE_NEAR_EACH * n)
}

function variationOf (intervals: Float64Array): number {
  const n = intervals.length
  const mean = intervals.reduce((sum, x) => sum + x, 0) / n
  return n < 2 ? 0 : Math.sqrt(intervals.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (n - 1)) / mean
}

/** Traffic in bursts: an onlooker sees when somebody opens a page, and how large it is about */
export function burstTraffic (flows: readonly Flow[], bursts: readonly BurstFlow[], regular: readonly PeriodicFlow[], most: number): Finding {
  if (flows.length === 0) {
    return tooLittle('burst-traffic', most, MIN_EVENTS, 'No flow has enough events')
  }

  const every = new Map(regular.map(({ id, median }) => [id, median]))

  return {
    risks: [...bursts]
      .sort((a, b) => b.gain - a.gain || (a.id < b.id ? -1 : 1))
      .slice(0, MAX_RISKS)
      .map(({ id, starts, events, ratio, gain, short }): Risk => risk({
        id: `burst-traffic:${id}`,
        kind: 'burst-traffic',
        title: `Traffic comes in ${starts.length} bursts of ${(events / starts.length).toFixed(1)} events on average`,
        score: 0.3 + 0.2 * Math.min(1, Math.log10(ratio) / 3),
        confidence: 1 - Math.exp(-gain / 3),
        n: events,
        observerClass: 'network',
        subjects: [id],
        evidence: { bursts: starts.length, eventsPerBurst: events / starts.length, ratio, shareOfShortIntervals: short, burstFlows: bursts.length, flows: flows.length, ...everyMs(every.get(id)) },
        recommendation: 'Let requests come in batches at times of their own, not when they are made; a larger cache makes bursts smaller.',
        mitigation: 'routing.mode=strict'
      })),
    insufficient: []
  }
}

function everyMs (period: number | undefined): { periodOfBurstsMs?: number } {
  return period == null ? {} : { periodOfBurstsMs: period }
}
