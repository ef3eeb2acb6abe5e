import { decode } from 'multiformats/hashes/digest'
import { fromString } from 'uint8arrays/from-string'
import { toString } from 'uint8arrays/to-string'
import { kadKey } from '../kad/kad-key.ts'
import { PackedHashes } from './packed-hashes.ts'
import type { KeptTable } from '../../keeper/entry-keeper.ts'

/** Parts of the keyspace that are announced at a time: of a million blocks 4 000, some four lookups in a network of ten thousand peers */
export const SLOTS = 256
/** Cells of one slot, each an entry of the store: of a million blocks 244, 13 KB, are written when one of them changes */
const CELLS = 16
/** Blocks: 34 MB in memory, 55 MB in the store */
const MAX_BLOCKS = 1_000_000
/** Blocks of one cell, four times the mean of a full table: keys are hashes, so that no honest cell has more */
const MAX_CELL = 1_000
/** Bytes of a multihash that is kept: SHA-512 has 66 */
const MAX_HASH = 80

export const ANNOUNCED_PREFIX = '/portolan/discovery/announced/v1'
/** The same of what a strategy names */
export const CHOSEN_PREFIX = '/portolan/discovery/chosen/v1'

/** What is announced again and again, by where it lies in the keyspace, and when that part of it was announced last */
export class AnnouncedTable implements KeptTable {
  readonly #maxBlocks: number
  readonly #others: () => number
  readonly #cells = new Map<number, PackedHashes>()
  /** By slot; by the wall clock */
  readonly #sweptAt = new Map<number, number>()
  readonly #dirty = new Set<string>()
  #size = 0

  /** @param others - blocks of another table that share its room */
  constructor (maxBlocks = MAX_BLOCKS, others: () => number = () => 0) {
    this.#maxBlocks = maxBlocks
    this.#others = others
  }

  get size (): number {
    return this.#size
  }

  has (multihash: Uint8Array): boolean {
    return this.#cells.get(cellOf(multihash))?.has(multihash) === true
  }

  /** `full`: there is no room for it */
  add (multihash: Uint8Array): 'added' | 'known' | 'full' {
    const added = this.#add(multihash)

    if (added === 'added') {
      this.#dirty.add(cellId(cellOf(multihash)))
    }
    return added
  }

  delete (multihash: Uint8Array): boolean {
    const cell = cellOf(multihash)
    const hashes = this.#cells.get(cell)

    if (hashes?.delete(multihash) !== true) {
      return false
    }
    if (hashes.size === 0) {
      this.#cells.delete(cell)
    }
    this.#size--
    this.#dirty.add(cellId(cell))
    return true
  }

  /** In a part of the keyspace */
  * inSlot (slot: number): Generator<Uint8Array, void, undefined> {
    for (let cell = slot * CELLS; cell < (slot + 1) * CELLS; cell++) {
      yield * this.#cells.get(cell) ?? []
    }
  }

  sweptAt (slot: number): number | undefined {
    return this.#sweptAt.get(slot)
  }

  swept (slot: number, at: number): void {
    this.#sweptAt.set(slot, at)
    this.#dirty.add(slotId(slot))
  }

  restore (stored: unknown): void {
    const { id, at, hashes } = (stored ?? {}) as { id?: unknown, at?: unknown, hashes?: unknown }
    const [kind, text = ''] = String(id).split('-')
    const number = /^\d{1,4}$/.test(text) ? Number(text) : NaN

    if (kind === 'slot' && number < SLOTS && typeof at === 'number' && Number.isFinite(at)) {
      // what was announced since the start counts
      if (!this.#sweptAt.has(number)) {
        this.#sweptAt.set(number, at)
      }
      return
    }
    if (kind !== 'cell' || !(number < SLOTS * CELLS) || !Array.isArray(hashes)) {
      throw new TypeError('Not a part of what is announced')
    }
    const known = hashes.slice(0, MAX_CELL).map(text => fromString(String(text), 'base64url'))

    if (!known.every(hash => hash.byteLength <= MAX_HASH && decode(hash).bytes.byteLength === hash.byteLength && cellOf(hash) === number)) {
      throw new TypeError('What is announced is not where it belongs')
    }
    const packed = PackedHashes.of(known)

    // a full table is read in seconds like this, and else in half a minute
    if (!this.#cells.has(number) && packed.size > 0 && this.#size + this.#others() + packed.size <= this.#maxBlocks) {
      this.#cells.set(number, packed)
      this.#size += packed.size
    } else {
      known.forEach(hash => { this.#add(hash) })
    }
  }

  settle (): void {
    // restored entries need nothing more
  }

  takeDirty (limit: number): Array<[id: string, entry: object | undefined]> {
    const taken = [...this.#dirty].slice(0, limit)
    taken.forEach(id => { this.#dirty.delete(id) })
    return taken.map(id => [id, this.#stored(id)])
  }

  giveBack (ids: readonly string[]): void {
    ids.forEach(id => { this.#dirty.add(id) })
  }

  #stored (id: string): object | undefined {
    const number = Number(id.split('-')[1])

    if (id.startsWith('slot')) {
      return { id, at: this.#sweptAt.get(number) }
    }
    const hashes = this.#cells.get(number)
    return hashes == null ? undefined : { id, hashes: [...hashes].map(hash => toString(hash, 'base64url')) }
  }

  #add (multihash: Uint8Array): 'added' | 'known' | 'full' {
    const cell = cellOf(multihash)
    const hashes = this.#cells.get(cell) ?? new PackedHashes()

    if (hashes.has(multihash)) {
      return 'known'
    }
    if (this.#size + this.#others() >= this.#maxBlocks || hashes.size >= MAX_CELL || multihash.byteLength > MAX_HASH) {
      return 'full'
    }
    hashes.add(multihash)
    this.#cells.set(cell, hashes)
    this.#size++
    return 'added'
  }
}

/** The part of the keyspace that it lies in */
export function slotOf (multihash: Uint8Array): number {
  return kadKey(multihash)[0] ?? 0
}

/** By the first twelve bits of the key; four more than name the slot */
function cellOf (multihash: Uint8Array): number {
  const [first = 0, second = 0] = kadKey(multihash)
  return first * CELLS + (second >>> 4)
}

function cellId (cell: number): string {
  return `cell-${cell}`
}

function slotId (slot: number): string {
  return `slot-${slot}`
}
