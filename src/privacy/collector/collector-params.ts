import { systemClock } from '../../clock/system-clock.ts'
import { InvalidOptionError } from '../../interface/errors.ts'
import { checkOptionNames } from '../../interface/option-names.ts'
import { quote } from '../../interface/quote.ts'
import type { PeerName } from './peer-table.ts'
import type { Clock } from '../../interface/clock.ts'
import type { Exposure, Observations } from '../../interface/privacy.ts'

/** More peers than a js-libp2p node holds connections to (300), three times over */
export const DEFAULT_MAX_PEERS = 1_000
/** Longer than the sessions that are to be linked, short enough to forget people */
export const DEFAULT_RETENTION = 3_600_000
/** About three connections a second for as long as they are kept */
export const DEFAULT_MAX_CONNECTIONS = 10_000
/** What an analysis gets through in a second, in 2.5 MB */
export const DEFAULT_MAX_EVENTS = 100_000
/** Most streams that ask and answer end sooner, long ones are found: one look costs 1 µs per connection */
export const DEFAULT_SAMPLE_INTERVAL = 1_000

/** What a collector asks a ledger for */
export interface ExposureSource {
  /** Oldest first */
  entries (filter?: { since?: number }): readonly Exposure[]
  unaccounted (): NonNullable<Observations['unaccounted']>
}

export interface MetadataCollectorInit {
  /** Peers that are kept; the one seen longest ago goes first, one with open connections last. @default 1000 */
  maxPeers?: number
  /** How long closed connections, events and peers without connections are kept, in ms. @default 3600000 */
  retention?: number
  /** Connections that are kept, open and closed. @default 10000 */
  maxConnections?: number
  /** Events that are kept. @default 100000 */
  maxEvents?: number
  /** Only these peers are looked at, and all of them kept, also where they are more than `maxPeers`. @default all */
  peerAllowlist?: readonly PeerName[]
  /**
   * How streams, protocols and bytes are seen. `wrap`: exactly, by wrapping methods
   * of each connection and stream; `auto`: exactly where the node was made with
   * `collectorMetrics()`, otherwise what is open at moments. @default 'auto'
   */
  streams?: 'auto' | 'wrap'
  /** Between two looks at open streams where they are sampled, in ms. @default 1000 */
  sampleInterval?: number
  /** Its disclosures become the exposures of what is observed */
  ledger?: ExposureSource
  /** @default systemClock */
  clock?: Clock
}

export interface CollectorParams {
  readonly maxPeers: number
  readonly retention: number
  readonly maxConnections: number
  readonly maxEvents: number
  readonly allowed?: ReadonlySet<string>
  readonly streams: 'auto' | 'wrap'
  readonly sampleInterval: number
  readonly ledger?: ExposureSource
  readonly clock: Clock
}

/** Most that a typed array of events, or a Map, holds without failing */
const MAX_SIZE = 10_000_000
/** A timer cannot wait longer (32 bits) */
const MAX_MS = 2 ** 31 - 1

const OPTIONS = Object.keys({
  maxPeers: true, retention: true, maxConnections: true, maxEvents: true, peerAllowlist: true, streams: true, sampleInterval: true, ledger: true, clock: true
} satisfies Record<keyof MetadataCollectorInit, true>)

export function collectorParams (init: MetadataCollectorInit): CollectorParams {
  checkOptionNames('a MetadataCollector', init, OPTIONS)
  const { peerAllowlist, streams = 'auto' } = init

  if (streams !== 'auto' && streams !== 'wrap') {
    throw new InvalidOptionError(`streams must be 'auto' or 'wrap', got ${quote(streams)}`)
  }
  if (peerAllowlist != null && !(Array.isArray(peerAllowlist) && peerAllowlist.every(isPeerName))) {
    throw new InvalidOptionError(`peerAllowlist must be an array of peer ids, got ${quote(peerAllowlist)}`)
  }

  const allowed = peerAllowlist == null ? undefined : new Set(peerAllowlist.map(peer => peer.toString()))

  return {
    // who is named is not forgotten for others that are
    maxPeers: Math.max(whole('maxPeers', init.maxPeers ?? DEFAULT_MAX_PEERS, MAX_SIZE), allowed?.size ?? 0),
    retention: whole('retention', init.retention ?? DEFAULT_RETENTION, Number.MAX_SAFE_INTEGER),
    maxConnections: whole('maxConnections', init.maxConnections ?? DEFAULT_MAX_CONNECTIONS, MAX_SIZE),
    maxEvents: whole('maxEvents', init.maxEvents ?? DEFAULT_MAX_EVENTS, MAX_SIZE),
    allowed,
    streams,
    sampleInterval: whole('sampleInterval', init.sampleInterval ?? DEFAULT_SAMPLE_INTERVAL, MAX_MS),
    ledger: init.ledger,
    clock: init.clock ?? systemClock
  }
}

/** Text, or a PeerId: other objects would be compared as `[object Object]`, and nobody be looked at */
function isPeerName (peer: unknown): peer is PeerName {
  return typeof peer === 'string' || (typeof peer === 'object' && peer != null && 'toMultihash' in peer)
}

function whole (option: string, value: number, max: number): number {
  if (!Number.isSafeInteger(value) || value < 1 || value > max) {
    throw new InvalidOptionError(`${option} must be a whole number from 1 to ${max}, got ${quote(value)}`)
  }
  return value
}
