import { MAX_ADDRESS, MAX_PROTOCOL, bounded, remember } from './bounded-text.ts'
import { transportName } from './transport-name.ts'
import type { PeerRecord } from './peer-table.ts'
import type { ConnectionObservation } from '../../interface/privacy.ts'
import type { Connection } from '@libp2p/interface'

/** Protocols kept of a connection: a busy one speaks 5 to 15 */
const MAX_PROTOCOLS = 32

/** What is known of a connection; its fields change while it is open */
export class ConnectionRecord {
  readonly id: string
  /** Whom it is to, as that peer was known when it opened */
  readonly peer: PeerRecord
  readonly direction: ConnectionObservation['direction']
  readonly remoteAddr: string
  readonly transport: string
  readonly encryption?: string
  readonly multiplexer?: string
  readonly limited: boolean
  readonly openedAt: number
  closedAt?: number
  streams = 0
  readonly protocols: string[] = []
  bytesSent = 0
  bytesReceived = 0

  constructor (connection: Connection, peer: PeerRecord, openedAt: number) {
    this.id = connection.id
    this.peer = peer
    this.direction = connection.direction
    this.remoteAddr = bounded(connection.remoteAddr.toString(), MAX_ADDRESS)
    this.transport = transportName(connection.remoteAddr)
    this.encryption = connection.encryption == null ? undefined : bounded(connection.encryption, MAX_PROTOCOL)
    this.multiplexer = connection.multiplexer == null ? undefined : bounded(connection.multiplexer, MAX_PROTOCOL)
    this.limited = connection.limits != null
    this.openedAt = openedAt
  }

  spoke (protocol: string): void {
    this.streams++
    remember(this.protocols, protocol, MAX_PROTOCOLS)
  }

  /** @param bytes - whether those are all that passed */
  observation (bytes: boolean): ConnectionObservation {
    return {
      id: this.id,
      peer: this.peer.id,
      direction: this.direction,
      remoteAddr: this.remoteAddr,
      transport: this.transport,
      ...(this.encryption == null ? {} : { encryption: this.encryption }),
      ...(this.multiplexer == null ? {} : { multiplexer: this.multiplexer }),
      limited: this.limited,
      openedAt: this.openedAt,
      ...(this.closedAt == null ? {} : { closedAt: this.closedAt }),
      streams: this.streams,
      protocols: [...this.protocols],
      ...(bytes ? { bytesSent: this.bytesSent, bytesReceived: this.bytesReceived } : {})
    }
  }
}
