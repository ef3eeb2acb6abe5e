import type { Expert, ExpertComponents } from './expert.ts'

/** Entries in some order */
export interface Ranking {
  /** It was asked for, or has come, just now */
  push (entry: number): void
  unlink (entry: number): void
  has (entry: number): boolean
  /** @returns the one that should go before all others */
  first (): number
}

/** Keeps as much as fits, and lets those go that are first in some order */
export class Ranked implements Expert {
  readonly windowShare = 1
  readonly #components: ExpertComponents
  readonly #ranking: Ranking
  #capacity = 0
  #used = 0

  constructor (components: ExpertComponents, ranking: Ranking) {
    this.#components = components
    this.#ranking = ranking
  }

  touch (entry: number): void {
    this.#ranking.push(entry)
  }

  enter (entry: number): void {
    const size = this.#components.entries.size[entry] as number

    if (size > this.#capacity) {
      return
    }

    this.#ranking.push(entry)
    this.#used += size
    this.#components.hold(entry)
    this.#shrink()
  }

  forget (entry: number): void {
    if (this.#ranking.has(entry)) {
      this.#ranking.unlink(entry)
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
      this.forget(this.#ranking.first())
    }
  }
}
