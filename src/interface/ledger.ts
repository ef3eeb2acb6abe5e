import type { DisclosureState, Ledger } from './disclosure.ts'
import type { Exposure, ObserverClass } from './privacy.ts'
import type { CID } from 'multiformats/cid'

/** Which disclosures: all that is given holds */
export interface ExposureFilter {
  /** A block, as its CID or its key */
  readonly subject?: CID | string
  readonly request?: string
  readonly observer?: string
  readonly observerClass?: ObserverClass
  /** Wall clock, in ms */
  readonly since?: number
}

/** A time in which requests went past the ledger. Wall clock, in ms; without an end it goes on. */
export interface UnaccountedSpan {
  readonly from: number
  readonly to?: number
  readonly reason: string
}

/** How many there were, of what kind and to whom: sums over one and the same table, so they always agree */
export interface ExposureCounts {
  readonly total: number
  readonly states: Readonly<Record<DisclosureState, number>>
  /** A CANCEL followed */
  readonly cancelled: number
  readonly byClass: Readonly<Record<ObserverClass, Readonly<Record<DisclosureState | 'cancelled', number>>>>
  readonly byForm: Readonly<Record<string, number>>
  readonly byTransport: Readonly<Record<string, number>>
  readonly byPurpose: Readonly<Record<string, number>>
}

/** What is kept in files; plain JSON */
export interface JournalStats {
  /** `raw`: with names and CIDs as they are, and not as pseudonyms */
  readonly raw: boolean
  readonly chunks: number
  readonly entries: number
  /** Pieces that could not be read and were dropped */
  readonly dropped: number
  readonly failedWrites: number
}

/** Plain JSON */
export interface LedgerStats extends ExposureCounts {
  /** Wall clock, in ms: what is counted here began then, in this run of the node or an earlier one */
  readonly since: number
  /** Of `total`, those of earlier runs */
  readonly earlier: number
  /** Kept with all they say */
  readonly entries: number
  /** Requests go past it at the moment */
  readonly paused: boolean
  /** Spans of that kind that are forgotten */
  readonly pausesDropped: number
  /** Absent where nothing is kept */
  readonly journal?: JournalStats
}

/** A ledger that can be asked */
export interface ReadableLedger extends Ledger {
  /** What is kept, oldest first */
  entries (filter?: ExposureFilter): Exposure[]
  /** Who learnt of a block, oldest first */
  about (subject: CID | string): Exposure[]
  /** When requests went past the ledger, and why; oldest first */
  unaccounted (): UnaccountedSpan[]
  /** Until what it returns is called, requests go past the ledger, and it says so */
  pause (reason: string): () => void
  stats (): LedgerStats
}

/** Whether one can ask this one: somebody else's may only write */
export function isReadableLedger (ledger: Ledger): ledger is ReadableLedger {
  const { entries, about, unaccounted, pause, stats } = ledger as Partial<ReadableLedger>
  return [entries, about, unaccounted, pause, stats].every(method => typeof method === 'function')
}
