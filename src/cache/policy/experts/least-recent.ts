import { NONE, SlotLists } from '../slot-lists.ts'
import type { Expert, ExpertComponents } from './expert.ts'

const ALL = 0

/** Keeps what was asked for last (LRU): the one that the others have to beat */
export class LeastRecent implements Expert {
  readonly windowShare = 1
  readonly #components: ExpertComponents
  readonly #lists = new SlotLists(1)
  #capacity = 0
  #used = 0

  constructor (components: ExpertComponents) {
    this.#components = components
  }

  touch (entry: number): void {
    this.#lists.push(ALL, entry)
  }

  enter (entry: number): void {
    const size = this.#components.entries.size[entry] as number

    if (size > this.#capacity) {
      return
    }

    this.#lists.push(ALL, entry)
    this.#used += size
    this.#components.hold(entry)
    this.#shrink()
  }

  forget (entry: number): void {
    if (this.#lists.of(entry) !== NONE) {
      this.#lists.unlink(entry)
      this.#used -= this.#components.entries.size[entry] as number
      this.#components.release(entry)
    }
  }

  resize (capacity: number): void {
    this.#capacity = capacity
    this.#shrink()
  }

  #shrink (): void {
    while (this.#used > this.#capacity) {
      this.forget(this.#lists.oldest(ALL))
    }
  }
}
