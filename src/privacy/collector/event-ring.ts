import { NameTable } from './name-table.ts'
import type { TrafficEvent } from '../../interface/privacy.ts'

/** Events in one piece of memory: a ring that is never filled never costs more than its first pieces */
const CHUNK = 8_192

const KINDS: ReadonlyArray<TrafficEvent['kind']> = ['open', 'close', 'stream', 'sent', 'received']
const KIND_NUMBERS = new Map(KINDS.map((kind, number) => [kind, number]))

interface Chunk {
  readonly at: Float64Array
  readonly bytes: Float64Array
  readonly peer: Uint32Array
  readonly protocol: Uint32Array
  readonly kind: Uint8Array
}

/** The latest events in 25 bytes each; the oldest is overwritten */
export class EventRing {
  readonly capacity: number
  readonly #chunks: Chunk[] = []
  readonly #names = new NameTable()
  #next = 0
  #size = 0
  #overwritten = 0

  constructor (capacity: number) {
    this.capacity = capacity
  }

  get size (): number {
    return this.#size
  }

  get overwritten (): number {
    return this.#overwritten
  }

  /** @param bytes - NaN where none are known */
  push (at: number, peer: string, kind: TrafficEvent['kind'], bytes: number, protocol: string): void {
    const slot = this.#next % CHUNK
    const chunk = this.#chunks[Math.floor(this.#next / CHUNK)] ?? this.#grow()

    if (this.#size === this.capacity) {
      this.#names.release(chunk.peer[slot] ?? 0)
      this.#names.release(chunk.protocol[slot] ?? 0)
      this.#overwritten++
    } else {
      this.#size++
    }

    chunk.at[slot] = at
    chunk.bytes[slot] = bytes
    chunk.peer[slot] = this.#names.take(peer)
    chunk.protocol[slot] = this.#names.take(protocol)
    chunk.kind[slot] = KIND_NUMBERS.get(kind) ?? 0
    this.#next = (this.#next + 1) % this.capacity
  }

  /** Oldest first, those from a moment on whose peer is wanted */
  list (since: number, wanted: (peer: string, at: number) => boolean): TrafficEvent[] {
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

      const peer = this.#names.name(chunk.peer[slot] ?? 0)

      if (wanted(peer, at)) {
        const bytes = chunk.bytes[slot] ?? NaN
        const protocol = this.#names.name(chunk.protocol[slot] ?? 0)
        events.push({
          at,
          peer,
          kind: KINDS[chunk.kind[slot] ?? 0] ?? 'open',
          ...(Number.isNaN(bytes) ? {} : { bytes }),
          ...(protocol === '' ? {} : { protocol })
        })
      }
    }

    return events
  }

  clear (): void {
    this.#chunks.length = 0
    this.#names.clear()
    this.#next = 0
    this.#size = 0
    this.#overwritten = 0
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
