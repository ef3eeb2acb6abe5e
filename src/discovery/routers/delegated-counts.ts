import type { RouterFailureKind } from '../../interface/errors.ts'
import type { RouterStats } from '../../interface/stats.ts'

type Mutable<T> = { -readonly [K in keyof T]: T[K] extends number ? number : Mutable<T[K]> }

/** What a router has told and done since the node was made */
export type DelegatedCounts = Mutable<Pick<RouterStats, 'requests' | 'shared' | 'cacheHits' | 'stale' | 'staleOnError' | 'notModified' | 'records' | 'cutShort' | 'broken' | 'skipped' | 'addresses' | 'failures'>>

const NO_FAILURES: Record<RouterFailureKind, number> = { unreachable: 0, overloaded: 0, refused: 0, invalid: 0, late: 0, busy: 0, resting: 0 }

export function delegatedCounts (): DelegatedCounts {
  return {
    requests: 0,
    shared: 0,
    cacheHits: 0,
    stale: 0,
    staleOnError: 0,
    notModified: 0,
    records: 0,
    cutShort: 0,
    broken: 0,
    skipped: { malformed: 0, oversized: 0, unknownSchema: 0, badPeer: 0, mismatched: 0, filtered: 0 },
    addresses: { unusable: 0, foreign: 0, filtered: 0, surplus: 0 },
    failures: { ...NO_FAILURES }
  }
}
