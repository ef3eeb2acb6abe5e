import { LRUCache } from 'lru-cache'
import type { Freshness } from './delegated-freshness.ts'
import type { Clock } from '../../interface/clock.ts'
import type { Provider } from '../../interface/provider.ts'

/** An answer that may be used again */
export interface KeptAnswer {
  readonly providers: readonly Provider[]
  readonly tag?: string
  /** When it came, or was said to be unchanged */
  readonly at: number
  readonly freshness: Freshness
}

/** Keys of an hour of a busy node. Each may be empty, so that bytes alone bound nothing. */
export const MAX_ANSWERS = 4_096

/** 1 KiB a provider and 20 of them an answer, for 400 keys; more of them when they are shorter */
export const MAX_ANSWER_BYTES = 8_388_608

/** What an answer takes beside its texts: the entry, the key, the tag */
const OVERHEAD = 512

/** And a provider: two objects, four arrays */
const PROVIDER_OVERHEAD = 256

/** Answers of one router as HTTP caches keep them, the least recently used giving way */
export class KeptAnswers {
  readonly #answers: LRUCache<string, KeptAnswer>
  readonly #clock: Pick<Clock, 'now'>

  constructor (clock: Pick<Clock, 'now'>, max: { readonly entries?: number, readonly bytes?: number } = {}) {
    const maxSize = max.bytes ?? MAX_ANSWER_BYTES
    this.#clock = clock
    this.#answers = new LRUCache({ max: max.entries ?? MAX_ANSWERS, maxSize, maxEntrySize: Math.ceil(maxSize / 4), sizeCalculation: sizeOf })
  }

  get size (): number {
    return this.#answers.size
  }

  get bytes (): number {
    return this.#answers.calculatedSize
  }

  get (key: string): KeptAnswer | undefined {
    const answer = this.#answers.get(key)

    // without a tag only its age can make it worth anything
    if (answer != null && answer.tag == null && !within(answer, Math.max(answer.freshness.whileRevalidating, answer.freshness.ifError), this.#clock.now())) {
      this.#answers.delete(key)
      return undefined
    }
    return answer
  }

  set (key: string, answer: KeptAnswer): void {
    const { fresh, whileRevalidating, ifError } = answer.freshness

    if (answer.tag == null && fresh + whileRevalidating + ifError === 0) {
      this.#answers.delete(key)
    } else {
      this.#answers.set(key, answer)
    }
  }

  delete (key: string): void {
    this.#answers.delete(key)
  }
}

export function isFresh (answer: KeptAnswer, now: number): boolean {
  return within(answer, 0, now)
}

/** May be used while the router is asked again */
export function isBridge (answer: KeptAnswer, now: number): boolean {
  const { whileRevalidating } = answer.freshness
  return whileRevalidating > 0 && within(answer, whileRevalidating, now)
}

/** May be used in place of an error */
export function isRescue (answer: KeptAnswer, now: number): boolean {
  const { ifError } = answer.freshness
  return ifError > 0 && within(answer, ifError, now)
}

function within ({ at, freshness }: KeptAnswer, stale: number, now: number): boolean {
  return now - at < freshness.fresh + stale
}

function sizeOf ({ providers, tag }: KeptAnswer, key: string): number {
  let characters = key.length + (tag?.length ?? 0)

  for (const { id, addresses, protocols, domains } of providers) {
    characters += PROVIDER_OVERHEAD + id.length
    for (const text of [...addresses, ...protocols, ...domains]) {
      characters += text.length
    }
  }
  return OVERHEAD + characters
}
