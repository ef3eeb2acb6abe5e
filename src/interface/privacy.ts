import type { DisclosureInit, DisclosureState, PrivacyMode } from './disclosure.ts'
import type { Purpose } from './request.ts'

/**
 * Kinds of parties that learn something: a closed set, fit to be a label.
 *
 * - `peer`, `gateway`: a provider asked over libp2p, over HTTP; `sibling`: the same, of one's own fleet
 * - `dht`: a server of the DHT on the way of a look-up or of an announcement; `router`: a delegated router
 * - `dns`: whoever answers for names; `shared-cache`: a second level that is shared with other nodes; `own`: another process of this user
 * - `foreign`: whomever code that is not ours asks, a lower bound
 */
export const OBSERVER_CLASSES = ['peer', 'gateway', 'sibling', 'dht', 'router', 'dns', 'shared-cache', 'own', 'foreign'] as const

export type ObserverClass = typeof OBSERVER_CLASSES[number]

/** A disclosure as a ledger keeps it. `observer` and `subject` are pseudonyms where they come from a file. */
export interface Exposure {
  /** Wall clock, in ms */
  readonly at: number
  readonly request: string
  readonly purpose: Purpose
  readonly mode: PrivacyMode
  readonly observer: string
  readonly observerClass: ObserverClass
  /** The key of the block that it was about; absent where it was about none */
  readonly subject?: string
  /** Who asked this node, where somebody did: those among whom the observer cannot tell */
  readonly client?: string
  readonly form: DisclosureInit['form']
  readonly transport: string
  readonly audience: DisclosureInit['audience']
  readonly state: DisclosureState
  readonly cancelled: boolean
}

/** Something seen of a connection */
export interface TrafficEvent {
  /** Wall clock, in ms, and never before the event that was seen earlier */
  readonly at: number
  readonly peer: string
  readonly kind: 'open' | 'close' | 'stream' | 'sent' | 'received'
  /** Where it is known; of `sent` and `received` */
  readonly bytes?: number
  /** Of `stream`, and of `sent` and `received` where it is known */
  readonly protocol?: string
}

export interface ConnectionObservation {
  readonly id: string
  readonly peer: string
  readonly direction: 'inbound' | 'outbound'
  readonly remoteAddr: string
  /** `tcp`, `ws`, `quic-v1`, `webrtc`, `circuit`, … */
  readonly transport: string
  readonly encryption?: string
  readonly multiplexer?: string
  /** Relayed, and so bounded in time and bytes */
  readonly limited: boolean
  readonly openedAt: number
  readonly closedAt?: number
  /** Opened in its life: a lower bound where streams are sampled */
  readonly streams: number
  readonly protocols: readonly string[]
  readonly bytesSent?: number
  readonly bytesReceived?: number
}

export interface PeerObservation {
  readonly id: string
  readonly firstSeen: number
  readonly lastSeen: number
  /** All that were seen, open or closed */
  readonly connectionCount: number
  readonly openConnections: number
  readonly inbound: number
  readonly outbound: number
  readonly addresses: readonly string[]
  /** Negotiated on streams with it */
  readonly protocols: readonly string[]
  /** What it told by identify */
  readonly agent?: string
  readonly supported?: readonly string[]
}

/** Everything that an analysis looks at, as of one moment: whoever has this can be analysed */
export interface Observations {
  /** `simulated` is carried into each report */
  readonly source: 'real' | 'simulated'
  /** Wall clock: since when was watched, and until when */
  readonly from: number
  readonly to: number
  /** Whether streams, protocols and bytes are all there, or what was seen at moments */
  readonly streams: 'exact' | 'sampled'
  readonly self?: { readonly peer: string, readonly agent?: string, readonly protocols: readonly string[], readonly addresses: readonly string[] }
  readonly peers: readonly PeerObservation[]
  /** Open and closed ones, oldest first */
  readonly connections: readonly ConnectionObservation[]
  /** Oldest first */
  readonly events: readonly TrafficEvent[]
  /** Oldest first; absent where no ledger is attached */
  readonly exposures?: readonly Exposure[]
  /** Spans in which requests went past the ledger */
  readonly unaccounted?: ReadonlyArray<{ readonly from: number, readonly to?: number, readonly reason: string }>
}

export interface CollectorStatistics {
  readonly uniquePeers: number
  /** All that were seen since the start or `clear()`, open or closed */
  readonly totalConnections: number
  readonly openConnections: number
  readonly inboundConnections: number
  readonly outboundConnections: number
  readonly totalStreams: number
  readonly protocols: Readonly<Record<string, number>>
  readonly transports: Readonly<Record<string, number>>
  readonly bytesSent?: number
  readonly bytesReceived?: number
  readonly streams: 'exact' | 'sampled'
  /** Dropped because a table was full, or too old */
  readonly evictedPeers: number
  readonly evictedConnections: number
}

