import type { LogEstimate } from '../interface/reputation.ts'

/**
 * Beliefs about latency and throughput are kept on a log scale: provider
 * latencies are log-normal, and on a log scale one straggler at ten times the
 * usual is an outlier, not a new mean.
 */
export interface EstimateParams {
  /**
   * Evidence kept per new observation: 0.85 keeps the weight of about seven
   * observations, few enough that a provider that turns eight times slower is
   * believed within three.
   */
  readonly keep: number
  /**
   * A single observation may move the belief by at most this many log units at a
   * time: one straggler at ten times the usual (2.3) is not yet a new regime.
   */
  readonly clip: number
  /** Milliseconds after which half of the evidence is forgotten */
  readonly halfLife: number
  /** Evidence kept each time the provider was eligible and not chosen */
  readonly keepPassed: number
  /** How fast the long run follows: a regime of fifty observations moves it by two thirds */
  readonly longRunRate: number
  /** Share of its distance from the long run that a belief keeps each time the provider is passed over */
  readonly keepDistance: number
  /** Standard deviation assumed of one observation before there is evidence, and its lower bound after */
  readonly priorSd: number
  readonly minSd: number
}

export const DEFAULT_ESTIMATE: EstimateParams = {
  keep: 0.85,
  clip: 1.6,
  halfLife: 600_000,
  keepPassed: 0.996,
  longRunRate: 0.02,
  keepDistance: 0.96,
  priorSd: 0.5,
  minSd: 0.2
}

/** The stored form: a mutable record updated in place, so that a thousand providers stay small */
export interface Estimate {
  mean: number
  /** What it is in the long run: a belief that is not renewed goes back to it */
  longRun: number
  variance: number
  weight: number
}

export const emptyEstimate = (): Estimate => ({ mean: 0, longRun: 0, variance: 0, weight: 0 })

/** Less evidence than this is none */
const MIN_WEIGHT = 0.01

/** One exact observation of a logarithm */
export function observe (estimate: Estimate, x: number, params: EstimateParams): void {
  if (!Number.isFinite(x)) {
    return
  }

  if (estimate.weight < MIN_WEIGHT) {
    // evidence that has faded is none, but the long run is still known
    estimate.longRun = estimate.variance === 0 ? x : longRunAfter(estimate, x, params)
    estimate.mean = x
    estimate.variance = params.priorSd ** 2
    estimate.weight = 1
    return
  }

  const kept = estimate.weight * params.keep
  const weight = kept + 1
  const bounded = Math.max(-params.clip, Math.min(params.clip, x - estimate.mean))
  const step = bounded / weight
  estimate.mean += step
  estimate.longRun = longRunAfter(estimate, x, params)
  // West's incremental variance with decaying weights
  estimate.variance = (kept * estimate.variance + bounded * (bounded - step)) / weight
  estimate.weight = weight
}

/** Standard deviations below the belief from which on an answer is no luck: of one that is as it was, less than one in a hundred comes so soon */
const SURPRISE = 2.5

/**
 * A delivery's time. A straggler, a lost packet or a queue makes one slow, and nothing
 * makes one fast: the first that comes far sooner than believed says that the provider
 * has changed, and what was known of it before is no evidence any more. How widely its
 * times are spread still is, so that one which is fast now and then surprises nobody.
 */
export function observeDelivery (estimate: Estimate, x: number, params: EstimateParams): void {
  // seven answers say little about a spread: one that looks narrow is taken for the usual
  const sd = Math.max(params.priorSd, Math.sqrt(estimate.variance))

  if (estimate.weight < MIN_WEIGHT || !(x < estimate.mean - SURPRISE * sd)) {
    observe(estimate, x, params)
  } else if (Number.isFinite(x)) {
    estimate.longRun = longRunAfter(estimate, x, params)
    estimate.mean = x
    estimate.variance = sd ** 2
    estimate.weight = 1
  }
}

/**
 * Standard deviations below the belief from which on "longer than that" is worth
 * nothing: it holds 99.9 % of the time anyway. Without an end, a provider that is
 * always cancelled early would look slower and slower.
 */
const CENSOR_REACH = 3

/** Standard deviations above the belief from which on the difference between hazard and distance is lost in rounding */
const CENSOR_FAR = 20

/**
 * All that is known is that it took longer than `x`. The belief moves as the
 * likelihood of that says (the score of a censored normal), and counts for as much
 * evidence as there is in it: next to nothing far below the belief, nearly a whole
 * observation far above it. Over many of both kinds this neither flatters a
 * provider that is cancelled early nor talks it down.
 *
 * @param prior - what is usual, for an estimate without evidence: a short wait must not make a stranger look fast
 */
