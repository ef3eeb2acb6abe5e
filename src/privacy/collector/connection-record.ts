import { MAX_ADDRESS, MAX_PROTOCOL, NONE, bounded, protocolLists } from './bounded-text.ts'
import { transportName } from './transport-name.ts'
import type { PeerRecord } from './peer-table.ts'
import type { ConnectionObservation } from '../../interface/privacy.ts'
import type { Connection } from '@libp2p/interface'

/** Protocols kept of a connection: a busy one speaks 5 to 15 */
const MAX_PROTOCOLS = 32

/** What is known of an open connection; its fields change */
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
  streams = 0
  protocols: readonly string[] = NONE
  bytesSent = 0
  bytesReceived = 0

  constructor (connection: Connection, peer: PeerRecord, openedAt: number) {
    this.id = bounded(connection.id, MAX_PROTOCOL)
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
    this.protocols = protocolLists.remembered(this.protocols, protocol, MAX_PROTOCOLS)
  }

  /** @param isExact - whether bytes are all that passed */
  observation (isExact: boolean): ConnectionObservation {
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
      streams: this.streams,
      protocols: [...this.protocols],
      ...(isExact ? { bytesSent: this.bytesSent, bytesReceived: this.bytesReceived } : {})
    }
  }
}
