import { seededRandom } from '../../../src/clock/random.ts'
import type { Random } from '../../../src/interface/clock.ts'

/**
 * Dice of one seed. Whoever decides something has dice of his own (`of`), so that
 * what one of them decides does not depend on who else was faster.
 */
export class Dice {
  readonly #seed: number
  readonly #random: Random

  constructor (seed: number) {
    this.#seed = seed
    this.#random = seededRandom(seed)
  }

  /** Those of somebody, by name: the same whenever they are asked for */
  of (name: string): Dice {
    let seed = this.#seed ^ 0x811c9dc5

    for (let i = 0; i < name.length; i++) {
      seed = Math.imul(seed ^ name.charCodeAt(i), 0x01000193)
    }
    // names that differ in their last letter are to have nothing in common
    return new Dice(Math.floor(seededRandom(seed).next() * 2 ** 32))
  }

  next (): number {
    return this.#random.next()
  }

  below (count: number): number {
    return Math.floor(this.next() * count)
  }

  chance (share: number): boolean {
    return this.next() < share
  }

  pick<T> (list: readonly T[]): T {
    return list[this.below(list.length)] as T
  }

  some<T> (list: readonly T[], count: number): T[] {
    return [...list].map(value => ({ value, at: this.next() })).sort((a, b) => a.at - b.at).slice(0, count).map(({ value }) => value)
  }

  bytes (count: number): Uint8Array {
    return Uint8Array.from({ length: count }, () => this.below(256))
  }
}