export function observeCensored (estimate: Estimate, x: number, params: EstimateParams, prior?: Estimate): void {
  if (!Number.isFinite(x)) {
    return
  }

  const known = estimate.weight >= MIN_WEIGHT
  const guess = known ? estimate : startOf(estimate, params, prior) ?? { mean: x, variance: params.priorSd ** 2 }
  const sd = Math.max(params.minSd, Math.sqrt(guess.variance))
  const a = Math.min(CENSOR_FAR, (x - guess.mean) / sd)

  if (a < -CENSOR_REACH) {
    return
  }

  const hazard = hazardRate(a)
  const information = hazard * (hazard - a)
  // E[X | X > x]
  const likely = x + sd * (hazard - a)
  estimate.longRun = estimate.variance === 0 ? likely : longRunAfter(estimate, likely, params)

  if (!known) {
    estimate.mean = likely
    estimate.variance = sd ** 2
    estimate.weight = information
    return
  }

  // as if one observation of this weight had come
  const weight = estimate.weight * Math.pow(params.keep, information) + information
  const bounded = Math.min(params.clip, sd / (hazard - a))
  estimate.mean += information * bounded / weight
  estimate.variance = Math.max(params.minSd ** 2, estimate.variance + Math.min(a * hazard * sd ** 2, params.clip ** 2) / weight)
  estimate.weight = weight
}

/** Deviations below the belief where a wait says next to nothing about it: a tenth of an observation */
const TOO_SHORT = 2

/** A wait too short to say anything, neither about what is believed nor about what it may have gone back to */
export function refutesNothing (estimate: Estimate, x: number, params: EstimateParams): boolean {
  const sd = Math.max(params.minSd, Math.sqrt(estimate.variance))
  return estimate.weight >= MIN_WEIGHT && x < estimate.mean - TOO_SHORT * sd && x < estimate.longRun + sd
}

/** The same, where all that is known is that it was less than `x` */
export function observeBelow (estimate: Estimate, x: number, params: EstimateParams, prior: Pick<Estimate, 'mean' | 'variance'>): void {
  const mirrored = { mean: -estimate.mean, longRun: -estimate.longRun, variance: estimate.variance, weight: estimate.weight }
  observeCensored(mirrored, -x, params, { mean: -prior.mean, longRun: -prior.mean, variance: prior.variance, weight: 1 })
  Object.assign(estimate, mirrored, { mean: -mirrored.mean, longRun: -mirrored.longRun })
}

/** What to think of one about whom no evidence is left: its own long run, else what is usual for others */
function startOf (estimate: Estimate, params: EstimateParams, prior?: Estimate): Pick<Estimate, 'mean' | 'variance'> | undefined {
  if (estimate.variance > 0) {
    return { mean: estimate.longRun, variance: Math.max(params.priorSd ** 2, estimate.variance) }
  }

  return prior != null && prior.weight >= 1
    ? { mean: prior.mean, variance: Math.max(params.priorSd ** 2, prior.variance) }
    : undefined
}

function longRunAfter ({ longRun }: Estimate, x: number, params: EstimateParams): number {
  return longRun + Math.max(-params.clip, Math.min(params.clip, x - longRun)) * params.longRunRate
}

/** Density over upper tail of the standard normal: how surely something that has lasted to `a` ends there */
export function hazardRate (a: number): number {
  const density = Math.exp(-a * a / 2) / Math.sqrt(2 * Math.PI)

  if (a < 2) {
    // Abramowitz and Stegun 26.2.17, absolute error below 7.5e-8
    const t = 1 / (1 + 0.2316419 * Math.abs(a))
    const tail = density * t * (0.319381530 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))))
    return density / (a < 0 ? 1 - tail : tail)
  }

  // Laplace's continued fraction, from the inside out: below 1e-6 from 2 upwards with forty terms
  let rest = a

  for (let k = 40; k >= 1; k--) {
    rest = a + k / rest
  }

  return rest
}

/** Evidence fades with time and with every decision it was passed over in: this much of it is left */
export function remaining (elapsed: number, passes: number, params: EstimateParams): number {
  return Math.pow(0.5, Math.max(0, elapsed) / params.halfLife) * Math.pow(params.keepPassed, passes)
}

/** The belief at a later moment */
export function ageEstimate (estimate: Estimate, elapsed: number, passes: number, params: EstimateParams): LogEstimate {
  if (estimate.weight === 0) {
    return { mean: 0, sd: params.priorSd, weight: 0 }
  }

  return {
    mean: estimate.mean,
    sd: Math.max(params.minSd, Math.sqrt(estimate.variance)),
    weight: estimate.weight * remaining(elapsed, passes, params)
  }
}

/**
 * What a belief that was not renewed may have become: it goes back to what is
 * usual for this provider. One that was fast for long and then turned slow is
 * worth another look sooner than one that always was.
 */
export function hopefulMean (estimate: Estimate, elapsed: number, passes: number, params: EstimateParams): number {
  const distance = Math.pow(0.5, Math.max(0, elapsed) / params.halfLife) * Math.pow(params.keepDistance, passes)
  return Math.min(estimate.mean, estimate.longRun + (estimate.mean - estimate.longRun) * distance)
}
