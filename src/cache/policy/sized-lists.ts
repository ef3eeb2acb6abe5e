import { NONE, SlotLists } from './slot-lists.ts'
import type { Entries } from './entries.ts'

/** Lists of entries that know what their entries take */
export class SizedLists extends SlotLists {
  readonly #entries: Entries
  readonly #bytes: Float64Array

  constructor (lists: number, entries: Entries) {
    super(lists)
    this.#entries = entries
    this.#bytes = new Float64Array(lists)
  }

  bytes (list: number): number {
    return this.#bytes[list] as number
  }

  /** The entry leaves the list that it was in by `unlink` */
  override push (list: number, entry: number): void {
    super.push(list, entry)
    this.#bytes[list] = this.bytes(list) + (this.#entries.size[entry] as number)
  }

  override unlink (entry: number): void {
    const list = this.of(entry)

    if (list !== NONE) {
      this.#bytes[list] = this.bytes(list) - (this.#entries.size[entry] as number)
      super.unlink(entry)
    }
  }
}
