import { KEY_BYTES, writeKey } from './block-key.ts'
import { CHUNK_BITS, CHUNK_MASK, CHUNK_SLOTS, Chunk, MIN_TABLE } from './index-chunk.ts'
import { KeyHash } from './key-hash.ts'
import type { CacheKind } from '../../interface/cache.ts'

/** Of the table; linear probing looks at two or three slots on the mean then */
const MAX_LOAD = 0.7

const USED = 1
const AUTHORED = 2
const CHECKED = 4

/** Where the record of a block is, and what it is like */
export interface IndexEntry {
  readonly segment: number
  readonly offset: number
  readonly length: number
  readonly kind: CacheKind
}

/** What is on disk, in memory: a hash table with exact keys over slots that are used again */
export class BlockIndex {
  readonly #hash: KeyHash
  readonly #chunks: Chunk[] = []
  /** Slot + 1; 0 is free */
  #table = new Int32Array(MIN_TABLE)
  #mask = MIN_TABLE - 1
  #size = 0
  /** First of the slots that were given back, as slot + 1; the next one is in `segments` */
  #free = 0
  #top = 0
  /** The key that is being looked for, padded with zeros */
  readonly #probe = new Uint8Array(KEY_BYTES)
  /** Its hash, and of how many bytes it was made; -1 when it was not made of a multihash */
  #probeHash = 0
  #probeBytes = -1

  constructor (secret: Uint8Array) {
    this.#hash = new KeyHash(secret)
  }

  get size (): number {
    return this.#size
  }

  /** Room for so many, so that the table is not built several times */
  reserve (entries: number): void {
    let size = this.#table.length

    while (entries > size * MAX_LOAD) {
      size *= 2
    }
    if (size > this.#table.length) {
      this.#resize(size)
    }
  }

  hashOf (multihash: Uint8Array): number {
    return this.#load(multihash)
  }

  find (multihash: Uint8Array): number {
    return this.#search(this.#load(multihash), multihash.byteLength)
  }

  /** As `find`, of the multihash that `hashOf` was asked about last, and of which it has said `hash` */
  findHashed (hash: number, multihash: Uint8Array): number {
    return this.#search(hash, multihash.byteLength)
  }

  /** As `find`, of a key as it is kept: what a sidecar has */
  findKey (key: Uint8Array, multihashBytes: number): number {
    return this.#search(this.#loadKey(key), multihashBytes)
  }

  /** The key must not be there yet */
  insert (multihash: Uint8Array, entry: IndexEntry): number {
    return this.#add(this.#load(multihash), multihash.byteLength, entry)
  }

  /** As `insert` of a short multihash, of which `hashOf` has said `hash` */
  insertHashed (hash: number, multihash: Uint8Array, segment: number, offset: number, length: number, kind: CacheKind): number {
    const slot = this.#place(hash, multihash.byteLength, segment, offset, length, kind)
    const { keys } = this.#chunk(slot)
    const at = (slot & CHUNK_MASK) * KEY_BYTES

    keys.set(multihash, at)
    for (let i = at + multihash.byteLength; i < at + KEY_BYTES; i++) {
      keys[i] = 0
    }
    return slot
  }

  insertKey (key: Uint8Array, multihashBytes: number, entry: IndexEntry): number {
    return this.#add(this.#loadKey(key), multihashBytes, entry)
  }

  delete (slot: number): void {
    const chunk = this.#chunk(slot)
    const i = slot & CHUNK_MASK

    this.#unlink(slot, this.hash(slot))
    chunk.flags[i] = 0
    chunk.segments[i] = this.#free
    this.#free = slot + 1
    this.#size--
  }

  has (slot: number): boolean {
    const chunk = this.#chunks[slot >>> CHUNK_BITS]
    return chunk != null && ((chunk.flags[slot & CHUNK_MASK] as number) & USED) !== 0
  }

