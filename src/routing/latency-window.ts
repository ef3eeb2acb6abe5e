/** Blocks of one class take about the same time to the first byte; ten times the size does not */
export type SizeClass = 0 | 1 | 2

export function sizeClass (bytes: number): SizeClass {
  return bytes <= 32_768 ? 0 : bytes <= 393_216 ? 1 : 2
}

/** 200 attempts: a 90th percentile rests on twenty, and a new regime fills half of it in a hundred */
export const DEFAULT_WINDOW = 200

/** Sorting is the cost: the order is refreshed once per this many samples */
const REFRESH = 8

/** A 90th percentile of fewer samples is the luck of two of them */
const LEAST = 20

/** The most recent attempts over all providers: what is usual right now */
export class LatencyWindow {
  readonly #size: number
  readonly #samples: Float64Array
  #count = 0
  #sorted: Float64Array = new Float64Array(0)
  #sortedAt = -1

  constructor (size = DEFAULT_WINDOW) {
    this.#size = size
    this.#samples = new Float64Array(size)
  }

  get count (): number {
    return Math.min(this.#count, this.#size)
  }

  /** Milliseconds to the first byte; for an attempt given up, how long it had been waiting */
  add (ms: number): void {
    if (Number.isFinite(ms) && ms >= 0) {
      this.#samples[this.#count % this.#size] = ms
      this.#count++
    }
  }

  /** Undefined while there are fewer than `least` samples */
  quantile (q: number, least = LEAST): number | undefined {
    const { count } = this

    if (count < least || count === 0) {
      return undefined
    }

    if (this.#sortedAt < 0 || this.#count - this.#sortedAt >= REFRESH || count < 2 * REFRESH) {
      this.#sorted = this.#samples.slice(0, count).sort()
      this.#sortedAt = this.#count
    }

    return this.#sorted[Math.min(this.#sorted.length - 1, Math.floor(q * this.#sorted.length))]
  }
}
