import { LRUCache } from 'lru-cache'
import { trimmed } from './trimmed.ts'
import type { CacheKey } from './key.ts'

/**
 * Bytes that an entry takes besides the block's: its object, its key, an array and its buffer off the heap, and its
 * places in two maps and four lists (650 to 700 measured over 100 000 entries).
 */
export const ENTRY_OVERHEAD = 704

/** Of the tier, for blocks that were asked for again while in it: what segmented LRU is run with everywhere */
const PROTECTED_SHARE = 0.8

/** A larger part of the tier for one block would throw out too many others */
const MAX_BLOCK_SHARE = 0.25

/**
 * Of the buffer that a block is cut from, what may stay with it, and is counted: a sixteenth of the block, as a copy of 1 MiB
 * takes 100 us, or the head of a record, as what a copy of a small one takes besides is more than that
 */
const MAX_WASTE_SHARE = 1 / 16
const MAX_WASTE = 256

export interface Held {
  readonly bytes: Uint8Array
  /** Where it is on disk; -1 when it is not there */
  readonly slot: number
}

/**
 * Verified blocks in memory, least recently used first to go; those that were asked for once go before those that were
 * asked for again, so that a scan takes no more than a fifth from the latter. `maxBytes` holds with all overhead.
 */
export class MemoryTier {
  readonly #protected: LRUCache<CacheKey, Held>
  readonly #probation: LRUCache<CacheKey, Held>
  readonly #bySlot = new Map<number, CacheKey>()
  readonly #largest: number

  constructor (maxBytes: number) {
    const sizeCalculation = ({ bytes }: Held): number => bytes.buffer.byteLength + ENTRY_OVERHEAD
    const maxSize = Math.floor(maxBytes * PROTECTED_SHARE)
    this.#largest = Math.floor(maxBytes * MAX_BLOCK_SHARE) - ENTRY_OVERHEAD

    this.#probation = new LRUCache({
      maxSize: Math.max(1, maxBytes - maxSize),
      sizeCalculation,
      dispose: ({ slot }, key, reason) => {
        if (reason === 'evict') {
          this.#unlink(key, slot)
        }
      }
    })
    this.#protected = new LRUCache({
      maxSize: Math.max(1, maxSize),
      sizeCalculation,
      dispose: (held, key, reason) => {
        if (reason === 'evict') {
          this.#enter(key, held)
        }
      }
    })
  }

  /** Overhead included, and the whole of each buffer that a block is cut from */
  get bytes (): number {
    return this.#protected.calculatedSize + this.#probation.calculatedSize
  }

  get (key: CacheKey): Held | undefined {
    const held = this.#protected.get(key)

    if (held != null) {
      return held
    }
    const first = this.#probation.get(key)

    if (first != null) {
      this.#probation.delete(key)
      this.#protected.set(key, first)
    }
    return first
  }

  /** As `get`, without counting as a request */
  peek (key: CacheKey): Held | undefined {
    return this.#protected.peek(key) ?? this.#probation.peek(key)
  }

  set (key: CacheKey, bytes: Uint8Array, slot: number): void {
    if (bytes.byteLength > this.#largest) {
      return
    }
    const known = this.peek(key)

    if (known != null) {
      if (known.slot === slot) {
        return
      }
      this.delete(key)
    }
    this.#enter(key, { bytes: trimmed(bytes, Math.max(MAX_WASTE, bytes.byteLength * MAX_WASTE_SHARE)), slot })
  }

  delete (key: CacheKey): void {
    const held = this.peek(key)

    if (held != null) {
      this.#unlink(key, held.slot)
      this.#protected.delete(key)
      this.#probation.delete(key)
    }
  }

  /** The block that was there on disk is gone from it */
  deleteSlot (slot: number): void {
    const key = this.#bySlot.get(slot)

    if (key != null) {
      this.delete(key)
    }
  }

  clear (): void {
    this.#protected.clear()
    this.#probation.clear()
    this.#bySlot.clear()
  }

  #enter (key: CacheKey, held: Held): void {
    if (held.slot !== -1) {
      this.#bySlot.set(held.slot, key)
    }
    this.#probation.set(key, held)
    // it does not keep what alone is larger than it
    if (!this.#probation.has(key)) {
      this.#unlink(key, held.slot)
    }
  }

  #unlink (key: CacheKey, slot: number): void {
    if (this.#bySlot.get(slot) === key) {
      this.#bySlot.delete(slot)
    }
  }
}
