import type { ConnectionRecord } from './connection-record.ts'
import type { Connection } from '@libp2p/interface'

/** Connections that are open, and those closed last. When it is full the one closed longest ago goes. */
export class ConnectionTable {
  readonly #max: number
  readonly #open = new Map<Connection, ConnectionRecord>()
  readonly #closed = new Set<ConnectionRecord>()
  #evicted = 0

  constructor (max: number) {
    this.#max = max
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
      record.closedAt = at
      this.#closed.add(record)
      this.#shrink()
    }
  }

  expire (since: number): void {
    for (const record of this.#closed) {
      if ((record.closedAt ?? since) >= since) {
        return
      }
      this.#closed.delete(record)
      this.#evicted++
    }
  }

  /** Oldest first, no more than the table holds */
  list (): ConnectionRecord[] {
    return [...this.#closed, ...this.#open.values()].sort((a, b) => a.openedAt - b.openedAt).slice(-this.#max)
  }

  clear (): void {
    this.#open.clear()
    this.#closed.clear()
    this.#evicted = 0
  }

  #shrink (): void {
    for (const record of this.#closed) {
      if (this.#open.size + this.#closed.size <= this.#max) {
        return
      }
      this.#closed.delete(record)
      this.#evicted++
    }
  }
}
