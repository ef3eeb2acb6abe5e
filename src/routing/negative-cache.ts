import { LRUCache } from 'lru-cache'
import type { BlockKey } from '../interface/provider.ts'

export interface NegativeParams {
  /** First window in ms: what routing servers answer for an empty result */
  readonly base: number
  /** Longest window */
  readonly max: number
  /** Misses remembered */
  readonly limit: number
}

export const DEFAULT_NEGATIVE: NegativeParams = { base: 15_000, max: 60_000, limit: 10_000 }

interface Miss {
  readonly until: number
  readonly window: number
  readonly reason: string
  /** Whom the miss includes: a hint to somebody else is news */
  readonly asked: ReadonlySet<string>
  /** Somebody refused: nobody delivered it, but it may be there */
  readonly refused: boolean
}

/**
 * Remembers full misses, so that a CID nobody has costs one round per window.
 * The only negative cache: discovery has none of its own.
 */
export class NegativeCache {
  readonly #params: NegativeParams
  readonly #misses: LRUCache<string, Miss>

  constructor (params: NegativeParams = DEFAULT_NEGATIVE) {
    this.#params = params
    this.#misses = new LRUCache({ max: params.limit })
  }

  /** Why and until when there is no point in asking; undefined when there is, or when a hint names somebody new */
  get (key: BlockKey, mode: string, now: number, hints: Iterable<{ id: string }> = []): { reason: string, until: number, refused: boolean } | undefined {
    const miss = this.#misses.get(`${mode} ${key}`)

    if (miss == null || now >= miss.until || [...hints].some(({ id }) => !miss.asked.has(id))) {
      return undefined
    }

    return miss
  }

  add (key: BlockKey, mode: string, now: number, reason: string, asked: Iterable<string> = [], refused = false): void {
    const id = `${mode} ${key}`
    const before = this.#misses.peek(id)
    // a miss soon after the last window ended lasts twice as long; after a quiet while it starts over
    const window = before != null && now - before.until < this.#params.max
      ? Math.min(this.#params.max, before.window * 2)
      : this.#params.base
    this.#misses.set(id, { until: now + window, window, reason, asked: new Set(asked), refused })
  }

  /** Somebody has it now */
  clear (key: BlockKey): void {
    for (const mode of ['open', 'balanced', 'strict']) {
      this.#misses.delete(`${mode} ${key}`)
    }
  }
}
