import type { RouterFailureKind } from './errors.ts'
import type { LedgerStats } from './ledger.ts'
import type { Outcome } from './outcome.ts'
import type { ModeStats } from './privacy-preset.ts'
import type { ProviderId, Transport } from './provider.ts'

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

/** Of the last few hundred; milliseconds unless it says otherwise */
export interface Percentiles {
  readonly p50?: number
  readonly p90?: number
  readonly p99?: number
}

/** A source of providers (`dht`, `connected`, `hint`, a delegated router), or a router behind one; plain JSON */
export interface SourceStats {
  readonly name: string
  readonly lookups: number
  readonly failed: number
  /** Left behind because their time was over */
  readonly late: number
  /** Providers, each once in a lookup: of these nobody else named `alone`, and somebody did `agreed` */
  readonly named: number
  readonly alone: number
  readonly agreed: number
  /** Requests to providers that it named, and blocks that came of them. One that two have named counts for both. */
  readonly asked: number
  readonly successfulRetrievals: number
  /** Share of the providers that nothing was known of before it named them, lately, that delivered when they were first asked */
  readonly kept?: number
  /** Until it named somebody, and until it had nothing more to say */
  readonly firstProvider: Percentiles
  readonly end: Percentiles
}

/** What content routing counts since it was made; plain JSON */
export interface RoutingSnapshot {
  readonly cacheMissesHandled: number
  readonly successRate?: number
  readonly retrievalTime: Percentiles & { readonly mean?: number }
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
  /** Files that came as one stream, those of them that took the place of one that failed, and what came by them */
  readonly streams: { readonly begun: number, readonly resumed: number, readonly open: number, readonly blocks: number, readonly bytes: number }
  readonly discovery: { readonly lookups: number, readonly failed: number, readonly providersFound: number, readonly sources: readonly SourceStats[] }
  readonly cache: {
    readonly hits: number
    readonly hitRatio?: number
    readonly corrupt: number
    readonly storeFailures: number
    readonly bytesSaved: number
    readonly timeSaved: number
  }
}

/** Blocks from and to peers */
export interface PeerExchangeStats {
  /** Wants are sent and answered: there is a libp2p node, and its bitswap is ours */
  readonly running: boolean
  /** Wants written to peers, and those of them that were taken back on the wire */
  readonly wants: number
  readonly cancels: number
  /** Messages written, answers among them */
  readonly messages: number
  /** Blocks that are wanted from peers just now */
  readonly wantsOpen: number
  /** Peers whose connection is held, holders, dials under way, addresses that are left alone for a while */
  readonly connections: { readonly peers: number, readonly leases: number, readonly dials: number, readonly backingOff: number }
  /** Absent where there is no store to serve from */
  readonly serving?: {
    readonly policy: 'none' | 'peers' | 'everyone' | 'allow-list'
    readonly peers: number
    readonly wants: number
    readonly awaited: number
    readonly blocks: number
    readonly bytes: number
    readonly haves: number
    readonly dontHaves: number
    readonly refused: number
    readonly stalled: number
    readonly memory: number
  }
}

/** How blocks travelled */
export interface ExchangeStats {
  /** Bytes of answers by transport, also of those that were not needed in the end */
  readonly received: Readonly<Record<Transport, number>>
  /** Blocks that were delivered, by transport */
  readonly blocks: Readonly<Record<Transport, number>>
  /** Absent where the bitswap of the node is used, or none */
  readonly bitswap?: PeerExchangeStats
}

/** A router that is asked over HTTP; plain JSON */
export interface RouterStats {
  readonly name: string
  /** `resting`: it failed, or asked to be left alone, and `restsFor` more ms */
  readonly state: 'awake' | 'resting'
  readonly restsFor?: number
  /** Why it rests */
  readonly why?: string
  /** Written to it, and under way or waiting just now */
  readonly requests: number
  readonly active: number
  readonly waiting: number
  /** Lookups that joined a request under way */
  readonly shared: number
  /** Lookups answered from what it had said, as fresh, while it was asked again, and in place of an error */
  readonly cacheHits: number
  readonly stale: number
  readonly staleOnError: number
  /** Answers that said that nothing has changed */
  readonly notModified: number
  readonly cached: { readonly answers: number, readonly bytes: number }
  /** Records that were of use */
  readonly records: number
  /** Answers that were longer than what is read of one, and that broke off after some records */
  readonly cutShort: number
  readonly broken: number
  /** Records that were passed over */
  readonly skipped: {
    readonly malformed: number
    readonly oversized: number
    readonly unknownSchema: number
    readonly badPeer: number
    /** Every address names another peer, or the record is of another than was asked for */
    readonly mismatched: number
    /** Nothing in it that can be used here */
    readonly filtered: number
  }
  /** Addresses of records that were passed over */
  readonly addresses: { readonly unusable: number, readonly foreign: number, readonly filtered: number, readonly surplus: number }
  readonly failures: Readonly<Record<RouterFailureKind, number>>
}

/** Where providers are, as far as is known; plain JSON */
export interface AddressesStats {
  /** Peers, and their addresses */
  readonly known: number
  readonly addresses: number
  /** Where the last word was a connection, and where dials fail */
  readonly good: number
  readonly dead: number
  /** Dials that no read was behind, and what came of them */
  readonly probes: number
  readonly reached: number
  readonly failed: number
  /** Addresses that were passed over: private, or of no use here */
  readonly refused: number
  /** Peers without addresses that others were asked for, and those of them that were found */
  readonly sought: number
  readonly found: number
}

/** What answered lookups, of a source that remembers; plain JSON */
export interface LookupsStats {
  /** Lookups that were made */
  readonly lookups: number
  /** Answered from memory, without a lookup */
  readonly hits: number
  /** Answered from memory, with a lookup for what may have changed */
  readonly stale: number
  /** Listened to a lookup that somebody else had begun */
  readonly joined: number
  /** Lookups that failed although there was an older answer */
  readonly staleOnError: number
  /** Answers remembered */
  readonly records: number
  /** Of what was kept for the next run: entries that could not be read, and writes that failed */
  readonly kept: { readonly dropped: number, readonly failedWrites: number }
}

export interface ContentRoutingStats extends RoutingSnapshot {
  /** The privacy mode of the node, and where it differs from it; absent for a manager that was not composed with one */
  readonly mode?: ModeStats
  /** How much was told to whom; absent where no ledger says it */
  readonly privacy?: LedgerStats
  /** Absent for a manager that was not composed with one */
  readonly exchange?: ExchangeStats
  /** Those that are asked over HTTP; absent for a manager that was not composed with any */
  readonly routers?: readonly RouterStats[]
  /** Absent for a manager that was composed without a libp2p node */
  readonly addresses?: AddressesStats
  /** In the routers that the node has by itself, whoever looked up; absent for a manager that was not composed over a node */
  readonly lookups?: LookupsStats
  readonly providers: readonly ProviderSummary[]
  readonly reputation: { readonly size: number, readonly kept: 'datastore' | 'memory' }
  readonly inFlight: { readonly flights: number, readonly attempts: number, readonly queued: number, readonly sessions: number }
  readonly announced: { readonly done: number, readonly failed: number, readonly pending: number }
}
