import { grown, NONE } from './slot-lists.ts'
import { faded, worth } from './worth.ts'
import type { Requests } from './experts/expert.ts'

const FIRST_ENTRIES = 64

/**
 * What is known of keys that are here, that one of the experts would have kept, or that
 * went not long ago. An entry is a small whole number; its facts are in typed arrays.
 */
export class Entries {
  hash = new Uint32Array(FIRST_ENTRIES)
  size = new Uint32Array(FIRST_ENTRIES)
  /** The requests for it: the last one, and the one before */
  last = new Uint32Array(FIRST_ENTRIES)
  previous = new Uint32Array(FIRST_ENTRIES)
  /** Requests, old ones counting less */
  frequency = new Float32Array(FIRST_ENTRIES)
  /** What `worth` makes of frequency and size, to be set against the age */
  worth = new Float32Array(FIRST_ENTRIES)
  /** The block's, or NONE if it is not here */
  slot = new Int32Array(FIRST_ENTRIES)
  /** A bit for each expert that keeps it, and above these one for each that remembers it */
  holders = new Uint16Array(FIRST_ENTRIES)
  #next = new Int32Array(FIRST_ENTRIES)
  #buckets = new Int32Array(FIRST_ENTRIES).fill(NONE)
  #free = NONE
  #used = 0
  #count = 0

  get count (): number {
    return this.#count
  }

  /** Entries are below this number */
  get end (): number {
    return this.#used
  }

  /** It is somebody's affair, and not free */
  isKnown (entry: number): boolean {
    return this.holders[entry] !== 0 || this.slot[entry] !== NONE
  }

  find (hash: number): number {
    let entry = this.#buckets[this.#bucket(hash)] as number

    while (entry !== NONE && this.hash[entry] !== hash) {
      entry = this.#next[entry] as number
    }

    return entry
  }

  /** @param frequency - of the requests for it until `now`, as far as they are known */
  add (hash: number, size: number, now: number, frequency: number): number {
    let entry = this.#free

    if (entry === NONE) {
      entry = this.#used++
      this.#reserve(this.#used)
    } else {
      this.#free = this.#next[entry] as number
    }

    this.hash[entry] = hash
    this.size[entry] = size
    this.last[entry] = now
    // Of the request before nothing is known: as long ago as can be
    this.previous[entry] = now + 1
    this.frequency[entry] = frequency
    this.worth[entry] = worth(frequency, size)
    this.slot[entry] = NONE
    this.holders[entry] = 0
    this.#count++
    this.#chain(entry)
    return entry
  }

  /** It was asked for */
  ask (entry: number, { now, halfLife }: Requests): void {
    const last = this.last[entry] as number
    const frequency = faded(this.frequency[entry] as number, (now - last) >>> 0, halfLife) + 1
    this.previous[entry] = last
    this.last[entry] = now
    this.frequency[entry] = frequency
    this.worth[entry] = worth(frequency, this.size[entry] as number)
  }

  delete (entry: number): void {
    const bucket = this.#bucket(this.hash[entry] as number)
    let at = this.#buckets[bucket] as number

    if (at === entry) {
      this.#buckets[bucket] = this.#next[entry] as number
    } else {
      while (this.#next[at] !== entry) {
        at = this.#next[at] as number
      }

      this.#next[at] = this.#next[entry] as number
    }

    this.holders[entry] = 0
    this.slot[entry] = NONE
    this.#next[entry] = this.#free
    this.#free = entry
    this.#count--
  }

  #reserve (entries: number): void {
    if (entries <= this.hash.length) {
      return
    }

    this.hash = grown(this.hash, entries)
    this.size = grown(this.size, entries)
    this.last = grown(this.last, entries)
    this.previous = grown(this.previous, entries)
    this.frequency = grown(this.frequency, entries)
    this.worth = grown(this.worth, entries)
    this.slot = grown(this.slot, entries)
    this.holders = grown(this.holders, entries)
    this.#next = grown(this.#next, entries)

    // Only when nothing is free does anything grow, so that all entries but the newest are in a chain
    this.#buckets = new Int32Array(this.hash.length).fill(NONE)
    for (let entry = 0; entry < entries - 1; entry++) {
      this.#chain(entry)
    }
  }

  #chain (entry: number): void {
    const bucket = this.#bucket(this.hash[entry] as number)
    this.#next[entry] = this.#buckets[bucket] as number
    this.#buckets[bucket] = entry
  }

  #bucket (hash: number): number {
    const mixed = Math.imul(hash, 0x9e3779b1)
    return (mixed ^ (mixed >>> 15)) & (this.#buckets.length - 1)
  }
}
