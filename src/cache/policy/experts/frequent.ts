import { SizedLists } from '../sized-lists.ts'
import { NONE } from '../slot-lists.ts'
import type { Expert, ExpertComponents } from './expert.ts'

const WINDOW = 0
const PROBATION = 1
const PROTECTED = 2

/** Newcomers need room to be asked for a second time; a hundredth is what W-TinyLFU was published with */
export const WINDOW_SHARE = 0.01
/** Of the main part, for what was asked for again while in it: the share of segmented LRU */
const PROTECTED_SHARE = 0.8

/**
 * Keeps what is asked for most often (W-TinyLFU): whoever leaves the window gets into the
 * main part if it was asked for more often than all those together that would have to go.
 */
export class Frequent implements Expert {
  readonly windowShare = WINDOW_SHARE
  readonly #components: ExpertComponents
  readonly #lists: SizedLists
  #capacity = 0

  constructor (components: ExpertComponents) {
    this.#components = components
    this.#lists = new SizedLists(3, components.entries)
  }

  touch (entry: number): void {
    if (this.#lists.of(entry) === WINDOW) {
      this.#lists.push(WINDOW, entry)
      return
    }

    this.#lists.push(PROTECTED, entry)
    this.#demote()
  }

  enter (entry: number): void {
    const { entries, hold } = this.#components

    if ((entries.size[entry] as number) > this.#capacity) {
      return
    }

    this.#lists.push(WINDOW, entry)
    hold(entry)
    this.#shrink()
  }

  forget (entry: number): void {
    if (this.#lists.of(entry) !== NONE) {
      this.#lists.unlink(entry)
      this.#components.release(entry)
    }
  }

  resize (capacity: number): void {
    this.#capacity = capacity
    this.#demote()
    this.#shrink()
  }

  get #excess (): number {
    return this.#lists.bytes(WINDOW) + this.#lists.bytes(PROBATION) + this.#lists.bytes(PROTECTED) - this.#capacity
  }

  #demote (): void {
    const most = this.#capacity * (1 - WINDOW_SHARE) * PROTECTED_SHARE

    while (this.#lists.bytes(PROTECTED) > most) {
      this.#lists.push(PROBATION, this.#lists.oldest(PROTECTED))
    }
  }

  #shrink (): void {
    const most = this.#capacity * WINDOW_SHARE

    // A window of less than one entry would not be one
    while (this.#lists.bytes(WINDOW) > most && (this.#excess > 0 || this.#lists.newer(this.#lists.oldest(WINDOW)) !== NONE)) {
      const candidate = this.#lists.oldest(WINDOW)

      if (this.#excess > 0) {
        this.#compete(candidate)
      } else {
        this.#lists.push(PROBATION, candidate)
      }
    }

    while (this.#excess > 0) {
      this.forget(this.#victim(NONE))
    }
  }

  #compete (candidate: number): void {
    const { entries, sketch } = this.#components
    const frequency = sketch.estimate(entries.hash[candidate] as number)
    const excess = this.#excess
    const victims: number[] = []
    let freed = 0
    let theirs = 0
    let victim = this.#victim(NONE)

    while (freed < excess && theirs < frequency && victim !== NONE) {
      theirs += sketch.estimate(entries.hash[victim] as number)
      freed += entries.size[victim] as number
      victims.push(victim)
      victim = this.#victim(victim)
    }

    if (freed < excess || theirs >= frequency) {
      this.forget(candidate)
      return
    }

    for (const loser of victims) {
      this.forget(loser)
    }

    this.#lists.push(PROBATION, candidate)
  }

  /** @returns the one of the main part that would go after this one, or NONE */
  #victim (after: number): number {
    if (after === NONE) {
      const first = this.#lists.oldest(PROBATION)
      return first === NONE ? this.#lists.oldest(PROTECTED) : first
    }

    const next = this.#lists.newer(after)
    return next === NONE && this.#lists.of(after) === PROBATION ? this.#lists.oldest(PROTECTED) : next
  }
}
