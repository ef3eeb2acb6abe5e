import { ANYWHERE, AT_START, binnedCorrelation } from './binned.ts'
import { compare, MIN_COMMON_EVENTS } from './common-time.ts'
import { MIN_EVENTS } from './flows.ts'
import { risk, tooLittle } from './finding.ts'
import { choosePairs } from './pairs.ts'
import { stepUp } from './step-up.ts'
import type { BinnedCorrelation } from './binned.ts'
import type { BurstFlow } from './bursts.ts'
import type { Pair } from './common-time.ts'
import type { Finding } from './finding.ts'
import type { Flow } from './flows.ts'
import type { PeriodicFlow } from './periodicity.ts'
import type { Random } from '../../interface/clock.ts'
import type { PrivacyThresholds, Risk } from '../../interface/privacy.ts'

/** That any pair of a report is called correlated by chance: with all that is found by chance it is 0.4 % of reports (2 500 of five models) */
const CHANCE = 0.005

/** Of one pair, by permutation, whatever the correction */
const PAIR_CHANCE = 0.01

/** Fewer bins than this make no correlation */
const MIN_BINS = 20

/** More bins than this are all empty */
const MAX_BINS = 1_000

/** Pairs that are looked at closely, the most unlikely ones first */
const MAX_CANDIDATES = 96
const MAX_RISKS = 64

/** Widths of bins that are tried, in widths of the peak */
const BINS_OF_PEAK = [4, 2, 8, 1]

/** How far the true correlation may be above the one that was seen, at 98.5 % (Fisher's z) */
const BOUND_Z = 2.17

/** What else is known of the flows, which changes how they can be compared */
export interface Rhythms {
  readonly periodic: readonly PeriodicFlow[]
  readonly bursts: readonly BurstFlow[]
}

export interface Comparison {
  /** Of the choice of pairs, and of the permutations */
  readonly random: Random
  /** When the observation began: where bins begin */
  readonly origin: number
  /** Events of the busiest flow, for the words that there are too few */
  readonly most: number
  /** The one flow that is compared with the others */
  readonly focus?: string
}

/**
 * Pairs of flows in which things happen together. A pair is found where its correlogram stands out at some lag and width,
 * or its counts go together in bins of a round length, beyond what chance does in any of the pairs, and where the counts
 * in bins of about that width correlate beyond chance by permutation, too; it is told where its correlation may be as high
 * as the threshold, that is unless 98.5 % of such pairs would show more.
 *
 * Of a flow in bursts the starts of bursts are compared, for what follows in a burst is no news. Two flows that are
 * periodic agree by themselves and are not compared.
 */
export function timingCorrelation (flows: readonly Flow[], { periodic, bursts }: Rhythms, { TIMING_CORRELATION_THRESHOLD: threshold }: PrivacyThresholds, { random, origin, most, focus }: Comparison): Finding {
  if (flows.length < 2) {
    return tooLittle('timing-correlation', flows.length === 0 ? most : MIN_EVENTS - 1, MIN_EVENTS, 'Fewer than two flows have enough events to be compared')
  }

  const clocks = new Set(periodic.map(({ id }) => id))
  const starts = new Map(bursts.map(({ id, starts }) => [id, starts]))
  const { pairs, among, flows: looked } = choosePairs(flows.map(flow => withStarts(flow, starts)), focus, random)
  const compared = pairs
    .filter(([a, b]) => !(clocks.has(a.id) && clocks.has(b.id)))
    .flatMap(([a, b]) => compare(a, b, origin))

  if (compared.length === 0) {
    return tooLittle('timing-correlation', 0, MIN_COMMON_EVENTS, 'No two flows have enough events in the time that both were there, or all are periodic')
  }

  // who was chosen for looking alike has been compared with all the others
  const tests = compared.length + among - pairs.length
  const candidates = stepUp(compared, ({ p }) => p, CHANCE, tests)
    .slice(0, MAX_CANDIDATES)
    .flatMap(pair => confirm(pair, threshold, random).map(binned => ({ pair, binned })))

  return {
    risks: candidates
      .slice(0, MAX_RISKS)
      .map(({ pair, binned }) => found(pair, binned, tests, candidates.length)),
    // what was not compared is not to pass for nothing found
    insufficient: focus == null && among > pairs.length
      ? [{ kind: 'timing-correlation', n: pairs.length, needed: flows.length * (flows.length - 1) / 2, reason: `Of ${flows.length} flows ${looked} were looked over, and of their ${among} pairs the ${pairs.length} compared that look most alike or came by chance` }]
      : []
  }
}

function withStarts (flow: Flow, starts: ReadonlyMap<string, Float64Array>): Flow {
  const times = starts.get(flow.id)
  return times == null ? flow : { ...flow, times }
}

/** Šidák's, for that many tests */
function corrected (p: number, tests: number): number {
  return p >= 1 ? 1 : -Math.expm1(tests * Math.log1p(-p))
}

/** In bins of the first width that shows it, if any: the correction for chance is made already */
function confirm (pair: Pair, threshold: number, random: Random): readonly BinnedCorrelation[] {
  const { a, b, from, to, bin, lag, test } = pair
  const widths = test === 'counts'
    ? [bin]
    : [...new Set(BINS_OF_PEAK.map(share => Math.min((to - from) / MIN_BINS, Math.max((to - from) / MAX_BINS, share * bin))))]

  for (const width of widths) {
    const binned = binnedCorrelation(a.times, b.times, from, to, width, lag, random, test === 'counts' ? AT_START : ANYWHERE)

    if (binned.p < PAIR_CHANCE && bounds(binned.r, common(pair)).high >= threshold) {
      return [binned]
    }
  }
  return []
}

function common ({ a, b }: Pair): number {
  return Math.min(a.times.length, b.times.length)
}

/** Where the true |r| is, for one that was seen on n events (Fisher's z) */
function bounds (r: number, n: number): { readonly low: number, readonly high: number } {
  const z = Math.atanh(Math.min(0.999999, Math.abs(r)))
  const error = BOUND_Z / Math.sqrt(Math.max(1, n - 3))
  return { low: Math.max(0, Math.tanh(z - error)), high: Math.tanh(z + error) }
}

function found (pair: Pair, { r, p, bins }: BinnedCorrelation, pairs: number, correlated: number): Risk {
  const { a, b, from, to, lag, test } = pair
  const [first, second] = [a.id, b.id].sort() as [string, string]
  const n = common(pair)
  const { low, high } = bounds(r, n)
  const chance = corrected(pair.p, pairs)

  return risk({
    id: `timing-correlation:${first}:${second}`,
    kind: 'timing-correlation',
    title: `Two flows go ${r < 0 ? 'against' : 'with'} each other: r is ${r.toFixed(2)}`,
    // from the middle of yellow on, red where everything that happens in one happens in the other
    score: 0.4 + 0.45 * Math.abs(r),
    confidence: 1 - chance,
    n,
    observerClass: 'network',
    subjects: [first, second],
    evidence: {
      r,
      rLow: low,
      rHigh: high,
      p,
      pCorrected: chance,
      pairs,
      correlatedPairs: correlated,
      bins,
      binMs: (to - from) / bins,
      lagMs: a.id === first ? lag : -lag,
      test
    },
    recommendation: 'Ask one provider at a time, and let requests come with jitter and in batches: whoever sees both flows knows that they are of one cause.',
    mitigation: 'routing.mode=strict'
  })
}
