interface Ranked {
  readonly priority: number
  /** Unique: ties go to who came first */
  readonly order: number
}

/**
 * A short list by priority, best last: taking the best and appending worse ones
 * is what want-lists do, and at most a thousand entries move in a microsecond.
 */
export class PriorityList<T extends Ranked> {
  readonly #entries: T[] = []

  get size (): number {
    return this.#entries.length
  }

  get best (): T | undefined {
    return this.#entries[this.#entries.length - 1]
  }

  get worst (): T | undefined {
    return this.#entries[0]
  }

  add (entry: T): void {
    this.#entries.splice(this.#indexOf(entry), 0, entry)
  }

  takeBest (): T | undefined {
    return this.#entries.pop()
  }

  delete (entry: T): boolean {
    const index = this.#indexOf(entry)

    if (this.#entries[index] !== entry) {
      return false
    }

    this.#entries.splice(index, 1)
    return true
  }

  /** Where it is, or belongs */
  #indexOf (entry: Ranked): number {
    let low = 0
    let high = this.#entries.length

    while (low < high) {
      const middle = (low + high) >>> 1

      if (isWorse(this.#entries[middle] as T, entry)) {
        low = middle + 1
      } else {
        high = middle
      }
    }

    return low
  }
}

/** True when `a` is answered after `b` */
export function isWorse (a: Ranked, b: Ranked): boolean {
  return a.priority < b.priority || (a.priority === b.priority && a.order > b.order)
}
