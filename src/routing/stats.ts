import { SourceBook } from './source-book.ts'
import type { Outcome } from '../interface/outcome.ts'
import type { RoutingSnapshot } from '../interface/stats.ts'

/** Retrieval times kept for percentiles */
const KEPT_TIMES = 1_000

/** Counters of one manager. Plain numbers: cheap to count, copied out by `snapshot`. */
export class RoutingStats {
  localHits = 0
  localBytes = 0
  corruptLocal = 0
  cacheMissesHandled = 0
  succeeded = 0
  notFound = 0
  failed = 0
  aborted = 0
  coalesced = 0
  negativeHits = 0
  attempts = 0
  hedges = 0
  hedgesWon = 0
  shadows = 0
  bytesDelivered = 0
  bytesWasted = 0
  lookups = 0
  lookupsFailed = 0
  providersFound = 0
  storeFailures = 0
  streamsBegun = 0
  streamsResumed = 0
  streamsOpen = 0
  streamBlocks = 0
  streamBytes = 0
  timeSpent = 0
  readonly sources = new SourceBook()
  readonly outcomes: Record<Outcome, number> = {
    delivered: 0,
    'not-here': 0,
    unreachable: 0,
    overloaded: 0,
    refused: 0,
    stalled: 0,
    invalid: 0,
    cancelled: 0
  }

  readonly #times = new Float64Array(KEPT_TIMES)
  #timed = 0

  /** A retrieval ended: how long its callers waited */
  took (ms: number): void {
    this.timeSpent += ms
    this.#times[this.#timed++ % KEPT_TIMES] = ms
  }

  percentiles (): { p50?: number, p90?: number, p99?: number, mean?: number } {
    const count = Math.min(this.#timed, KEPT_TIMES)

    if (count === 0) {
      return {}
    }

    const sorted = this.#times.slice(0, count).sort()
    const at = (q: number): number => round(sorted[Math.min(count - 1, Math.floor(q * count))] ?? 0)
    return { p50: at(0.5), p90: at(0.9), p99: at(0.99), mean: round(this.timeSpent / this.#timed) }
  }

  /** The documented shape of `stats()`, without what others know */
  snapshot (): RoutingSnapshot {
    const reads = this.localHits + this.cacheMissesHandled
    const finished = this.succeeded + this.notFound + this.failed
    const times = this.percentiles()
    return {
      cacheMissesHandled: this.cacheMissesHandled,
      successRate: finished === 0 ? undefined : round(this.succeeded / finished),
      retrievalTime: times,
      succeeded: this.succeeded,
      notFound: this.notFound,
      failed: this.failed,
      aborted: this.aborted,
      coalesced: this.coalesced,
      negativeHits: this.negativeHits,
      attempts: this.attempts,
      outcomes: { ...this.outcomes },
      hedges: { sent: this.hedges, won: this.hedgesWon, shadows: this.shadows },
      bytes: { delivered: this.bytesDelivered, wasted: this.bytesWasted },
      streams: { begun: this.streamsBegun, resumed: this.streamsResumed, open: this.streamsOpen, blocks: this.streamBlocks, bytes: this.streamBytes },
      discovery: { lookups: this.lookups, failed: this.lookupsFailed, providersFound: this.providersFound, sources: this.sources.stats() },
      cache: {
        hits: this.localHits,
        hitRatio: reads === 0 ? undefined : round(this.localHits / reads),
        corrupt: this.corruptLocal,
        storeFailures: this.storeFailures,
        // what coalescing and local hits spared the network, at the mean price of a retrieval
        bytesSaved: this.localBytes,
        timeSaved: round((this.localHits + this.coalesced) * (times.mean ?? 0))
      }
    }
  }
}

function round (value: number): number {
  return Math.round(value * 1000) / 1000
}
