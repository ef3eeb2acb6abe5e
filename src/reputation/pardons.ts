import { deferBreaker, endProbe } from './breaker.ts'
import type { Breaker, BreakerParams } from './breaker.ts'
import type { Conduct } from './conduct.ts'
import type { ProviderRecord } from './record.ts'
import type { ProviderId } from '../interface/provider.ts'

interface Before {
  readonly conduct: Conduct
  readonly breaker: Breaker
  readonly failures: number
  readonly at: number
}

/**
 * What was thought of providers before they sent wrong bytes. The first to do so are
 * sentenced before enough have done the same to see that a captive portal answers in
 * their name: then they are pardoned. A delivery confirms the sentences, and so does time.
 */
export class Pardons {
  readonly #before = new Map<ProviderId, Before>()
  readonly #limit: number
  readonly #window: number

  constructor (limit: number, window: number) {
    this.#limit = limit
    this.#window = window
  }

  get size (): number {
    return this.#before.size
  }

  /** To be called before the sentence */
  remember ({ id, conduct, breaker, failures }: ProviderRecord, now: number): void {
    const known = this.#before.get(id)

    if (known != null && now - known.at <= this.#window) {
      return
    }

    this.#before.delete(id)
    this.#before.set(id, { conduct, breaker, failures, at: now })

    if (this.#before.size > this.#limit) {
      const [oldest] = this.#before.keys()
      this.#before.delete(oldest ?? id)
    }
  }

  /** It was heard otherwise since: what it was before is over */
  forget (id: ProviderId): void {
    this.#before.delete(id)
  }

  clear (): void {
    this.#before.clear()
  }

  /** Puts everybody back to where they were, but for a short pause; returns whom */
  grant (find: (id: ProviderId) => ProviderRecord | undefined, now: number, params: BreakerParams): ProviderRecord[] {
    const pardoned: ProviderRecord[] = []

    for (const [id, { conduct, breaker, failures, at }] of this.#before) {
      const record = find(id)

      if (record != null && now - at <= this.#window) {
        record.conduct = conduct
        record.failures = failures
        record.breaker = deferBreaker(endProbe(breaker), params.base, now, params)
        pardoned.push(record)
      }
    }

    this.clear()
    return pardoned
  }
}
