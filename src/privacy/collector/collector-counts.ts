import type { CollectorStatistics } from '../../interface/privacy.ts'

/** Different names that are counted apart: peers may not make the table long */
const MAX_NAMES = 256
const OTHERS = '(others)'

/** How often each name came up */
export class NameCounts {
  readonly #counts = new Map<string, number>()

  add (name: string): void {
    const key = this.#counts.has(name) || this.#counts.size < MAX_NAMES ? name : OTHERS
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1)
  }

  toJSON (): Record<string, number> {
    return Object.fromEntries(this.#counts)
  }
}

type Counted = Omit<CollectorStatistics, 'uniquePeers' | 'openConnections' | 'evictedPeers' | 'evictedConnections'>

/** What is counted since the start or `clear()` */
export class CollectorCounts {
  bytesSent = 0
  bytesReceived = 0
  #inbound = 0
  #outbound = 0
  #streams = 0
  readonly #protocols = new NameCounts()
  readonly #transports = new NameCounts()

  opened (direction: 'inbound' | 'outbound', transport: string): void {
    if (direction === 'inbound') {
      this.#inbound++
    } else {
      this.#outbound++
    }
    this.#transports.add(transport)
  }

  stream (protocol: string): void {
    this.#streams++
    this.#protocols.add(protocol)
  }

  /** @param exact - whether no stream went unseen: without that bytes say nothing */
  statistics (exact: boolean): Counted {
    return {
      totalConnections: this.#inbound + this.#outbound,
      inboundConnections: this.#inbound,
      outboundConnections: this.#outbound,
      totalStreams: this.#streams,
      protocols: this.#protocols.toJSON(),
      transports: this.#transports.toJSON(),
      ...(exact ? { bytesSent: this.bytesSent, bytesReceived: this.bytesReceived } : {}),
      streams: exact ? 'exact' : 'sampled'
    }
  }
}
