import { normal } from '../clock/random.ts'
import type { Line } from './lines.ts'
import type { Random } from '../interface/clock.ts'
import type { Provider, Route } from '../interface/provider.ts'
import type { LogEstimate, ProviderView } from '../interface/reputation.ts'

/** Everything that is known about asking one provider for one block, as values */
export interface CandidateView {
  readonly provider: Provider
  readonly route: Route
  readonly view: ProviderView
  /** Attempts under way at this provider */
  readonly inFlight: number
  /** How many it may have at once */
  readonly limit: number
  /** Belief in [0, 1] that it has this block */
  readonly has: number
  /** Belief in (0, 1] that those who named it tell of who is there. Counts while nobody has asked it. @default 1 */
  readonly trust?: number
  /** What its line bears, and what waits there. @default nothing waits */
  readonly line?: Line
}

export interface SelectParams {
  /**
   * Weight of the prior, in observations. Small: three observations outweigh it
   * ten times, yet a provider that nobody has measured stays uncertain by a
   * factor of about 2.5 and is tried now and then.
   */
  readonly priorWeight: number
  /**
   * Thompson draws are this share as wide as the belief: below 1 it trusts its mean
   * more. Hedges and measurements explore too, and cost no read its time.
   */
  readonly exploration: number
  /** The same for measurements: they are made to be surprised */
  readonly curiosity: number
  /** Evidence below which a provider may be measured beside a read */
  readonly staleWeight: number
  /** Log-scale uncertainty of one observation where nothing is known */
  readonly priorSd: number
  /** Belief about latency (ms) where nothing at all is known: a dial and a lookup away */
  readonly coldLatency: number
  /** Belief about throughput (bytes per ms) where nothing is known: 2 MB/s */
  readonly coldThroughput: number
  /** In flight at which the expected cost has doubled; quadratic, so that a few in flight cost nothing */
  readonly comfortableInFlight: number
  /** How many times cheaper a busy provider must be for a read to wait for it: about one more turn at it */
  readonly busyFactor: number
  /** An eligible provider that was passed over this often without ever being asked is asked next */
  readonly unknownPatience: number
}

export const DEFAULT_SELECT: SelectParams = {
  priorWeight: 0.3,
  exploration: 0.3,
  curiosity: 0.5,
  staleWeight: 3.5,
  priorSd: 0.5,
  coldLatency: 150,
  coldThroughput: 2_000,
  comfortableInFlight: 48,
  busyFactor: 2.5,
  unknownPatience: 150
}

export type SkipReason = 'backing off' | 'banned' | 'busy' | 'same failure domain' | 'last resort'

export interface Skip {
  readonly candidate: CandidateView
  readonly reason: SkipReason
  /** Monotonic time at which it may be asked again, where known */
  readonly until?: number
}

export interface Selection {
  readonly chosen?: CandidateView
  /** Why this one: printed in the story */
  readonly because: string
  readonly skipped: readonly Skip[]
  /** Eligible ones that were not chosen */
  readonly passed: readonly CandidateView[]
  /** A stranger was chosen although one that delivers was free */
  readonly explores?: boolean
}

/**
 * What those that never delivered may do while one that delivers is free: with
 * `compete` one of them enters the choice, with `in turn` only one whose turn has
 * come, with `last` none
 */
export type Strangers = 'compete' | 'in turn' | 'last'

export interface SelectInput {
  readonly candidates: readonly CandidateView[]
  /** Expected bytes of the block */
  readonly size: number
  /** Failure domains of the attempts already under way for this block */
  readonly activeDomains: ReadonlySet<string>
  /** Providers of last resort may be asked now */
  readonly allowFallback: boolean
  /** @default 'compete' */
  readonly strangers?: Strangers
  readonly random: Random
}

/** Faults for each delivery above which a provider no longer counts as one that delivers */
const MOST_FAULTS = 4

/** One that lacked three blocks of this DAG in a row may deliver others, but not this one */
const LEAST_HAS = 0.4

/** It kept its word lately, is not paused, and may well have this block */
export function delivers ({ view, has }: CandidateView): boolean {
  return view.successes > 0 && view.failures <= MOST_FAULTS * view.successes && view.breaker === 'closed' && has >= LEAST_HAS
}

/** Nothing ever came from it, whatever is believed about its speed */
export function isStranger ({ view }: CandidateView): boolean {
  return view.successes === 0
}

