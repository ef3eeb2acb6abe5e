import { NONE, SlotLists } from '../slot-lists.ts'
import type { Expert, ExpertComponents } from './expert.ts'

const WINDOW = 0
const PROBATION = 1
const PROTECTED = 2

/** Newcomers need room to be asked for a second time; a hundredth is what W-TinyLFU was published with */
const WINDOW_SHARE = 0.01
/** Of the main part, for what was asked for again while in it: the share of segmented LRU */
const PROTECTED_SHARE = 0.8

/**
 * Keeps what is asked for most often (W-TinyLFU): whoever leaves the window gets into the
 * main part if it was asked for more often than all those together that would have to go.
 */
export class Frequent implements Expert {
  readonly windowShare = WINDOW_SHARE
  readonly #components: ExpertComponents
  readonly #lists = new SlotLists(3)
  readonly #bytes = [0, 0, 0]
  #capacity = 0

  constructor (components: ExpertComponents) {
    this.#components = components
  }

  touch (entry: number): void {
    if (this.#lists.of(entry) === WINDOW) {
      this.#move(entry, WINDOW)
      return
    }

    this.#move(entry, PROTECTED)
    this.#demote()
  }

  enter (entry: number): void {
    const { entries, hold } = this.#components

    if ((entries.size[entry] as number) > this.#capacity) {
      return
    }

    this.#move(entry, WINDOW)
    hold(entry)
    this.#shrink()
  }

  forget (entry: number): void {
    const list = this.#lists.of(entry)

    if (list !== NONE) {
      this.#take(entry, list)
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
    return (this.#bytes[WINDOW] as number) + (this.#bytes[PROBATION] as number) + (this.#bytes[PROTECTED] as number) - this.#capacity
  }

  #demote (): void {
    const most = this.#capacity * (1 - WINDOW_SHARE) * PROTECTED_SHARE

    while ((this.#bytes[PROTECTED] as number) > most) {
      this.#move(this.#lists.oldest(PROTECTED), PROBATION)
    }
  }

  #shrink (): void {
    const most = this.#capacity * WINDOW_SHARE

    // A window of less than one entry would not be one
    while ((this.#bytes[WINDOW] as number) > most && (this.#excess > 0 || this.#lists.newer(this.#lists.oldest(WINDOW)) !== NONE)) {
      const candidate = this.#lists.oldest(WINDOW)

      if (this.#excess > 0) {
        this.#compete(candidate)
      } else {
        this.#move(candidate, PROBATION)
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

    this.#move(candidate, PROBATION)
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

  #move (entry: number, list: number): void {
    const before = this.#lists.of(entry)

    if (before !== NONE) {
      this.#take(entry, before)
    }

    this.#bytes[list] = (this.#bytes[list] as number) + (this.#components.entries.size[entry] as number)
    this.#lists.push(list, entry)
  }

  #take (entry: number, list: number): void {
    this.#bytes[list] = (this.#bytes[list] as number) - (this.#components.entries.size[entry] as number)
  }
}
