import type { LateBlocks } from './late-blocks.ts'
import type { Unfinished } from './network.ts'

/**
 * Blocks that may arrive beside those that are wanted because a CANCEL crossed
 * them: which is which only the hash tells, and none of the wanted ones may be
 * taken for too many
 */
const MAX_CROSSING = 8

/** Accepted blocks of one peer that are not complete: no more than are wanted of their kind */
export class UnfinishedBlocks {
  readonly #late: LateBlocks
  readonly #kinds = new Map<Unfinished, string>()

  constructor (late: LateBlocks) {
    this.#late = late
  }

  /** May another one be read while so many are wanted? */
  admits (kind: string, wanted: number): boolean {
    const count = this.#count(kind)
    return count < wanted || count < this.#limit(kind, wanted)
  }

  add (unfinished: Unfinished, kind: string): void {
    this.#kinds.set(unfinished, kind)
  }

  delete (unfinished: Unfinished): void {
    this.#kinds.delete(unfinished)
  }

  /** So many are wanted now: drops what nothing backs any more, the newest first; returns whether there was any */
  trim (kind: string, wanted: number): boolean {
    let over = this.#count(kind)
    over -= over <= wanted ? over : this.#limit(kind, wanted)

    if (over <= 0) {
      return false
    }

    for (const [unfinished, other] of [...this.#kinds].reverse()) {
      if (other === kind && over-- > 0) {
        this.#kinds.delete(unfinished)
        unfinished.drop()
      }
    }

    return true
  }

  #count (kind: string): number {
    let count = 0

    for (const other of this.#kinds.values()) {
      count += other === kind ? 1 : 0
    }

    return count
  }

  #limit (kind: string, wanted: number): number {
    return wanted === 0 ? 0 : wanted + this.#late.crossing(kind, MAX_CROSSING)
  }
}
