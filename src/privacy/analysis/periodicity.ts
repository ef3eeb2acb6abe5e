import { intervalsOf, rhythmsOf } from './intervals.ts'
import { MIN_EVENTS } from './flows.ts'
import { risk, tooLittle } from './finding.ts'
import { stepUp } from './step-up.ts'
import { timerOf } from './timers.ts'
import type { Finding } from './finding.ts'
import type { Flow } from './flows.ts'
import type { Rhythm } from './intervals.ts'
import type { Risk } from '../../interface/privacy.ts'

/** That one flow of all that were looked at is called periodic by chance */
const CHANCE = 0.002

/**
 * A timer that is set anew with a jitter of 30 % gives a variation of 0.3 where that is normal, and 0.17 where it is even.
 * Intervals of any length up to twice the mean give 0.58: from 0.6 on they are called independent, not periodic
 */
const MOST_VARIATION = 0.47

/** Of few intervals the variation is known by about 1 / √(2n), and chance must not make a rhythm of independent events */
const MARGIN_Z = 1

/** The share by which a timer may be late and never early, at this variation: more is the lower end of a tail that was not seen */
const MOST_LATE = 0.22

/** Of independent intervals (gamma, Weibull, lognormal, Pareto) e^-gain times this share have a timer with such a gain, and at 20 events more */
const TIMERS_BY_CHANCE = 0.16

/** Where pauses were left out the others have to be about as often too early as too late (log likelihood, and for each interval) */
const LEAST_EVEN = -1
const LEAST_EVEN_EACH = -0.05

/** Where ticks are missing the others have to come in time, or what is left of a long tail without its end would do */
const LEAST_SURE = 0.15

/** What is left when the longest are left out is around some middle by itself: that has to be clear (log likelihood) */
const CLEARLY = 3

/** A machine keeps time that well, chance does not */
const CLOCK_VARIATION = 0.05

/** A fifth of the ticks may be missing; where the mean is further above the median, a tail decides and not a period */
const MOST_SKEW = 1.3

/** More than these and nobody reads them: the count is in the evidence */
const MAX_RISKS = 64

export interface PeriodicFlow extends Pick<Rhythm, 'n' | 'mean' | 'median' | 'variation' | 'regular'> {
  readonly id: string
}

/** Flows whose intervals are more even than independent events could have them: significantly, and by enough to matter */
export function periodicFlows (flows: readonly Flow[]): readonly PeriodicFlow[] {
  const enough = CHANCE / Math.max(1, flows.length)
  const rhythms = flows.flatMap(({ id, times }): readonly PeriodicFlow[] => {
    const even = rhythmsOf(times).filter(isPeriodic)
    const all: Array<Omit<PeriodicFlow, 'id'>> = even.some(({ regular }) => regular <= enough) ? even : [...even, ...ticking(times, enough)]
    const [best] = all.sort((a, b) => a.regular - b.regular)
    return best == null ? [] : [{ id, ...best }]
  })

  return stepUp(rhythms, ({ regular }) => regular, CHANCE, flows.length)
}

/** As a timer explains it */
function ticking (times: Float64Array, enough: number): ReadonlyArray<Omit<PeriodicFlow, 'id'>> {
  const { intervals, mean } = intervalsOf(times)
  const timer = timerOf(intervals, Math.log(TIMERS_BY_CHANCE / enough))
  return timer == null ? [] : [{ n: timer.n, mean: timer.period * mean, median: timer.period * mean, variation: timer.variation, regular: Math.min(1, TIMERS_BY_CHANCE * Math.exp(-timer.gain)) }]
}

function isPeriodic ({ n, mean, median, variation, middle, even, multiples, gaps, missed }: Rhythm): boolean {
  return variation * (1 + MARGIN_Z / Math.sqrt(2 * (n - 1))) < MOST_VARIATION &&
    mean < MOST_SKEW * median &&
    (missed === 0 || variation < LEAST_SURE) &&
    (gaps === 0 || variation < CLOCK_VARIATION || even > LEAST_EVEN + LEAST_EVEN_EACH * n) &&
    (middle > (gaps === 0 ? 0 : CLEARLY) || (multiples === 1 && variation < (gaps === 0 ? MOST_LATE : CLOCK_VARIATION)))
}

/** Traffic in a rhythm: it can be told apart from everything else, and says that somebody's timer runs, and since when */
export function periodicTraffic (flows: readonly Flow[], periodic: readonly PeriodicFlow[], most: number): Finding {
  if (flows.length === 0) {
    return tooLittle('periodic-traffic', most, MIN_EVENTS, 'No flow has enough events')
  }

  return {
    risks: [...periodic]
      .sort((a, b) => a.variation - b.variation || (a.id < b.id ? -1 : 1))
      .slice(0, MAX_RISKS)
      .map(({ id, n, mean, median, variation, regular }): Risk => risk({
        id: `periodic-traffic:${id}`,
        kind: 'periodic-traffic',
        title: `Traffic comes about every ${duration(median)}`,
        // a clock is worse than a rhythm, and neither tells what is read
        score: 0.35 + 0.25 * Math.max(0, 1 - variation / MOST_VARIATION),
        confidence: 1 - regular * flows.length,
        n: n + 1,
        observerClass: 'network',
        subjects: [id],
        evidence: { periodMs: median, meanIntervalMs: mean, variation, p: Math.min(1, regular * flows.length), periodicFlows: periodic.length, flows: flows.length },
        recommendation: 'Let requests come with jitter and in batches, and give timers of an application a jitter of their own length.',
        mitigation: 'routing.mode=strict'
      })),
    insufficient: []
  }
}

function duration (ms: number): string {
  return ms >= 10_000 ? `${(ms / 1000).toFixed(0)} s` : ms >= 1_000 ? `${(ms / 1000).toFixed(1)} s` : `${ms.toFixed(0)} ms`
}
