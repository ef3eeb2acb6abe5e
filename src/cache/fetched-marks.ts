import type { Clock } from '../interface/clock.ts'

/**
 * For how long an array is taken for fetched, in ms. Its put follows at once, but for a disk that is asked before
 * whether it has the block, which is given less than this
 */
export const MARK_TIME = 30_000

interface Mark {
  readonly times: number
  readonly until: number
}

/** How many puts to come each array was fetched for; a put that never came must not be laid to whoever has the array later */
export class FetchedMarks {
  readonly #clock: Clock
  readonly #marks = new WeakMap<Uint8Array, Mark>()

  constructor (clock: Clock) {
    this.#clock = clock
  }

  add (bytes: Uint8Array): void {
    this.#marks.set(bytes, { times: this.#times(bytes) + 1, until: this.#clock.now() + MARK_TIME })
  }

  /** Whether a mark may be there */
  has (bytes: Uint8Array): boolean {
    return this.#marks.has(bytes)
  }

  /** Whether the array was marked; a mark is good for one put */
  take (bytes: Uint8Array): boolean {
    const mark = this.#marks.get(bytes)

    if (mark == null) {
      return false
    }
    const times = this.#times(bytes)

    if (times > 1) {
      this.#marks.set(bytes, { times: times - 1, until: mark.until })
    } else {
      this.#marks.delete(bytes)
    }
    return times > 0
  }

  #times (bytes: Uint8Array): number {
    const mark = this.#marks.get(bytes)
    return mark == null || mark.until <= this.#clock.now() ? 0 : mark.times
  }
}
