import { fading } from '../worth.ts'
import { WorthLists } from '../worth-lists.ts'
import type { Expert, ExpertComponents } from './expert.ts'

/** Keeps what is worth most for the bytes it takes, as GDSF does; of blocks of one size, those asked for often and of late */
export class Worthy implements Expert {
  readonly windowShare = 1
  readonly #components: ExpertComponents
  readonly #lists = new WorthLists()
  #capacity = 0
  #used = 0

  constructor (components: ExpertComponents) {
    this.#components = components
  }

  touch (entry: number): void {
    this.#lists.push(entry, this.#components.entries.worth[entry] as number)
  }

  enter (entry: number): void {
    const size = this.#components.entries.size[entry] as number

    if (size > this.#capacity) {
      return
    }

    this.touch(entry)
    this.#used += size
    this.#components.hold(entry)
    this.#shrink()
  }

  forget (entry: number): void {
    if (this.#lists.has(entry)) {
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
    const { entries, requests } = this.#components

    while (this.#used > this.#capacity) {
      const { worth, last } = entries
      this.forget(this.#lists.least(entry => {
        return (worth[entry] as number) - fading((requests.now - (last[entry] as number)) >>> 0, requests.halfLife)
      }))
    }
  }
}
