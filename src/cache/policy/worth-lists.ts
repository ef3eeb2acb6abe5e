import { NONE, SlotLists } from './slot-lists.ts'

/** Lists for each doubling of worth: of those in one, the one that nobody asked for longest is the least worthy, but for 19 % */
const PER_DOUBLING = 4
/** The worth of a block of 4 GiB that was asked for once, as a logarithm */
const LEAST = -32
/** As many as a slot can be told to be in; the last holds what was asked for a million times and takes a byte */
const LISTS = 250
const NEWCOMERS = LISTS

/**
 * Slots by worth, and within the same worth by the time of their last request, so that
 * whichever of all would be the first to go is the oldest of a list. Drawing some by lot instead was tried: where a
 * few large blocks stand among thousands of small ones, they are not drawn. Newcomers stand beside them, by the time of their last request.
 */
export class WorthLists {
  readonly #lists = new SlotLists(LISTS + 1)

  /** It was asked for, or has come, just now */
  push (slot: number, worth: number): void {
    this.#lists.push(Math.max(0, Math.min(LISTS - 1, Math.floor((worth - LEAST) * PER_DOUBLING))), slot)
  }

  /** It is not compared with the others yet */
  pushNewcomer (slot: number): void {
    this.#lists.push(NEWCOMERS, slot)
  }

  isNewcomer (slot: number): boolean {
    return this.#lists.of(slot) === NEWCOMERS
  }

  /** @returns the newcomer that was not asked for longest, or NONE */
  oldestNewcomer (): number {
    return this.#lists.oldest(NEWCOMERS)
  }

  unlink (slot: number): void {
    this.#lists.unlink(slot)
  }

  has (slot: number): boolean {
    return this.#lists.of(slot) !== NONE
  }

  /** @returns of the oldest of all lists, or of all but that of newcomers, the one with the least value, or NONE */
  leastBy (value: (slot: number) => number, { newcomers = true }: { newcomers?: boolean } = {}): number {
    const lists = newcomers ? LISTS + 1 : LISTS
    let least = Infinity
    let found = NONE

    for (let list = 0; list < lists; list++) {
      const slot = this.#lists.oldest(list)

      if (slot !== NONE) {
        const its = value(slot)

        if (its < least) {
          least = its
          found = slot
        }
      }
    }

    return found
  }
}
