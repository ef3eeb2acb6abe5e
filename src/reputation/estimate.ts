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
  /** Standard deviation assumed of one observation before there is evidence, and its lower bound after */
  readonly priorSd: number
  readonly minSd: number
}

export const DEFAULT_ESTIMATE: EstimateParams = {
  keep: 0.85,
  clip: 1.6,
  halfLife: 600_000,
  keepPassed: 0.996,
  priorSd: 0.5,
  minSd: 0.2
}

/** The stored form: a mutable record updated in place, so that a thousand providers stay small */
export interface Estimate {
  mean: number
  variance: number
  weight: number
}

export const emptyEstimate = (): Estimate => ({ mean: 0, variance: 0, weight: 0 })

/** One exact observation of a logarithm */
export function observe (estimate: Estimate, x: number, params: EstimateParams): void {
  if (!Number.isFinite(x)) {
    return
  }

  if (estimate.weight < 0.01) {
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
  // West's incremental variance with decaying weights
  estimate.variance = (kept * estimate.variance + bounded * (bounded - step)) / weight
  estimate.weight = weight
}

/**
 * All that is known is that it took longer than `x`. Below the belief that says
 * nothing; above it, the likely value lies about half a standard deviation
 * further out.
 */
export function observeCensored (estimate: Estimate, x: number, params: EstimateParams): void {
  const sd = Math.max(params.minSd, Math.sqrt(estimate.variance))

  if (estimate.weight < 0.01 || x > estimate.mean - sd) {
    observe(estimate, Math.max(x, estimate.weight < 0.01 ? x : estimate.mean) + 0.5 * sd, params)
  }
}

/** Evidence fades with time and with every decision it was passed over in */
export function ageEstimate (estimate: Estimate, elapsed: number, passes: number, params: EstimateParams): LogEstimate {
  if (estimate.weight === 0) {
    return { mean: 0, sd: params.priorSd, weight: 0 }
  }

  const decay = Math.pow(0.5, Math.max(0, elapsed) / params.halfLife) * Math.pow(params.keepPassed, passes)
  return {
    mean: estimate.mean,
    sd: Math.max(params.minSd, Math.sqrt(estimate.variance)),
    weight: estimate.weight * decay
  }
}