  /** In ascending order, each as it is when its turn comes */
  slots (): IterableIterator<number> {
    let slot = -1
    // one for all: a million results are 40 MB of garbage
    const result = { done: false, value: 0 }
    const slots: IterableIterator<number> = {
      next: () => {
        do {
          slot++
        } while (slot < this.#top && !this.has(slot))
        result.done = slot >= this.#top
        result.value = slot
        return result
      },
      [Symbol.iterator]: () => slots
    }
    return slots
  }

  /** Slots of the blocks in a segment, by their offset */
  inSegment (segment: number): number[] {
    const found: number[] = []

    for (let first = 0; first < this.#top; first += CHUNK_SLOTS) {
      const { segments, flags } = this.#chunk(first)
      for (let i = 0; i < CHUNK_SLOTS; i++) {
        if (segments[i] === segment && ((flags[i] as number) & USED) !== 0) {
          found.push(first + i)
        }
      }
    }
    return found.sort((a, b) => this.offset(a) - this.offset(b))
  }

  hash (slot: number): number {
    return this.#hash.of(this.#chunk(slot).keys, (slot & CHUNK_MASK) * KEY_BYTES, KEY_BYTES)
  }

  segment (slot: number): number {
    return this.#chunk(slot).segments[slot & CHUNK_MASK] as number
  }

  offset (slot: number): number {
    return this.#chunk(slot).offsets[slot & CHUNK_MASK] as number
  }

  length (slot: number): number {
    return this.#chunk(slot).lengths[slot & CHUNK_MASK] as number
  }

  multihashBytes (slot: number): number {
    return this.#chunk(slot).multihashBytes[slot & CHUNK_MASK] as number
  }

  /** A view, valid until the slot is given back */
  key (slot: number): Uint8Array {
    const at = (slot & CHUNK_MASK) * KEY_BYTES
    return this.#chunk(slot).keys.subarray(at, at + KEY_BYTES)
  }

  /** Whether this is the multihash behind a key */
  keyEquals (key: Uint8Array, multihash: Uint8Array): boolean {
    this.#load(multihash)
    return Buffer.compare(this.#probe, key) === 0
  }

  /** A copy, or undefined when only its digest is kept here */
  multihash (slot: number): Uint8Array | undefined {
    const bytes = this.multihashBytes(slot)
    return bytes > KEY_BYTES ? undefined : this.key(slot).slice(0, bytes)
  }

  kind (slot: number): CacheKind {
    return ((this.#chunk(slot).flags[slot & CHUNK_MASK] as number) & AUTHORED) === 0 ? 'fetched' : 'authored'
  }

  setKind (slot: number, kind: CacheKind): void {
    const { flags } = this.#chunk(slot)
    const i = slot & CHUNK_MASK
    flags[i] = kind === 'authored' ? (flags[i] as number) | AUTHORED : (flags[i] as number) & ~AUTHORED
  }

  checked (slot: number): boolean {
    return ((this.#chunk(slot).flags[slot & CHUNK_MASK] as number) & CHECKED) !== 0
  }

  setChecked (slot: number): void {
    const { flags } = this.#chunk(slot)
    const i = slot & CHUNK_MASK
    flags[i] = (flags[i] as number) | CHECKED
  }

  promisedUntil (slot: number): number {
    return this.#chunk(slot).promised?.[slot & CHUNK_MASK] ?? 0
  }

  promise (slot: number, until: number): void {
    const chunk = this.#chunk(slot)
    chunk.promised ??= new Float64Array(CHUNK_SLOTS)
    chunk.promised[slot & CHUNK_MASK] = until
  }

  move (slot: number, segment: number, offset: number): void {
    const chunk = this.#chunk(slot)
    chunk.segments[slot & CHUNK_MASK] = segment
    chunk.offsets[slot & CHUNK_MASK] = offset
  }

  /** Makes the probe and hashes it: once for what is asked about one key in a row */
  #load (multihash: Uint8Array): number {
    if (!this.#isProbe(multihash)) {
      writeKey(this.#probe, multihash)
      this.#probeHash = this.#hash.of(this.#probe, 0, KEY_BYTES)
      this.#probeBytes = multihash.byteLength
    }
    return this.#probeHash
  }

  #loadKey (key: Uint8Array): number {
    this.#probe.set(key)
    this.#probeBytes = -1
    return this.#hash.of(this.#probe, 0, KEY_BYTES)
  }

  #isProbe (multihash: Uint8Array): boolean {
    const bytes = multihash.byteLength

    // of a longer one the probe is the digest
    if (bytes !== this.#probeBytes || bytes > KEY_BYTES) {
      return false
    }
    // from the end: all of one kind begin alike
    for (let i = bytes - 1; i >= 0; i--) {
      if (multihash[i] !== this.#probe[i]) {
        return false
      }
    }
    return true
  }

  #search (hash: number, multihashBytes: number): number {
    for (let i = hash & this.#mask; ; i = (i + 1) & this.#mask) {
      const slot = (this.#table[i] as number) - 1
      if (slot < 0 || this.#matches(slot, multihashBytes)) {
        return slot
      }
    }
  }

  #matches (slot: number, multihashBytes: number): boolean {
    const { keys } = this.#chunk(slot)
    const at = (slot & CHUNK_MASK) * KEY_BYTES

    for (let i = 0; i < KEY_BYTES; i++) {
      if (keys[at + i] !== this.#probe[i]) {
        return false
      }
    }
    return this.multihashBytes(slot) === multihashBytes
  }

  #add (hash: number, multihashBytes: number, { segment, offset, length, kind }: IndexEntry): number {
    const slot = this.#place(hash, multihashBytes, segment, offset, length, kind)
    this.#chunk(slot).keys.set(this.#probe, (slot & CHUNK_MASK) * KEY_BYTES)
    return slot
  }

  /** All but the key */
  #place (hash: number, multihashBytes: number, segment: number, offset: number, length: number, kind: CacheKind): number {
    this.reserve(this.#size + 1)
    const slot = this.#take()
    const chunk = this.#chunk(slot)
    const i = slot & CHUNK_MASK

    chunk.segments[i] = segment
    chunk.offsets[i] = offset
    chunk.lengths[i] = length
    if (chunk.promised != null) {
      chunk.promised[i] = 0
    }
    chunk.flags[i] = USED | (kind === 'authored' ? AUTHORED : 0)
    chunk.multihashBytes[i] = multihashBytes
    this.#link(slot, hash)
    this.#size++
    return slot
  }

  #take (): number {
    if (this.#free !== 0) {
      const slot = this.#free - 1
      this.#free = this.#chunk(slot).segments[slot & CHUNK_MASK] as number
      return slot
    }
    if ((this.#top & CHUNK_MASK) === 0) {
      this.#chunks.push(new Chunk())
    }
    return this.#top++
  }

  #link (slot: number, hash: number): void {
    let i = hash & this.#mask
    while (this.#table[i] !== 0) {
      i = (i + 1) & this.#mask
    }
    this.#table[i] = slot + 1
  }

  /** Moves back what was pushed on by it, so that no marks of what was deleted pile up */
  #unlink (slot: number, hash: number): void {
    const table = this.#table
    let hole = hash & this.#mask

    while (table[hole] !== slot + 1) {
      hole = (hole + 1) & this.#mask
    }
    for (let i = (hole + 1) & this.#mask; table[i] !== 0; i = (i + 1) & this.#mask) {
      const home = this.hash((table[i] as number) - 1) & this.#mask
      if (((i - home) & this.#mask) >= ((i - hole) & this.#mask)) {
        table[hole] = table[i] as number
        hole = i
      }
    }
    table[hole] = 0
  }

  #resize (size: number): void {
    this.#table = new Int32Array(size)
    this.#mask = size - 1
    for (const slot of this.slots()) {
      this.#link(slot, this.hash(slot))
    }
  }

  #chunk (slot: number): Chunk {
    return this.#chunks[slot >>> CHUNK_BITS] as Chunk
  }
}
