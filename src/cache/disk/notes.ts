import { kindRecord, removalRecord } from './record.ts'
import { placeKey, placeOf } from './opened-store.ts'
import { countNotes } from './segment.ts'
import type { CacheKind } from '../../interface/cache.ts'
import type { OpenedStore } from './opened-store.ts'
import type { RecordPlace } from './record.ts'

/** In one record: 32 KiB of places */
const MAX_PLACES = 4_096

/**
 * Writes down what is gone and what is of another kind now, so that it stays so
 * after a crash. While a segment is compacted a block may have two records, and
 * what is said must hold for both.
 */
export class Notes {
  readonly #store: OpenedStore
  /** Of blocks that were copied: by their new place, the old one, until its segment is gone */
  readonly originals = new Map<string, RecordPlace>()
  /** Of blocks that are being copied: by their old place, what ends when the copy is known and as it should be */
  readonly copying = new Map<string, Promise<void>>()
  /** Removed, and a fault of the disk kept it from being written down: tried again with the next */
  #owed: RecordPlace[] = []
  /** What writes down some of those, by now */
  readonly #paying = new Set<Promise<unknown>>()

  constructor (store: OpenedStore) {
    this.#store = store
  }

  /** Gone at once in the index; resolves when it stays gone */
  async remove (slots: readonly number[]): Promise<void> {
    await this.removed(this.detach(slots))
  }

  /** Records that are not in the index and may be on disk all the same: whole, behind an end that could not be cut off */
  owe (places: readonly RecordPlace[]): void {
    this.#owed.push(...places)
  }

  /** Whether there is something to `settle` */
  get owes (): boolean {
    return this.#owed.length > 0
  }

  /** Takes blocks out of the index. @returns where they were, for `removed` */
  detach (slots: readonly number[]): RecordPlace[] {
    const { blocks, index } = this.#store
    const places: RecordPlace[] = []

    for (const slot of slots) {
      if (index.has(slot)) {
        places.push(...this.#everyPlace(placeOf(index, slot)))
        blocks.remove(slot)
      }
    }
    return places
  }

  /** Says of records that they are no longer in the index, and waits for copies of them that are under way to be so, too */
  async removed (places: readonly RecordPlace[]): Promise<void> {
    const { log, nonce, blocks, reserve } = this.#store
    const owes = this.#owed.length > 0
    const all = owes ? [...this.#owed.filter(({ segment }) => blocks.segments.has(segment)), ...places] : places
    const copies = this.copying.size === 0 ? [] : places.map(async place => this.copying.get(placeKey(place)))
    const writes: Array<Promise<void>> = []

    this.#owed = []
    for (let i = 0; i < all.length; i += MAX_PLACES) {
      const some = all.slice(i, i + MAX_PLACES)
      const record = removalRecord(nonce, some)
      writes.push(reserve.spend(async () => log.append([record], segment => {
        segment.notes?.removals.push(...countNotes(segment, some))
      })).catch((err: unknown) => {
        this.#owed.push(...some)
        throw err
      }))
    }
    const written = Promise.all(writes)
    if (owes) {
      this.#paying.add(written)
      const paid = (): void => { this.#paying.delete(written) }
      written.then(paid, paid)
    }
    await Promise.all([written, ...copies])
    if (copies.length > 0 && this.owes) {
      // such a copy may have been left behind
      await this.settle()
    }
  }

  /** Resolves when nothing is owed any more: all that is gone in the index stays gone. Rejects while that cannot be written down */
  async settle (): Promise<void> {
    while (this.#paying.size > 0 || this.#owed.length > 0) {
      // whoever pays has the error; what is owed after that is tried here
      await (this.#paying.size > 0 ? Promise.allSettled(this.#paying) : this.removed([]))
    }
  }

  /** Resolves when it stays so: also in a copy that was begun with the kind as it was */
  async setKind (multihash: Uint8Array, kind: CacheKind): Promise<void> {
    const { blocks, index } = this.#store
    let copies: Array<Promise<void> | undefined> = []

    // a compaction may move the block meanwhile, once
    for (let done = false; !done;) {
      const slot = index.find(multihash)
      if (slot === -1) {
        return
      }
      const place = placeOf(index, slot)
      await this.#sayKind(multihash, kind, place, places => {
        if (blocks.isAt(slot, place.segment, place.offset)) {
          blocks.setKind(slot, kind)
          // whatever copy is begun from now on has the new kind
          copies = places.map(each => this.copying.get(placeKey(each)))
          done = true
        }
      })
    }
    await Promise.all(copies)
  }

  /** Writes down the kind of the block at `place` as it is by now, unless its record says so */
  async keepKind (multihash: Uint8Array, place: RecordPlace, said?: CacheKind): Promise<void> {
    const { blocks, index } = this.#store

    // once written again or moved it is the concern of that record
    for (let last = said, slot; (slot = index.find(multihash)) !== -1 && blocks.isAt(slot, place.segment, place.offset) && index.kind(slot) !== last;) {
      last = index.kind(slot)
      await this.#sayKind(multihash, last, place, () => {})
    }
  }

  async #sayKind (multihash: Uint8Array, kind: CacheKind, place: RecordPlace, written: (places: readonly RecordPlace[]) => void): Promise<void> {
    const { log, nonce, reserve } = this.#store
    const places = this.#everyPlace(place)

    await reserve.spend(async () => log.append([kindRecord(nonce, multihash, kind, places)], segment => {
      segment.notes?.kinds.push(...countNotes(segment, places).map(other => ({ ...other, multihash, kind })))
      written(places)
    }))
  }

  /** A segment is gone, and its records with it */
  forget (segment: number): void {
    for (const [key, original] of this.originals) {
      if (original.segment === segment) {
        // its own original may still be there, when that segment could not be given back
        const before = this.originals.get(placeKey(original))
        if (before == null) {
          this.originals.delete(key)
        } else {
          this.originals.set(key, before)
        }
      }
    }
    for (const key of this.originals.keys()) {
      if (key.startsWith(`${segment}:`)) {
        this.originals.delete(key)
      }
    }
  }

  #everyPlace (place: RecordPlace): RecordPlace[] {
    const places: RecordPlace[] = []

    for (let at: RecordPlace | undefined = place; at != null; at = this.originals.get(placeKey(at))) {
      places.push(at)
    }
    return places
  }
}
