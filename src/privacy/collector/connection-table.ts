import { ClosedConnections } from './closed-connections.ts'
import { OpenMap } from './open-map.ts'
import type { ConnectionRecord } from './connection-record.ts'
import type { ConnectionObservation } from '../../interface/privacy.ts'
import type { Connection } from '@libp2p/interface'

/** Connections that are open, and those closed last. When it is full the one closed longest ago goes. */
export class ConnectionTable {
  readonly #max: number
  readonly #open = new OpenMap<Connection, ConnectionRecord>()
  readonly #closed: ClosedConnections
  #evicted = 0

  constructor (max: number) {
    this.#max = max
    this.#closed = new ClosedConnections(max)
  }

  get openCount (): number {
    return this.#open.size
  }

  get evicted (): number {
    return this.#evicted
  }

  get (connection: Connection): ConnectionRecord | undefined {
    return this.#open.get(connection)
  }

  /** Open ones are bounded by libp2p, and counted: closed ones make room */
  add (connection: Connection, record: ConnectionRecord): void {
    this.#open.set(connection, record)
    this.#shrink()
  }

  close (connection: Connection, at: number): void {
    const record = this.#open.get(connection)

    if (record != null) {
      this.#open.delete(connection)
      this.#closed.add(record, at)
      this.#shrink()
    }
  }

  expire (since: number): void {
    while ((this.#closed.oldest ?? since) < since) {
      this.#evict()
    }
  }

  /**
   * Oldest first, no more than the table holds.
   *
   * @param peerOf - whose record has that number; undefined where it has been forgotten
   * @param isExact - whether bytes are all that passed
   */
  list (peerOf: (number: number) => string | undefined, isExact: boolean): ConnectionObservation[] {
    const found: ConnectionObservation[] = []

    for (const closed of this.#closed) {
      const peer = peerOf(closed.peer)
      if (peer != null) {
        found.push(closed.observation(peer, isExact))
      }
    }
    for (const record of this.#open.values()) {
      if (peerOf(record.peer.number) != null) {
        found.push(record.observation(isExact))
      }
    }
    return found.sort((a, b) => a.openedAt - b.openedAt).slice(-this.#max)
  }

  clear (): void {
    this.#open.clear()
    this.#closed.clear()
    this.#evicted = 0
  }

  #shrink (): void {
    while (this.#closed.size > 0 && (this.#closed.isFull || this.#open.size + this.#closed.size > this.#max)) {
      this.#evict()
    }
  }

  #evict (): void {
    this.#closed.shift()
    this.#evicted++
  }
}
