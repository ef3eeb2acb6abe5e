/** Before anybody was asked: a fourth of the entries of the public DHT's tables gives no answer, give or take; as much as a first lookup asks outweighs it */
const EXPECTED = { answered: 15, silent: 5 }
/** Newcomers whose fate counts: a large network shows as many in a few lookups, a change of network is forgotten as soon */
const MEMORY = 128

export interface NewcomersJSON {
  answered: number
  silent: number
}

/** How many of those who were asked for the first time were never heard of: that many of the entries that others name are dead */
export class Newcomers {
  #answered = EXPECTED.answered
  #silent = EXPECTED.silent

  /** From 0 to 1 */
  get silentShare (): number {
    return this.#silent / (this.#answered + this.#silent)
  }

  /** @param before - it was counted as silent */
  answered (before: boolean): void {
    if (before) {
      this.#silent = Math.max(0, this.#silent - 1)
    }
    this.#answered++
    this.#forget()
  }

  silent (count: number): void {
    this.#silent += count
    this.#forget()
  }

  toJSON (): NewcomersJSON {
    return { answered: this.#answered, silent: this.#silent }
  }

  /**
   * Takes in what `toJSON` gave, to what was learnt since and what is expected of strangers.
   *
   * @returns 1 for what makes no sense, and is passed over
   */
  restore (value: unknown): number {
    if (value == null) {
      return 0
    }
    const { answered, silent } = value as Partial<Record<keyof NewcomersJSON, unknown>>

    if (!isCount(answered) || !isCount(silent)) {
      return 1
    }
    this.#answered += answered
    this.#silent += silent
    this.#forget()
    return 0
  }

  #forget (): void {
    const all = this.#answered + this.#silent

    if (all > MEMORY) {
      this.#answered *= MEMORY / all
      this.#silent *= MEMORY / all
    }
  }
}

function isCount (value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && value <= MEMORY
}
