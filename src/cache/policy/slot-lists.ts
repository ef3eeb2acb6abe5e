/** No slot */
export const NONE = -1

const FIRST_SLOTS = 64

/**
 * Several doubly linked lists over slots, in typed arrays: eight bytes a slot and no
 * object. A slot is in at most one list. The newest is at the front.
 */
export class SlotLists {
  #newer = new Int32Array(FIRST_SLOTS).fill(NONE)
  #older = new Int32Array(FIRST_SLOTS).fill(NONE)
  readonly #front: Int32Array
  readonly #back: Int32Array

  constructor (lists: number) {
    this.#front = new Int32Array(lists).fill(NONE)
    this.#back = new Int32Array(lists).fill(NONE)
  }

  /** Makes room for slots below this number */
  reserve (slots: number): void {
    this.#newer = grown(this.#newer, slots)
    this.#older = grown(this.#older, slots)
  }

  /** @returns the slot that has been in the list longest, or NONE */
  oldest (list: number): number {
    return this.#back[list] as number
  }

  /** @returns the one that came into the list after this one, or NONE */
  newer (slot: number): number {
    return this.#newer[slot] as number
  }

  push (list: number, slot: number): void {
    const front = this.#front[list] as number
    this.#newer[slot] = NONE
    this.#older[slot] = front

    if (front === NONE) {
      this.#back[list] = slot
    } else {
      this.#newer[front] = slot
    }

    this.#front[list] = slot
  }

  unlink (list: number, slot: number): void {
    const newer = this.#newer[slot] as number
    const older = this.#older[slot] as number

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
}

/** Doubling keeps growth O(1) amortised */
export function grown<T extends Int32Array | Uint32Array | Uint8Array> (array: T, slots: number): T {
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
