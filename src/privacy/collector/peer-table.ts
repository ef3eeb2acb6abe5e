import { MAX_AGENT, MAX_PROTOCOL, NONE, bounded, protocolLists, remembered } from './bounded-text.ts'
import { RenewedMap } from './renewed-map.ts'
import type { EventPeer } from './event-ring.ts'
import type { PeerObservation } from '../../interface/privacy.ts'

/** Addresses kept of a peer: a phone changes its port with every connection */
export const MAX_ADDRESSES = 16
/** Protocols kept of a peer: busy nodes speak 10 to 30 */
export const MAX_PROTOCOLS = 64

/** What is known of a peer; its fields change as more is seen */
export class PeerRecord implements PeerObservation, EventPeer {
  readonly id: string
  /** No two records have the same, not even of one peer that was forgotten and came back */
  readonly number: number
  events = 0
  readonly firstSeen: number
  lastSeen: number
  connectionCount = 0
  openConnections = 0
  /** No longer in the table: its connections may outlast that */
  isForgotten = false
  inbound = 0
  outbound = 0
  /** The only one, or all there are: most peers have one, and an array for it lives as long as the record */
  #addresses: string | readonly string[] = NONE
  protocols: readonly string[] = NONE
  agent?: string
  supported?: readonly string[]

  constructor (id: string, number: number, at: number) {
    this.id = id
    this.number = number
    this.firstSeen = at
    this.lastSeen = at
  }

  get addresses (): readonly string[] {
    return typeof this.#addresses === 'string' ? [this.#addresses] : this.#addresses
  }

  opened (direction: 'inbound' | 'outbound', address: string): void {
    this.connectionCount++
    this.openConnections++
    this[direction]++
    if (this.#addresses !== address) {
      this.#addresses = this.#addresses === NONE ? address : remembered(this.addresses, address, MAX_ADDRESSES)
    }
  }

  spoke (protocol: string): void {
    this.protocols = protocolLists.remembered(this.protocols, protocol, MAX_PROTOCOLS)
  }

  identified (agent: string | undefined, supported: readonly string[]): void {
    if (agent != null) {
      this.agent = bounded(agent, MAX_AGENT)
    }
    this.supported = supported.slice(0, MAX_PROTOCOLS).map(protocol => bounded(protocol, MAX_PROTOCOL))
  }

  /** A copy that changes no more */
  toJSON (): PeerObservation {
    return {
      id: this.id,
      firstSeen: this.firstSeen,
      lastSeen: this.lastSeen,
      connectionCount: this.connectionCount,
      openConnections: this.openConnections,
      inbound: this.inbound,
      outbound: this.outbound,
      addresses: [...this.addresses],
      protocols: [...this.protocols],
      ...(this.agent == null ? {} : { agent: this.agent }),
      ...(this.supported == null ? {} : { supported: [...this.supported] })
    }
  }
}

/** A peer by its id, as text or as what libp2p calls a PeerId */
export type PeerName = string | { toString (): string }

/** Peers by id: a map that also takes a PeerId */
export interface ObservedPeers extends ReadonlyMap<string, PeerObservation> {
  get (peer: PeerName): PeerObservation | undefined
  has (peer: PeerName): boolean
}

/**
 * Peers by id. When it is full the one goes that was opened to or closed longest ago;
 * those with open connections go last.
 */
export class PeerTable implements ObservedPeers {
  readonly max: number
  readonly #peers = new RenewedMap<string, PeerRecord>()
  readonly #forgotten: (peer: PeerRecord) => void
  /** The last in the table, where it is still there */
  #latest?: PeerRecord
  #made = 0
  #evicted = 0

  /** @param forgotten - told of whoever leaves the table */
  constructor (max: number, forgotten: (peer: PeerRecord) => void = () => {}) {
    this.max = max
    this.#forgotten = forgotten
  }

  get size (): number {
    return this.#peers.size
  }

  get evicted (): number {
    return this.#evicted
  }

  get (peer: PeerName): PeerRecord | undefined {
    return this.#peers.get(peer.toString())
  }

  has (peer: PeerName): boolean {
    return this.#peers.has(peer.toString())
  }

  keys (): MapIterator<string> {
    return this.#peers.keys()
  }

  values (): MapIterator<PeerRecord> {
    return this.#peers.values()
  }

  entries (): MapIterator<[string, PeerRecord]> {
    return this.#peers.entries()
  }

  forEach (fn: (record: PeerRecord, id: string, peers: ReadonlyMap<string, PeerRecord>) => void): void {
    for (const [id, record] of this.#peers.entries()) {
      fn(record, id, this)
    }
  }

  [Symbol.iterator] (): MapIterator<[string, PeerRecord]> {
    return this.#peers.entries()
  }

  /** The record of a peer that has just come, made where there is none. */
  touch (id: string, at: number): PeerRecord {
    const known = this.#peers.get(id)

    if (known != null) {
      this.moved(known, at)
      return known
    }

    if (this.#peers.size >= this.max) {
      const oldest = this.#oldest()
      if (oldest != null) {
        this.#evict(oldest)
      }
    }

    this.#made = (this.#made + 1) >>> 0
    const record = new PeerRecord(id, this.#made, at)
    this.#peers.set(id, record)
    this.#latest = record
    return record
  }

  /** Seen later than all others; nothing where it has been forgotten. */
  moved (record: PeerRecord, at: number): void {
    record.lastSeen = Math.max(record.lastSeen, at)

    // mostly whoever came last is also the next to go
    if (record !== this.#latest && this.#peers.get(record.id) === record) {
      this.#peers.delete(record.id)
      this.#peers.set(record.id, record)
      this.#latest = record
    }
  }

  /** Drops whoever was not seen since, unless a connection is open. */
  expire (since: number): void {
    for (const peer of this.#peers.values()) {
      if (peer.openConnections === 0) {
        if (peer.lastSeen >= since) {
          return
        }
        this.#evict(peer)
      }
    }
  }

  clear (): void {
    this.#peers.clear()
    this.#latest = undefined
    this.#evicted = 0
  }

  /** Whoever has no connection and was seen longest ago; where all have some, the oldest of them */
  #oldest (): PeerRecord | undefined {
    let oldest: PeerRecord | undefined

    for (const peer of this.#peers.values()) {
      if (peer.openConnections === 0) {
        return peer
      }
      oldest ??= peer
    }
    return oldest
  }

  #evict (peer: PeerRecord): void {
    this.#peers.delete(peer.id)
    this.#latest = peer === this.#latest ? undefined : this.#latest
    this.#evicted++
    peer.isForgotten = true
    this.#forgotten(peer)
  }
}
