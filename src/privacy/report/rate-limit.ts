import type { Clock } from '../../interface/clock.ts'

interface Bucket {
  /** What is left */
  left: number
  /** When it was, on the monotonic clock */
  at: number
}

/** A minute: what limits of requests are counted in */
const PERIOD = 60_000

/** So many a minute for each key, all of them at once where nothing came before. Keeps at most `maxKeys`, the newest. */
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
    const { left } = this.#bucket(key)
    return left >= 1 ? 0 : Math.ceil((1 - left) * PERIOD / this.#perMinute)
  }

  take (key: string): void {
    const bucket = this.#bucket(key)
    bucket.left = Math.max(0, bucket.left - 1)
    this.#buckets.delete(key)
    this.#buckets.set(key, bucket)

    if (this.#buckets.size > this.#maxKeys) {
      const [oldest = ''] = this.#buckets.keys()
      this.#buckets.delete(oldest)
    }
  }

  #bucket (key: string): Bucket {
    const now = this.#clock.now()
    const { left, at } = this.#buckets.get(key) ?? { left: this.#perMinute, at: now }
    return { left: Math.min(this.#perMinute, left + (now - at) * this.#perMinute / PERIOD), at: now }
  }
}
