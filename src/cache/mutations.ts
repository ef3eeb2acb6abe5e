import type { CacheKey } from './key.ts'

/** What changes one block happens one after the other, in the order of the calls; what changes another one does not wait for it */
export class Mutations {
  readonly #last = new Map<CacheKey, Promise<unknown>>()

  async run<T> (key: CacheKey, change: () => Promise<T>): Promise<T> {
    const before = this.#last.get(key)
    const turn = before == null ? change() : before.then(change, change)
    this.#last.set(key, turn)

    try {
      return await turn
    } finally {
      if (this.#last.get(key) === turn) {
        this.#last.delete(key)
      }
    }
  }

  /** Resolves when all that was begun is over, however it ended */
  async settled (): Promise<void> {
    while (this.#last.size > 0) {
      await Promise.allSettled(this.#last.values())
    }
  }
}
