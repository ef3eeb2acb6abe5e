/**
 * When most of the providers we asked lately failed, the fault is ours: a cable,
 * a laptop waking up, a captive portal. Penalties are frozen until one delivers.
 */
export interface OutageParams {
  /** Milliseconds that count as lately: longer than the usual time to notice a failure */
  readonly window: number
  /** Below this many distinct providers a bad share says nothing */
  readonly minProviders: number
  /** Share of distinct providers that must have failed */
  readonly share: number
  /** Providers remembered at most */
  readonly limit: number
}

export const DEFAULT_OUTAGE: OutageParams = { window: 15_000, minProviders: 4, share: 0.75, limit: 256 }

/** `answered` is a sign of life without a block; `failed` is unreachable, stalled or overloaded */
export type Verdict = 'delivered' | 'answered' | 'failed'

interface Latest {
  bad: boolean
  at: number
}

export class OutageDetector {
  readonly #params: OutageParams
  readonly #latest = new Map<string, Latest>()
  #frozen = false
  #delivered = false

  constructor (params: OutageParams = DEFAULT_OUTAGE) {
    this.#params = params
  }

  get frozen (): boolean {
    return this.#frozen
  }

  /** Providers whose latest verdict is remembered */
  get size (): number {
    return this.#latest.size
  }

  /**
   * Takes the latest verdict on a provider; returns whether penalties are frozen now.
   *
   * Only those that have delivered before are evidence: most strangers that a DHT
   * names are gone for good, which says nothing about our side. Until the first
   * delivery there is nobody else to go by, so then strangers count.
   *
   * @param proven - whether this provider has ever delivered
   */
  record (id: string, verdict: Verdict, now: number, proven: boolean): boolean {
    if (verdict === 'delivered') {
      if (this.#frozen || !this.#delivered) {
        // our side works: what failed before this moment proves nothing about what fails after it
        this.#latest.clear()
      }

      this.#delivered = true
    } else if (!proven && this.#delivered) {
      return this.#frozen
    }

    this.#latest.delete(id)
    this.#latest.set(id, { bad: verdict === 'failed', at: now })
    const { failed, total } = this.#count(now)
    this.#frozen = verdict !== 'delivered' && total >= this.#params.minProviders && failed / total > this.#params.share
    return this.#frozen
  }

  #count (now: number): { failed: number, total: number } {
    let failed = 0
    let total = 0

    for (const [key, latest] of this.#latest) {
      if (now - latest.at > this.#params.window || this.#latest.size > this.#params.limit) {
        this.#latest.delete(key)
        continue
      }

      total++
      failed += latest.bad ? 1 : 0
    }

    return { failed, total }
  }
}
