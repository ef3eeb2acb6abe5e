/** No slot */
export const NONE = -1

const FIRST_SLOTS = 64
/** Lists that a byte tells apart from none */
const FEW = 255

/**
 * Several doubly linked lists over slots, in typed arrays: nine bytes a slot, ten with many lists, and no
 * object. A slot is in at most one list. The newest is at the front.
 */
export class SlotLists {
  #newer = new Int32Array(FIRST_SLOTS)
  #older = new Int32Array(FIRST_SLOTS)
  #list: Uint8Array<ArrayBuffer> | Uint16Array<ArrayBuffer>
  readonly #front: Int32Array
  readonly #back: Int32Array

  constructor (lists: number) {
    // One more than the list, so that zero is none
    this.#list = lists < FEW ? new Uint8Array(FIRST_SLOTS) : new Uint16Array(FIRST_SLOTS)
    this.#front = new Int32Array(lists).fill(NONE)
    this.#back = new Int32Array(lists).fill(NONE)
  }

  /** @returns the list that the slot is in, or NONE */
  of (slot: number): number {
    return (this.#list[slot] ?? 0) - 1
  }

  /** @returns the slot that came into the list first, or NONE */
  oldest (list: number): number {
    return this.#back[list] as number
  }

  /** @returns the one that came into the list after this one, or NONE */
  newer (slot: number): number {
    return this.#newer[slot] as number
  }

  /** To the front of a list, from wherever it was */
  push (list: number, slot: number): void {
    this.unlink(slot)
    this.#reserve(slot + 1)
    const front = this.#front[list] as number
    this.#list[slot] = list + 1
    this.#newer[slot] = NONE
    this.#older[slot] = front

    if (front === NONE) {
      this.#back[list] = slot
    } else {
      this.#newer[front] = slot
    }

    this.#front[list] = slot
  }

  /** To the back of a list */
  pushOldest (list: number, slot: number): void {
    this.unlink(slot)
    this.#reserve(slot + 1)
    const back = this.#back[list] as number
    this.#list[slot] = list + 1
    this.#older[slot] = NONE
    this.#newer[slot] = back

    if (back === NONE) {
      this.#front[list] = slot
    } else {
      this.#older[back] = slot
    }

    this.#back[list] = slot
  }

  unlink (slot: number): void {
    const list = this.of(slot)

    if (list === NONE) {
      return
    }

    const newer = this.#newer[slot] as number
    const older = this.#older[slot] as number
    this.#list[slot] = 0

    if (newer === NONE) {
      this.#front[list] = older
    } else {
      this.#older[newer] = older
    }

    if (older === NONE) {
      this.#back[list] = newer
    } else {
      this.#newer[older] = newer
    }
  }

  #reserve (slots: number): void {
    if (slots > this.#list.length) {
      this.#newer = grown(this.#newer, slots)
      this.#older = grown(this.#older, slots)
      this.#list = grown(this.#list, slots)
    }
  }
}

type SlotArray = Int32Array<ArrayBuffer> | Uint32Array<ArrayBuffer> | Uint16Array<ArrayBuffer> | Uint8Array<ArrayBuffer> | Float32Array<ArrayBuffer>

/** Doubling keeps growth O(1) amortised */
export function grown<T extends SlotArray> (array: T, slots: number): T {
  if (slots <= array.length) {
    return array
  }

  let length = array.length
  while (length < slots) {
    length *= 2
  }

  const larger = new (array.constructor as new (length: number) => T)(length)
  larger.set(array)
  return larger
}
