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

interface Latest {
  bad: boolean
  at: number
}

export class OutageDetector {
  readonly #params: OutageParams
  readonly #latest = new Map<string, Latest>()
  #frozen = false

  constructor (params: OutageParams = DEFAULT_OUTAGE) {
    this.#params = params
  }

  get frozen (): boolean {
    return this.#frozen
  }

  /** Takes the latest verdict on a provider; returns whether penalties are frozen now */
  record (id: string, bad: boolean, now: number): boolean {
    this.#latest.delete(id)
    this.#latest.set(id, { bad, at: now })

    if (!bad) {
      // one answer proves that our side works
      this.#frozen = false
    }

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

    if (bad) {
      this.#frozen = total >= this.#params.minProviders && failed / total > this.#params.share
    }

    return this.#frozen
  }
}
