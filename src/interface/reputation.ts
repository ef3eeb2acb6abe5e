import type { Outcome } from './outcome.ts'
import type { ProviderId, Route } from './provider.ts'

/** A belief about a logarithm: mean, standard deviation of one observation, and how much evidence is left of it */
export interface LogEstimate {
  readonly mean: number
  readonly sd: number
  /** Decayed number of observations; 0 when unknown */
  readonly weight: number
}

/** What is known about one route at one moment. A value: decide functions take it and nothing else. */
export interface ProviderView {
  readonly id: ProviderId
  /** Natural log of milliseconds to first byte */
  readonly latency: LogEstimate
  /** What the latency may have gone back to since it was last measured: at most the mean */
  readonly hope: number
  /** Natural log of bytes per millisecond after the first byte */
  readonly throughput: LogEstimate
  /** Decayed counts of answers and faults (not-here counts as neither); of those who could not be reached, by this route only */
  readonly successes: number
  readonly failures: number
  /** From -1000 to +1000 */
  readonly conduct: number
  /** False at -500 and below, until above -400 */
  readonly selectable: boolean
  readonly breaker: 'closed' | 'open' | 'half-open'
  /** Monotonic time at which an open breaker lets a probe through */
  readonly retryAt: number
  /** Times this provider could have been asked since it last was */
  readonly passedOver: number
  /** Attempts ever recorded (survives restarts); by this route only, until it has answered by one */
  readonly attempts: number
  /** RTT mean and mean deviation in ms, for timeouts; undefined before the first sample */
  readonly rtt?: { readonly mean: number, readonly deviation: number }
  /** Timeouts are multiplied by this: doubled by every stall, back to 1 with an answer (RFC 6298, 5.5) */
  readonly patience: number
}

export interface Sample {
  /** Milliseconds from dispatch to the first byte, or to now when none came */
  readonly latency?: number
  /** The first byte did come: `latency` is exact, whatever became of the rest */
  readonly answered?: boolean
  /** Milliseconds from dispatch to connected */
  readonly connect?: number
  /** Bytes of the block and the milliseconds from first byte to last; where it was cut off, more bytes than had come and the time they had */
  readonly bytes?: number
  readonly transfer?: number
  /** Bytes that came from the provider within that time, those of other blocks included */
  readonly line?: number
  /** Nobody was there, and nothing has ever shown that the provider should be: somebody else said so */
  readonly hearsay?: boolean
  /** The provider said when to come back, in ms */
  readonly retryAfter?: number
}

/**
 * What is learnt is learnt about who answers for a route: the provider where its
 * identity is proven, the HTTP origin where it is only claimed. A claim lends such a
 * route the provider's bad name and its pauses, and gives it nothing to spoil.
 */
export interface ReputationBook {
  view (id: ProviderId, route: Route | undefined, now: number): ProviderView
  record (id: ProviderId, route: Route, outcome: Outcome, sample: Sample, now: number): void
  /** Was eligible, somebody else was chosen: evidence about it ages */
  passOver (id: ProviderId, route: Route): void
  /** A half-open probe is under way by this route: one at a time */
  probing (id: ProviderId, route: Route): void
  readonly size: number
  toJSON (): unknown
}
