import { trimmed } from './trimmed.ts'
import type { CacheKey } from './key.ts'
import type { Clock } from '../interface/clock.ts'

/** What an entry takes besides the block's bytes: its array, its key, its place in a map */
const ENTRY_OVERHEAD = 512

interface Passing {
  readonly bytes: Uint8Array
  until: number
}

export interface TransitInit {
  readonly clock: Clock
  readonly maxBytes: number
  /** For how long what is held can be read, in ms */
  readonly time: number
}

/**
 * Blocks that are not kept, in memory until nobody can count on them any more. All are held for the same time, so they
 * end in the order in which they came.
 */
export class Transit {
  readonly #clock: Clock
  readonly #maxBytes: number
  readonly #time: number
  readonly #passing = new Map<CacheKey, Passing>()
  #bytes = 0
  #cancel?: () => void

  constructor ({ clock, maxBytes, time }: TransitInit) {
    this.#clock = clock
    this.#maxBytes = maxBytes
    this.#time = time
  }

  /** Overhead included */
  get bytes (): number {
    return this.#bytes
  }

  get isEmpty (): boolean {
    return this.#passing.size === 0
  }

  /** Where nothing is held there is room, whatever comes: nobody is refused for ever */
  fits (size: number): boolean {
    return this.#passing.size === 0 || this.#bytes + size + ENTRY_OVERHEAD <= this.#maxBytes
  }

  get (key: CacheKey): Uint8Array | undefined {
    return this.#passing.get(key)?.bytes
  }

  /** Held from now on, also when it was before: whether there is room is for the caller to ask */
  hold (key: CacheKey, bytes: Uint8Array): void {
    this.delete(key)
    this.#passing.set(key, { bytes: trimmed(bytes), until: this.#clock.now() + this.#time })
    this.#bytes += bytes.byteLength + ENTRY_OVERHEAD
    this.#cancel ??= this.#clock.schedule(this.#time, () => { this.#expire() })
  }

  delete (key: CacheKey): void {
    const passing = this.#passing.get(key)

    if (passing != null) {
      this.#passing.delete(key)
      this.#bytes -= passing.bytes.byteLength + ENTRY_OVERHEAD
    }
  }

  clear (): void {
    this.#cancel?.()
    this.#cancel = undefined
    this.#passing.clear()
    this.#bytes = 0
  }

  #expire (): void {
    const now = this.#clock.now()
    this.#cancel = undefined

    for (const [key, { until }] of this.#passing) {
      if (until > now) {
        this.#cancel = this.#clock.schedule(until - now, () => { this.#expire() })
        return
      }
      this.delete(key)
    }
  }
}
