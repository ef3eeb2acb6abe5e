import { recordBytes } from './record.ts'
import type { BlockIndex } from './block-index.ts'
import type { CacheKind } from '../../interface/cache.ts'
import type { Segment } from './segment.ts'

/** The index together with what follows from it: what each segment still holds, and the totals */
export class StoredBlocks {
  readonly index: BlockIndex
  readonly segments = new Map<number, Segment>()
  live = 0
  authoredBlocks = 0
  authoredBytes = 0
  fetchedBytes = 0

  constructor (index: BlockIndex) {
    this.index = index
  }

  /** What the record of a block takes */
  cost (slot: number): number {
    return recordBytes(this.index.multihashBytes(slot), this.index.length(slot))
  }

  add (multihash: Uint8Array, segment: Segment, offset: number, length: number, kind: CacheKind): number {
    const slot = this.index.insert(multihash, { segment: segment.id, offset, length, kind })
    this.#count(slot, 1)
    return slot
  }

  /** As `add` of a short multihash, of which the index has said `hash` */
  addHashed (hash: number, multihash: Uint8Array, segment: Segment, offset: number, length: number, kind: CacheKind): number {
    const cost = recordBytes(multihash.byteLength, length)
    this.live += cost
    segment.live += cost
    segment.blocks++
    if (kind === 'authored') {
      this.authoredBlocks++
      this.authoredBytes += length
    } else {
      this.fetchedBytes += length
    }
    return this.index.insertHashed(hash, multihash, segment.id, offset, length, kind)
  }

  addKey (key: Uint8Array, multihashBytes: number, segment: Segment, offset: number, length: number, kind: CacheKind): number {
    const slot = this.index.insertKey(key, multihashBytes, { segment: segment.id, offset, length, kind })
    this.#count(slot, 1)
    return slot
  }

  remove (slot: number): void {
    this.#count(slot, -1)
    this.index.delete(slot)
  }

  move (slot: number, segment: Segment, offset: number): void {
    this.#count(slot, -1)
    this.index.move(slot, segment.id, offset)
    this.#count(slot, 1)
  }

  setKind (slot: number, kind: CacheKind): void {
    this.#count(slot, -1)
    this.index.setKind(slot, kind)
    this.#count(slot, 1)
  }

  /** Whether the block is where it was: tells a slot that was used again meanwhile */
  isAt (slot: number, segment: number, offset: number): boolean {
    return this.index.has(slot) && this.index.segment(slot) === segment && this.index.offset(slot) === offset
  }

  #count (slot: number, sign: 1 | -1): void {
    const { index } = this
    const cost = sign * this.cost(slot)
    const bytes = sign * index.length(slot)
    const segment = this.segments.get(index.segment(slot))

    this.live += cost
    if (segment != null) {
      segment.live += cost
      segment.blocks += sign
    }
    if (index.kind(slot) === 'authored') {
      this.authoredBlocks += sign
      this.authoredBytes += bytes
    } else {
      this.fetchedBytes += bytes
    }
  }
}
