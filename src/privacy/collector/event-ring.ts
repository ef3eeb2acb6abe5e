import { NameTable } from './name-table.ts'
import { RenewedMap } from './renewed-map.ts'
import type { TrafficEvent } from '../../interface/privacy.ts'

/** Events in one piece of memory: a ring that is never filled never costs more than its first pieces */
const CHUNK = 8_192

/**
 * The newest so many events of a peer, as a part of all: no busier peer pushes them out. Whoever sends 100 000 messages
 * in three seconds would otherwise have all the others forgotten. Of 100 000 they are 1 562, a few times what an
 * analysis judges a peer by.
 */
const SHARE = 1 / 64

const KINDS: ReadonlyArray<TrafficEvent['kind']> = ['open', 'close', 'stream', 'sent', 'received']
const KIND_NUMBERS = new Map(KINDS.map((kind, number) => [kind, number]))

interface Chunk {
  readonly at: Float64Array
  readonly bytes: Float64Array
  readonly peer: Uint32Array
  readonly protocol: Uint32Array
  readonly kind: Uint8Array
}

/** Whose events are counted */
export interface EventPeer {
  /** Nobody else's, now or later */
  readonly number: number
  /** Of the ring's events, how many it has: the ring writes it */
  events: number
}

/** The latest events in 25 bytes each; the oldest is overwritten, of those who have more than their share where there are any */
export class EventRing {
  readonly capacity: number
  readonly #maxAge: number
  readonly #share: number
  readonly #chunks: Chunk[] = []
  /** Those that have events and were not forgotten */
  readonly #peers = new RenewedMap<number, EventPeer>()
  readonly #protocols = new NameTable()
  #next = 0
  #size = 0
  /** Peers with more than their share */
  readonly #busy = new Set<EventPeer>()
  /** Whether some were put behind younger ones */
  #isMixed = false

  /** @param maxAge - in ms: older events of a peer are its share no more */
  constructor (capacity: number, maxAge = Infinity) {
    this.capacity = capacity
    this.#maxAge = maxAge
    this.#share = Math.floor(capacity * SHARE)
  }

  get size (): number {
    return this.#size
  }

  /** @param bytes - NaN where none are known */
  push (at: number, peer: EventPeer, kind: TrafficEvent['kind'], bytes: number, protocol: string): void {
    if (this.#size === this.capacity) {
      this.#spare(at)
    }

    const slot = this.#next % CHUNK
    const chunk = this.#chunks[Math.floor(this.#next / CHUNK)] ?? this.#grow()

    if (this.#size === this.capacity) {
      this.#release(chunk.peer[slot] ?? 0)
      this.#protocols.release(chunk.protocol[slot] ?? 0)
    } else {
      this.#size++
    }

    chunk.at[slot] = at
    chunk.bytes[slot] = bytes
    chunk.peer[slot] = peer.number
    chunk.protocol[slot] = this.#protocols.take(protocol)
    chunk.kind[slot] = KIND_NUMBERS.get(kind) ?? 0
    this.#next = (this.#next + 1) % this.capacity

    if (peer.events === 0) {
      this.#peers.set(peer.number, peer)
    }
    peer.events++
    if (this.#share > 0 && peer.events === this.#share + 1) {
      this.#busy.add(peer)
    }
  }

  /** What is there of a peer is nobody's any more: it is not listed, and makes room */
  forget (peer: EventPeer): void {
    this.#peers.delete(peer.number)
    this.#busy.delete(peer)
    peer.events = 0
  }

  /**
   * Oldest first, those from a moment on.
   *
   * @param idOf - of a peer by its number; undefined where it is not wanted
   */
  list (since: number, idOf: (peer: number) => string | undefined): TrafficEvent[] {
    const events: TrafficEvent[] = []
    const first = (this.#next - this.#size + this.capacity) % this.capacity

    for (let i = 0; i < this.#size; i++) {
      const index = (first + i) % this.capacity
      const slot = index % CHUNK
      const chunk = this.#chunks[Math.floor(index / CHUNK)]
      const at = chunk?.at[slot] ?? 0

      if (chunk == null || at < since) {
        continue
      }

      const peer = idOf(chunk.peer[slot] ?? 0)

      if (peer != null) {
        const bytes = chunk.bytes[slot] ?? NaN
        const protocol = this.#protocols.name(chunk.protocol[slot] ?? 0)
        events.push({
          at,
          peer,
          kind: KINDS[chunk.kind[slot] ?? 0] ?? 'open',
          ...(Number.isNaN(bytes) ? {} : { bytes }),
          ...(protocol === '' ? {} : { protocol })
        })
      }
    }

    return this.#isMixed ? events.sort((a, b) => a.at - b.at) : events
  }

  clear (): void {
    this.#chunks.length = 0
    for (const peer of this.#peers.values()) {
      peer.events = 0
    }
    this.#peers.clear()
    this.#protocols.clear()
    this.#next = 0
    this.#size = 0
    this.#busy.clear()
    this.#isMixed = false
  }

  /**
   * The oldest that is nobody's share is the next to go: those before it become the newest. As those who have more than
   * theirs have a 64th of the ring at least, it is 64 steps for each event on average, and none where nobody has.
   */
  #spare (at: number): void {
    while (this.#busy.size > 0) {
      const slot = this.#next % CHUNK
      const chunk = this.#chunks[Math.floor(this.#next / CHUNK)]

      if (chunk == null || (this.#peers.get(chunk.peer[slot] ?? 0)?.events ?? Infinity) > this.#share || at - (chunk.at[slot] ?? 0) > this.#maxAge) {
        return
      }
      // a full ring ends where it begins: what is first is last when it begins one further
      this.#next = (this.#next + 1) % this.capacity
      this.#isMixed = true
    }
  }

  #release (number: number): void {
    const peer = this.#peers.get(number)

    if (peer != null) {
      peer.events--
      if (peer.events === this.#share) {
        this.#busy.delete(peer)
      }
      if (peer.events === 0) {
        this.#peers.delete(number)
      }
    }
  }

  #grow (): Chunk {
    const length = Math.min(CHUNK, this.capacity - this.#chunks.length * CHUNK)
    const chunk: Chunk = {
      at: new Float64Array(length),
      bytes: new Float64Array(length),
      peer: new Uint32Array(length),
      protocol: new Uint32Array(length),
      kind: new Uint8Array(length)
    }
    this.#chunks.push(chunk)
    return chunk
  }
}
