import { LRUCache } from 'lru-cache'

/** Readers remembered: those that read at the same time, and some that never said they were done */
const MAX_READERS = 10_000

/** Loads that count: two windows of a reader that has just begun. What was before them says little about the rest. */
const RECENT = 32

/** This many times more found than missing: then fetching what is missing alone is less work for everybody */
const MOST = 2

/** A few found say nothing: the nodes on the way, a file begun once */
const LEAST_FOUND = 8

interface Tally {
  found: number
  missing: number
}

/** How much of what each reader came to was here already, lately */
export class PresentParts {
  readonly #tallies = new LRUCache<string, Tally>({ max: MAX_READERS })

  /** True when misses are rare: this one is a hole */
  missed (reader: string): boolean {
    const tally = this.#tally(reader)
    tally.missing++
    this.#age(tally)
    return tally.found > LEAST_FOUND && tally.found > tally.missing
  }

  /** True when most is here */
  found (reader: string): boolean {
    const tally = this.#tally(reader)
    tally.found++
    this.#age(tally)
    return tally.found > LEAST_FOUND + MOST * tally.missing
  }

  forget (reader: string): void {
    this.#tallies.delete(reader)
  }

  clear (): void {
    this.#tallies.clear()
  }

  #tally (reader: string): Tally {
    const tally = this.#tallies.get(reader) ?? { found: 0, missing: 0 }
    this.#tallies.set(reader, tally)
    return tally
  }

  #age (tally: Tally): void {
    if (tally.found + tally.missing > RECENT) {
      tally.found /= 2
      tally.missing /= 2
    }
  }
}
