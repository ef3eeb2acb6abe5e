import type { CacheKey } from './key.ts'

/** What changes one block happens one after the other, in the order of the calls; what changes another one does not wait for it */
export class Mutations {
  readonly #last = new Map<CacheKey, Promise<unknown>>()

  /** Whether nothing is being done with any block */
  get isIdle (): boolean {
    return this.#last.size === 0
  }

  /** Whether something is being done with the block, so that what comes next has to wait */
  isBusy (key: CacheKey): boolean {
    return this.#last.has(key)
  }

  /** What is over in the turn in which it began is not waited for */
  run<T> (key: CacheKey, change: () => Promise<T>): Promise<T>
  run<T> (key: CacheKey, change: () => T | Promise<T>): T | Promise<T>
  run<T> (key: CacheKey, change: () => T | Promise<T>): T | Promise<T> {
    const before = this.#last.get(key)
    const turn = before == null ? change() : before.then(change, change)

    if (!(turn instanceof Promise)) {
      return turn
    }
    const over = (): void => {
      if (this.#last.get(key) === turn) {
        this.#last.delete(key)
      }
    }
    this.#last.set(key, turn)
    turn.then(over, over)
    return turn
  }

  /** Resolves when all that was begun is over, however it ended */
  async settled (): Promise<void> {
    while (this.#last.size > 0) {
      await Promise.allSettled(this.#last.values())
    }
  }
}
