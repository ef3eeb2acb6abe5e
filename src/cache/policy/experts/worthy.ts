import { grown } from '../slot-lists.ts'
import { fading } from '../worth.ts'
import type { Expert, ExpertComponents } from './expert.ts'

const FIRST_ENTRIES = 64

/** Drawn for an eviction, of which the least worthy goes: 32 lost 1 % of the hits of 64, 128 won 0.3 % */
const DRAWN = 64

/** Keeps what is worth most for the bytes it takes, as GDSF does; of blocks of one size, those asked for often and of late */
export class Worthy implements Expert {
  readonly windowShare = 1
  readonly #components: ExpertComponents
  /** Those kept, in no order, and where in it each is */
  #kept = new Int32Array(FIRST_ENTRIES)
  #place = new Int32Array(FIRST_ENTRIES)
  #count = 0
  #capacity = 0
  #used = 0

  constructor (components: ExpertComponents) {
    this.#components = components
  }

  touch (): void {}

  enter (entry: number): void {
    const size = this.#components.entries.size[entry] as number

    if (size > this.#capacity) {
      return
    }

    this.#kept = grown(this.#kept, this.#count + 1)
    this.#place = grown(this.#place, entry + 1)
    this.#kept[this.#count] = entry
    this.#place[entry] = this.#count
    this.#count++
    this.#used += size
    this.#components.hold(entry)
    this.#shrink()
  }

  forget (entry: number): void {
    const place = this.#place[entry] ?? 0

    if (place < this.#count && this.#kept[place] === entry) {
      this.#count--
      const last = this.#kept[this.#count] as number
      this.#kept[place] = last
      this.#place[last] = place
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
      this.forget(this.#leastWorthy())
    }
  }

  #leastWorthy (): number {
    const { entries, random, requests } = this.#components
    const { worth, last } = entries
    const all = this.#count <= DRAWN
    const draws = all ? this.#count : DRAWN
    let least = Infinity
    let found = 0

    for (let i = 0; i < draws; i++) {
      const entry = this.#kept[all ? i : Math.floor(random.next() * this.#count)] as number
      const value = (worth[entry] as number) - fading((requests.now - (last[entry] as number)) >>> 0, requests.halfLife)

      if (value < least) {
        least = value
        found = entry
      }
    }

    return found
  }
}
