import { CollectorCounts } from './collector-counts.ts'
import { ConnectionRecord } from './connection-record.ts'
import { ConnectionTable } from './connection-table.ts'
import { EventRing } from './event-ring.ts'
import { PeerTable } from './peer-table.ts'
import { SteadyTime } from './steady-time.ts'
import type { CollectorParams } from './collector-params.ts'
import type { PeerRecord } from './peer-table.ts'
import type { CollectorStatistics, Observations, TrafficEvent } from '../../interface/privacy.ts'
import type { Connection, IdentifyResult } from '@libp2p/interface'

/** All that a collector has seen, bounded in number and age. It looks at nothing by itself. */
export class Seen {
  readonly peers: PeerTable
  readonly #params: CollectorParams
  readonly #time: SteadyTime
  readonly #connections: ConnectionTable
  readonly #events: EventRing
  #counts = new CollectorCounts()
  #from: number

  constructor (params: CollectorParams) {
    this.#params = params
    this.#time = new SteadyTime(params.clock)
    this.#events = new EventRing(params.maxEvents, params.retention)
    this.peers = new PeerTable(params.maxPeers, peer => { this.#events.forget(peer) })
    this.#connections = new ConnectionTable(params.maxConnections)
    this.#from = this.#time.now()
  }

  opened (connection: Connection): void {
    const record = this.#record(connection, this.#time.now())
    this.#happened(record.openedAt, record.peer, 'open', NaN, '')
  }

  /** Open already when it was looked at: nobody saw how */
  found (connection: Connection): ConnectionRecord {
    return this.#record(connection, Math.min(connection.timeline.open, this.#time.now()))
  }

  closed (connection: Connection): void {
    const record = this.#connections.get(connection)

    if (record != null) {
      const at = this.#time.now()
      this.#connections.close(connection, at)
      record.peer.openConnections--
      this.peers.moved(record.peer, at)
      this.#happened(at, record.peer, 'close', NaN, '')
    }
  }

  /** @param protocol - short, as all names here */
  stream (connection: Connection, protocol: string): void {
    const record = this.#connections.get(connection) ?? this.found(connection)
    const at = this.#time.now()

    record.spoke(protocol)
    record.peer.spoke(protocol)
    record.peer.lastSeen = at
    this.#counts.stream(protocol)
    this.#happened(at, record.peer, 'stream', NaN, protocol)
  }

  carried (connection: Connection, kind: 'sent' | 'received', bytes: number, protocol: string): void {
    const record = this.#connections.get(connection) ?? this.found(connection)
    const at = this.#time.now()

    if (kind === 'sent') {
      record.bytesSent += bytes
      this.#counts.bytesSent += bytes
    } else {
      record.bytesReceived += bytes
      this.#counts.bytesReceived += bytes
    }
    record.peer.lastSeen = at
    this.#happened(at, record.peer, kind, bytes, protocol)
  }

  identified ({ peerId, agentVersion, protocols }: Pick<IdentifyResult, 'peerId' | 'agentVersion' | 'protocols'>): void {
    this.peers.get(peerId)?.identified(agentVersion, protocols)
  }

  expire (): void {
    const since = this.#time.now() - this.#params.retention
    this.peers.expire(since)
    this.#connections.expire(since)
  }

  clear (): void {
    this.#counts = new CollectorCounts()
    this.#events.clear()
    this.peers.clear()
    this.#connections.clear()
    this.#from = this.#time.now()
  }

  /** @param exact - whether no stream went unseen */
  statistics (exact: boolean): CollectorStatistics {
    return {
      uniquePeers: this.peers.size,
      openConnections: this.#connections.openCount,
      ...this.#counts.statistics(exact),
      evictedPeers: this.peers.evicted,
      evictedConnections: this.#connections.evicted
    }
  }

  /** @param exact - whether no stream went unseen */
  observations (exact: boolean): Omit<Observations, 'self' | 'exposures' | 'unaccounted'> {
    const { peers } = this
    // of a peer that was forgotten and came back, what was before is forgotten too
    const ids = new Map([...peers.values()].map(({ id, number }) => [number, id]))
    const idOf = (number: number): string | undefined => ids.get(number)
    const to = this.#time.now()
    const since = to - this.#params.retention

    return {
      source: 'real',
      from: Math.max(this.#from, since),
      to,
      streams: exact ? 'exact' : 'sampled',
      peers: [...peers.values()].map(peer => peer.toJSON()),
      connections: this.#connections.list(idOf, exact),
      events: this.#events.list(since, idOf)
    }
  }

  /** Of a peer that was forgotten while it was connected nothing is listed: it would only take the room of others */
  #happened (at: number, peer: PeerRecord, kind: TrafficEvent['kind'], bytes: number, protocol: string): void {
    if (!peer.isForgotten) {
      this.#events.push(at, peer, kind, bytes, protocol)
    }
  }

  #record (connection: Connection, openedAt: number): ConnectionRecord {
    const peer = this.peers.touch(connection.remotePeer.toString(), openedAt)
    const record = new ConnectionRecord(connection, peer, openedAt)

    peer.opened(record.direction, record.remoteAddr)
    peer.lastSeen = this.#time.now()
    this.#connections.add(connection, record)
    this.#counts.opened(record.direction, record.transport)
    return record
  }
}
