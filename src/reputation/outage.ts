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
  /**
   * Milliseconds after wrong bytes were forgiven and somebody delivered again, in which no
   * more are: who passed a captive portal is not met by it again for a while, and liars who
   * make believe that there is one get off with one lie each, not with one per read
   */
  readonly strict: number
}

export const DEFAULT_OUTAGE: OutageParams = { window: 15_000, minProviders: 4, share: 0.75, limit: 256, strict: 600_000 }

/** `answered` is a sign of life without a block; `failed` is unreachable, stalled or overloaded; `garbage` is wrong bytes */
export type Verdict = 'delivered' | 'answered' | 'failed' | 'garbage'

interface Latest {
  verdict: Verdict
  at: number
}

export class OutageDetector {
  readonly #params: OutageParams
  readonly #latest = new Map<string, Latest>()
  #frozen = false
  #delivered = false
  /** Wrong bytes were part of what froze penalties, and nobody has delivered since */
  #forgave = false
  #strictUntil = -Infinity

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

  /** May wrong bytes of one who delivered before turn out to be our outage at this moment? */
  lenient (now: number): boolean {
    return now >= this.#strictUntil
  }

  /**
   * Takes the latest verdict on a provider; returns whether it is to be forgiven.
   *
   * Only those that have delivered before are evidence: most strangers that a DHT
   * names are gone for good, which says nothing about our side. Until the first
   * delivery there is nobody else to go by, so then strangers count. But not with
   * wrong bytes: names cost nothing, and those that begin with a lie are liars.
   *
   * @param proven - whether this provider has ever delivered
   */
  record (id: string, verdict: Verdict, now: number, proven: boolean): boolean {
    if (verdict === 'garbage' && (!proven || !this.lenient(now))) {
      return false
    }

    if (verdict === 'delivered') {
      this.#thaw(now)
    } else if (!proven && this.#delivered) {
      return this.#frozen
    }

    const lied = verdict === 'failed' && this.#latest.get(id)?.verdict === 'garbage'
    this.#latest.delete(id)
    // who falls silent after wrong bytes has sent them all the same
    this.#latest.set(id, { verdict: lied ? 'garbage' : verdict, at: now })
    const { failed, garbage, total } = this.#count(now)
    this.#frozen = verdict !== 'delivered' && total >= this.#params.minProviders && (failed + garbage) / total > this.#params.share
    this.#forgave ||= this.#frozen && garbage > 0
    return this.#frozen
  }

  #thaw (now: number): void {
    if (this.#frozen || !this.#delivered) {
      // our side works: what failed before this moment proves nothing about what fails after it
      this.#latest.clear()
    }

    for (const [id, { verdict }] of this.#latest) {
      // a portal lets nothing through, so these were no portal's
      if (verdict === 'garbage') {
        this.#latest.delete(id)
      }
    }

    if (this.#forgave) {
      this.#forgave = false
      this.#strictUntil = now + this.#params.strict
    }

    this.#delivered = true
  }

  #count (now: number): Record<'failed' | 'garbage' | 'total', number> {
    const count = { failed: 0, garbage: 0, total: 0 }

    for (const [key, { verdict, at }] of this.#latest) {
      if (now - at > this.#params.window || this.#latest.size > this.#params.limit) {
        this.#latest.delete(key)
        continue
      }

      count.total++

      if (verdict === 'failed' || verdict === 'garbage') {
        count[verdict]++
      }
    }

    return count
  }
}
