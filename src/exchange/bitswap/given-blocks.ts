import { LRUCache } from 'lru-cache'
import type { Clock } from '../../interface/clock.ts'
import type { BlockKey } from '../../interface/provider.ts'

/** Whoever asked fetches next, from this peer or from another one */
const KEPT_FOR = 10_000
/** What peers send without being asked for it: a larger one is not small, and is asked for once more */
const MAX_BLOCK = 65_536
/** Of as many questions as are open at a time: 4 MiB at most */
const MAX_BLOCKS = 64

/** Small blocks that came in the place of a HAVE, verified, until they are fetched */
export class GivenBlocks {
  readonly #clock: Clock
  readonly #blocks = new LRUCache<string, { readonly bytes: Uint8Array, readonly until: number }>({ max: MAX_BLOCKS })

  constructor (clock: Clock) {
    this.#clock = clock
  }

  add (peer: string, key: BlockKey, bytes: Uint8Array): void {
    if (bytes.byteLength <= MAX_BLOCK) {
      this.#blocks.set(`${peer} ${key}`, { bytes, until: this.#clock.now() + KEPT_FOR })
    }
  }

  /** Each is given once */
  take (peer: string, key: BlockKey, maxBytes: number): Uint8Array | undefined {
    const given = this.#blocks.get(`${peer} ${key}`)

    if (given == null || given.bytes.byteLength > maxBytes) {
      return undefined
    }

    this.#blocks.delete(`${peer} ${key}`)
    return given.until > this.#clock.now() ? given.bytes : undefined
  }

  clear (): void {
    this.#blocks.clear()
  }
}
