/** Middle of the 31 bits that a priority has on the wire */
const MIDDLE = 2 ** 30
/** Wants of one priority that can be told apart: a thousand times as many as are out at a time */
const STEPS = 2 ** 20
const LEVELS = 511

/**
 * Priorities for one peer's want-list. Kubo serves equal ones in any order, so
 * that the first block of a file would come among the last: each want is a little less urgent than the one before.
 */
export class WirePriorities {
  #step = 0

  /** The next want's. Whole steps of ours count more than the order of writing. */
  next (priority: number): number {
    const level = Math.max(-LEVELS, Math.min(LEVELS, Math.round(priority)))
    this.#step = (this.#step + 1) % STEPS
    return MIDDLE + level * STEPS - this.#step
  }

  /** Nothing is wanted: the next is the first again */
  reset (): void {
    this.#step = 0
  }
}
