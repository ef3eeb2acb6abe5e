import type { CacheKind } from '../../interface/cache.ts'
import type { RecordPlace } from './record.ts'

/** What later segments say about blocks of earlier ones */
export class Marks {
  readonly #ids: ReadonlySet<number>
  readonly #removed = new Map<number, Set<number>>()
  readonly #kinds = new Map<number, Map<number, CacheKind>>()

  constructor (ids: Iterable<number>) {
    this.#ids = new Set(ids)
  }

  has (segment: number): boolean {
    return this.#ids.has(segment)
  }

  remove ({ segment, offset }: RecordPlace): void {
    let offsets = this.#removed.get(segment)
    if (offsets == null) {
      this.#removed.set(segment, offsets = new Set())
    }
    offsets.add(offset)
  }

  isRemoved ({ segment, offset }: RecordPlace): boolean {
    return this.#removed.get(segment)?.has(offset) === true
  }

  /** The last word counts, and is met first */
  setKinds (notes: Iterable<RecordPlace & { kind: CacheKind }>): void {
    const latest = new Map<string, RecordPlace & { kind: CacheKind }>()

    for (const note of notes) {
      latest.set(`${note.segment}:${note.offset}`, note)
    }
    for (const { segment, offset, kind } of latest.values()) {
      let kinds = this.#kinds.get(segment)
      if (kinds == null) {
        this.#kinds.set(segment, kinds = new Map())
      }
      if (!kinds.has(offset)) {
        kinds.set(offset, kind)
      }
    }
  }

  /** Of one segment, which is met only once */
  take (segment: number): { removed: ReadonlySet<number>, kinds: ReadonlyMap<number, CacheKind> } {
    const taken = { removed: this.#removed.get(segment) ?? new Set<number>(), kinds: this.#kinds.get(segment) ?? new Map<number, CacheKind>() }
    this.#removed.delete(segment)
    this.#kinds.delete(segment)
    return taken
  }
}