/**
 * Discounted Thompson sampling on log latency and log throughput: draw a
 * plausible cost for every candidate from what is believed about it and take the
 * cheapest draw. Uncertainty explores by itself, and fades into certainty or
 * into age. Names are cheap: beside one that delivers, a crowd of strangers counts
 * for one at most. Pure: the same dice give the same choice.
 */
export function selectProvider (input: SelectInput, params: SelectParams = DEFAULT_SELECT): Selection {
  const skipped: Skip[] = []
  let eligible: CandidateView[] = []
  let sharing: CandidateView[] = []

  for (const candidate of input.candidates) {
    const reason = reasonToSkip(candidate, input.allowFallback)

    if (reason != null) {
      skipped.push({ candidate, reason, ...(reason === 'backing off' ? { until: candidate.view.retryAt } : {}) })
    } else if (candidate.provider.domains.some(domain => input.activeDomains.has(domain))) {
      sharing.push(candidate)
    } else {
      eligible.push(candidate)
    }
  }

  if (input.strangers === 'last' && eligible.every(candidate => !delivers(candidate))) {
    // an address of its own makes no stranger better than one that delivers
    eligible.push(...sharing.filter(delivers))
    sharing = sharing.filter(candidate => !delivers(candidate))
  }

  if (eligible.length === 0) {
    eligible = sharing
    sharing = []
  }

  for (const candidate of sharing) {
    skipped.push({ candidate, reason: 'same failure domain' })
  }

  if (eligible.length === 0) {
    return { because: 'nobody is left to ask', skipped, passed: [] }
  }

  const busy = skipped.filter(({ reason }) => reason === 'busy').map(({ candidate }) => candidate)

  if (eligible.length === 1 && busy.length === 0) {
    const [chosen] = eligible
    return { chosen, because: describe(chosen as CandidateView, 'the only one left'), skipped, passed: [] }
  }

  const chosen = pick(eligible, busy, input, params)

  if (chosen == null) {
    return { because: 'waiting for a busy provider is cheaper than asking a worse one', skipped, passed: [] }
  }

  return {
    chosen: chosen.candidate,
    because: describe(chosen.candidate, chosen.why),
    skipped,
    passed: eligible.filter(candidate => candidate !== chosen.candidate),
    ...(isStranger(chosen.candidate) && eligible.some(delivers) ? { explores: true } : {})
  }
}

/** Passed over this often, a provider whose pause is over is measured: soon after it recovered, yet not so often that those which stay slow take every measurement */
const PAUSED_PATIENCE = 50

/** The same for those that never delivered, together: names are cheap, so they share one measurement in this many reads */
const STRANGERS_PATIENCE = 200

/**
 * Of those passed over, the one most worth measuring beside a read; none where
 * everybody is known well enough. One whose pause is over goes first when its turn has
 * come: doubt keeps reads away from it, and only an answer ends it.
 */
export function selectStale (selection: Selection, size: number, random: Random, params: SelectParams = DEFAULT_SELECT): CandidateView | undefined {
  const measurable = selection.passed.filter(({ provider, route }) => !provider.fallback && route.transport !== 'broker')
  const probes = measurable.filter(({ view }) => view.breaker === 'half-open')
  const turn = STRANGERS_PATIENCE * probes.filter(isStranger).length
  const due = probes.filter(candidate => candidate.view.passedOver >= (isStranger(candidate) ? turn : PAUSED_PATIENCE))

  return selectProvider({
    candidates: due.length > 0 ? due : measurable.filter(({ view }) => view.latency.weight < params.staleWeight),
    size,
    activeDomains: new Set(),
    allowFallback: false,
    random
  }, { ...params, exploration: params.curiosity }).chosen
}

function reasonToSkip ({ view, provider, inFlight, limit }: CandidateView, allowFallback: boolean): SkipReason | undefined {
  if (!view.selectable) {
    return 'banned'
  }

  if (view.breaker === 'open') {
    return 'backing off'
  }

  if (inFlight >= limit) {
    return 'busy'
  }

  return provider.fallback && !allowFallback ? 'last resort' : undefined
}

