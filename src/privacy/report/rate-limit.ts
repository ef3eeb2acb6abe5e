import type { Clock } from '../../interface/clock.ts'

interface Bucket {
  /** What is left */
  left: number
  /** When it was, on the monotonic clock */
  at: number
}

/** A minute: what limits of requests are counted in */
const PERIOD = 60_000

/** Not a key that anybody has: they are texts without spaces */
const OTHERS = ' others'

/**
 * So many a minute for each key, all of them at once where nothing came before. Keeps `maxKeys` of them, and none is forgotten
 * before it has all again: keys beyond these share what one has, so that nobody gets more by having more keys.
 */
export class RateLimit {
  readonly #clock: Pick<Clock, 'now'>
  readonly #perMinute: number
  readonly #maxKeys: number
  readonly #buckets = new Map<string, Bucket>()

  constructor (clock: Pick<Clock, 'now'>, { perMinute, maxKeys }: { perMinute: number, maxKeys: number }) {
    this.#clock = clock
    this.#perMinute = perMinute
    this.#maxKeys = maxKeys
  }

  /** Keys that are remembered */
  get size (): number {
    return this.#buckets.size
  }

  /** Milliseconds until there is one again; 0 when there is one now, which is not taken */
  wait (key: string): number {
    const { left } = this.#bucket(this.#kept(key))
    return left >= 1 ? 0 : Math.ceil((1 - left) * PERIOD / this.#perMinute)
  }

  take (key: string): void {
    const kept = this.#kept(key)
    const bucket = this.#bucket(kept)
    bucket.left = Math.max(0, bucket.left - 1)
    this.#buckets.delete(kept)
    this.#buckets.set(kept, bucket)
  }

  /** Under which key it is counted: its own where that is known, or where there is room for it */
  #kept (key: string): string {
    if (this.#buckets.has(key)) {
      return key
    }
    const [oldest = ''] = this.#buckets.keys()

    // the one that was taken from longest ago is the likeliest to have all again, and to forget it changes nothing then
    if (!this.#hasRoom && this.#bucket(oldest).left >= this.#perMinute) {
      this.#buckets.delete(oldest)
    }
    return this.#hasRoom ? key : OTHERS
  }

  /** One place is for those who share */
  get #hasRoom (): boolean {
    return this.#buckets.size < this.#maxKeys - (this.#buckets.has(OTHERS) ? 0 : 1)
  }

  #bucket (key: string): Bucket {
    const now = this.#clock.now()
    const { left, at } = this.#buckets.get(key) ?? { left: this.#perMinute, at: now }
    return { left: Math.min(this.#perMinute, left + (now - at) * this.#perMinute / PERIOD), at: now }
  }
}
