import type { Outcome } from './outcome.ts'
import type { ProviderId } from './provider.ts'

/** One provider as it is known, for people and programs */
export interface ProviderSummary {
  readonly id: ProviderId
  readonly attempts: number
  readonly delivered: number
  /** Share of answers that were blocks, from 0 to 1, lately */
  readonly reliability: number
  /** Usual milliseconds to the first byte */
  readonly latency?: number
  readonly bytesPerSecond?: number
  /** From -1000 to +1000 */
  readonly conduct: number
  readonly standing: 'good' | 'warned' | 'banned'
  readonly breaker: 'closed' | 'open' | 'half-open'
}

/** What content routing counts since it was made; plain JSON */
export interface RoutingSnapshot {
  readonly cacheMissesHandled: number
  readonly successRate?: number
  readonly retrievalTime: { readonly p50?: number, readonly p90?: number, readonly p99?: number, readonly mean?: number }
  readonly succeeded: number
  readonly notFound: number
  readonly failed: number
  readonly aborted: number
  readonly coalesced: number
  readonly negativeHits: number
  readonly attempts: number
  readonly outcomes: Readonly<Record<Outcome, number>>
  readonly hedges: { readonly sent: number, readonly won: number, readonly shadows: number }
  readonly bytes: { readonly delivered: number, readonly wasted: number }
  readonly discovery: { readonly lookups: number, readonly failed: number, readonly providersFound: number }
  readonly cache: {
    readonly hits: number
    readonly hitRatio?: number
    readonly corrupt: number
    readonly storeFailures: number
    readonly bytesSaved: number
    readonly timeSaved: number
  }
}

export interface ContentRoutingStats extends RoutingSnapshot {
  readonly providers: readonly ProviderSummary[]
  readonly reputation: { readonly size: number, readonly kept: 'datastore' | 'memory' }
  readonly inFlight: { readonly flights: number, readonly attempts: number, readonly queued: number, readonly sessions: number }
  readonly announced: { readonly done: number, readonly failed: number, readonly pending: number }
}