/** What an analyzer takes: a collector, or a generator of traffic */
export interface ObservationSource {
  observations (): Observations
  getStatistics (): CollectorStatistics
}

export type Severity = 'low' | 'medium' | 'high' | 'critical'

/** Names the detector that found it: a closed set */
export const RISK_KINDS = [
  'small-anonymity-set',
  'timing-correlation',
  'periodic-traffic',
  'burst-traffic',
  'session-linkability',
  'protocol-fingerprint',
  'agent-fingerprint',
  'co-request-linkage',
  'announce-exposure',
  'third-party-exposure',
  'unaccounted-requests'
] as const

export type RiskKind = typeof RISK_KINDS[number]

/** What a risk is about where that is nobody by name: the end of its id. Where it is somebody, their ids are; of a class of observers, the class is. */
export const RISK_LABELS = ['self', 'peers', 'connections', 'spans', 'peer-id', 'address'] as const

/** By which of its two tests a correlation in time was found: a closed set, fit to be evidence */
export const TIMING_TESTS = ['moments', 'counts'] as const

export interface Risk {
  /** Stable between reports on the same thing: kind and subject */
  readonly id: string
  readonly kind: RiskKind
  readonly title: string
  readonly severity: Severity
  /** 0 to 1 */
  readonly score: number
  /** 0 to 1: how sure it is that this is there at all */
  readonly confidence: number
  /** Observations that it stands on */
  readonly n: number
  readonly observerClass: ObserverClass | 'network'
  /** Whom it is about, where it is about somebody: peer ids, redacted by whoever prints them */
  readonly subjects: readonly string[]
  readonly evidence: Readonly<Record<string, number | string | boolean>>
  readonly recommendation: string
  /** The option or mode that takes it away, or `none` */
  readonly mitigation: string
}

/** A question that too little was seen for. It is an answer: nothing is called safe. */
export interface Insufficient {
  readonly kind: RiskKind
  readonly n: number
  readonly needed: number
  readonly reason: string
}

/** Of one class of observers, over the exposures in the window */
export interface ClassMeasures {
  readonly observerClass: ObserverClass
  readonly exposures: number
  readonly observers: number
  readonly subjects: number
  /** Those who could have caused a request, as this class sees it */
  readonly anonymitySet: number
  /** 2^H */
  readonly effectiveSet: number
  /** H / log2 N; 0 where N is 1 */
  readonly degree: number
  /** −log2 of the best guess */
  readonly minEntropy: number
}

export interface PrivacyThresholds {
  /** Fewer indistinguishable parties than this are a finding. @default 5 */
  ANONYMITY_SET_THRESHOLD: number
  /** From this |r| on, in (0, 1]. @default 0.5 */
  TIMING_CORRELATION_THRESHOLD: number
}

/** Proof of membership as it is handed on: Semaphore's own form, with the group and the epoch that it is for */
export interface MembershipProof {
  readonly version: 1
  readonly statement: 'semaphore-v4'
  readonly group: string
  readonly epoch: number
  readonly merkleTreeDepth: number
  /** All numbers are decimal */
  readonly merkleTreeRoot: string
  readonly nullifier: string
  readonly message: string
  readonly scope: string
  readonly points: readonly string[]
}

/** That a report is by a member of a group, with what that says and does not say: goes beside the report, which it is about */
export interface MembershipClaim {
  /** `verified` by whoever hands this on: a reader checks the proof again */
  readonly result: 'verified'
  readonly statement: 'semaphore-v4'
  readonly group: string
  /** Members under the root, among whom the one is */
  readonly members: number
  readonly epoch: number
  readonly root: string
  readonly scope: string
  readonly nullifier: string
  /** SHA-256 of the report, in hexadecimal */
  readonly report: string
  /** What the reader asked for the report with */
  readonly nonce: string
  readonly proven: readonly string[]
  readonly notProven: readonly string[]
  readonly proof: MembershipProof
}

/** What `analyze()` gives: the plain part of it is what `toJSON()` returns */
export interface PrivacyReportData {
  readonly version: 1
  readonly generatedAt: number
  readonly source: 'real' | 'simulated'
  readonly window: { readonly from: number, readonly to: number }
  readonly streams: 'exact' | 'sampled'
  /** 0 to 1; 0 with everything in `insufficient` means that nothing could be judged, and not that nothing is wrong */
  readonly overallRiskScore: number
  readonly risks: readonly Risk[]
  readonly insufficient: readonly Insufficient[]
  readonly measures: readonly ClassMeasures[]
  readonly statistics: CollectorStatistics
  readonly thresholds: Readonly<PrivacyThresholds>
}

export interface PrivacyReport extends PrivacyReportData {
  highRisks (): readonly Risk[]
  criticalRisks (): readonly Risk[]
  /** A few lines of plain text */
  summary (): string
  toJSON (): PrivacyReportData
}