function pick (eligible: readonly CandidateView[], busy: readonly CandidateView[], input: SelectInput, params: SelectParams): { candidate: CandidateView, why: string } | undefined {
  const unknown = eligible.filter(({ view }) => view.attempts === 0)
  // they take turns: the more there are, the sooner the first must go
  const patience = Math.max(1, params.unknownPatience - unknown.length)
  const waiting = unknown.find(({ view }) => view.passedOver >= patience)

  if (waiting != null && (input.strangers !== 'last' || !eligible.some(delivers))) {
    return { candidate: waiting, why: 'never asked, its turn has come' }
  }

  const everybody = [...eligible, ...busy]
  const priors = {
    ...input,
    latencyPrior: priorOf(everybody, 'latency', Math.log(params.coldLatency)),
    throughputPrior: priorOf(everybody, 'throughput', Math.log(params.coldThroughput))
  }
  let best: CandidateView | undefined
  let bestCost = Infinity

  for (const candidate of contenders(eligible, input)) {
    const cost = drawCost(candidate, priors, params)

    if (cost < bestCost) {
      best = candidate
      bestCost = cost
    }
  }

  // places at a provider that keeps delivering come free soon
  const worthWaiting = busy.some(candidate => candidate.view.successes > 0 && drawCost(candidate, priors, params) * params.busyFactor < bestCost)
  return worthWaiting ? undefined : { candidate: best ?? eligible[0] as CandidateView, why: `cheapest of ${eligible.length}` }
}

/** Beside one that delivers at most one stranger, whichever: the least of many draws would nearly always be one of theirs */
function contenders (eligible: readonly CandidateView[], { strangers = 'compete', random }: SelectInput): readonly CandidateView[] {
  if (!eligible.some(delivers)) {
    return eligible
  }

  const unproven = eligible.filter(isStranger)
  const known = eligible.filter(candidate => !isStranger(candidate))
  const one = strangers === 'compete' && unproven.length > 0 ? unproven[Math.floor(random.next() * unproven.length)] : undefined
  return one == null ? known : [...known, one]
}

interface Priors {
  readonly size: number
  readonly random: Random
  readonly latencyPrior: number
  readonly throughputPrior: number
}

/** One plausible cost in milliseconds of getting this block from this candidate */
export function drawCost (candidate: CandidateView, priors: Priors, params: SelectParams = DEFAULT_SELECT): number {
  const { view } = candidate
  // the first to look again may hope; while it looks, the others go by what was seen last
  const believed = candidate.inFlight === 0 ? { ...view.latency, mean: view.hope } : view.latency
  const latency = Math.exp(draw(believed, priors.latencyPrior, priors.random, params))
  const { queued, pace = 0 } = candidate.line ?? { queued: 0 }
  const throughput = Math.exp(draw(view.throughput, priors.throughputPrior, priors.random, params))
  const crowd = candidate.inFlight / params.comfortableInFlight
  const answers = (view.successes + 1) / (view.successes + view.failures + 1.2)
  // a half-open provider may still be broken, a badly conducted one may lie again
  const doubt = (view.breaker === 'half-open' ? 0.5 : 1) * (view.conduct < 0 ? 100 / (100 - view.conduct) : 1)
  const chance = Math.max(0.02, Math.min(1, answers) * candidate.has * doubt * (view.attempts === 0 ? candidate.trust ?? 1 : 1))

  const alone = (latency + priors.size / throughput) * (1 + crowd * crowd)
  // a few blocks in flight are no crowd, and may be a long wait
  const behind = pace > 0 ? queued / pace : 0

  return (alone + behind) / chance
}

function draw (estimate: LogEstimate, prior: number, random: Random, params: SelectParams): number {
  const weight = estimate.weight + params.priorWeight
  const mean = (estimate.weight * estimate.mean + params.priorWeight * prior) / weight
  const variance = (estimate.weight * estimate.sd ** 2 + params.priorWeight * params.priorSd ** 2) / weight
  return mean + params.exploration * normal(random) * Math.sqrt(variance / weight)
}

/** An unmeasured provider is assumed to be like the average measured one */
function priorOf (candidates: readonly CandidateView[], which: 'latency' | 'throughput', cold: number): number {
  let sum = 0
  let weight = 0

  for (const { view } of candidates) {
    const w = Math.min(1, view[which].weight)
    sum += w * view[which].mean
    weight += w
  }

  return weight < 0.5 ? cold : sum / weight
}

function describe ({ view }: CandidateView, why: string): string {
  if (view.breaker === 'half-open') {
    return `${why}; probing after a pause`
  }

  if (view.latency.weight < 0.1) {
    return `${why}; not measured yet`
  }

  const latency = formatMs(Math.exp(view.latency.mean))
  // only cut off so far: it takes longer than that, and how much is a guess
  return view.rtt == null ? `${why}; expected ${latency}, no answer yet` : `${why}; usually ${latency}`
}

function formatMs (ms: number): string {
  return ms < 10 ? `${ms.toFixed(1)} ms` : `${Math.round(ms)} ms`
}
