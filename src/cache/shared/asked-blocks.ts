import { LRUCache } from 'lru-cache'

interface Asked {
  times: number
  /** Until when it is taken to be there; on the clock's scale */
  heldUntil: number
}

/** What is asked for again after this many other blocks is not hot; about 3 MB when full */
const MAX_ASKED = 16_384

/** How often blocks were asked for here, as far back as it remembers, and which of them the shared cache has */
export class AskedBlocks {
  readonly #blocks = new LRUCache<string, Asked>({ max: MAX_ASKED })

  /** Asked for once more. @returns how often that makes */
  count (key: string): number {
    const asked = this.#blocks.get(key)
    if (asked == null) {
      this.#blocks.set(key, { times: 1, heldUntil: -Infinity })
      return 1
    }
    return ++asked.times
  }

  isHeld (key: string, now: number): boolean {
    return (this.#blocks.peek(key)?.heldUntil ?? -Infinity) > now
  }

  held (key: string, until: number): void {
    const asked = this.#blocks.get(key)
    if (asked == null) {
      this.#blocks.set(key, { times: 0, heldUntil: until })
    } else {
      asked.heldUntil = until
    }
  }

  missing (key: string): void {
    const asked = this.#blocks.peek(key)
    if (asked != null) {
      asked.heldUntil = -Infinity
    }
  }
}
