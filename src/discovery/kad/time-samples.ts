/** Enough that the slowest hundredth is more than one; a change of network is forgotten within a dozen lookups */
const MAX_SAMPLES = 256

/** The last durations of something, and what is usual among them */
export class TimeSamples {
  readonly #samples: number[]
  #next = 0
  #sorted: Float64Array | undefined

  constructor (samples: readonly number[] = []) {
    this.#samples = samples.filter(sample => Number.isFinite(sample) && sample >= 0).slice(-MAX_SAMPLES)
    this.#next = this.#samples.length % MAX_SAMPLES
  }

  get count (): number {
    return this.#samples.length
  }

  add (sample: number): void {
    this.#samples[this.#next] = sample
    this.#next = (this.#next + 1) % MAX_SAMPLES
    this.#sorted = undefined
  }

  /** These came before all others */
  restore (earlier: readonly number[]): void {
    const all = [...earlier, ...this.toJSON()].slice(-MAX_SAMPLES)
    this.#samples.splice(0, this.#samples.length, ...all)
    this.#next = all.length % MAX_SAMPLES
    this.#sorted = undefined
  }

  /** The sample that this share of all does not exceed; undefined with fewer than `least`: a few say nothing yet */
  quantile (share: number, least = 8): number | undefined {
    if (this.count < least) {
      return undefined
    }

    this.#sorted ??= Float64Array.from(this.#samples).sort()
    return this.#sorted[Math.min(this.count - 1, Math.floor(share * this.count))]
  }

  /** In the order in which they came */
  toJSON (): number[] {
    return this.count < MAX_SAMPLES ? [...this.#samples] : [...this.#samples.slice(this.#next), ...this.#samples.slice(0, this.#next)]
  }
}
