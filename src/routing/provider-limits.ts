import { LRUCache } from 'lru-cache'
import type { ProviderId } from '../interface/provider.ts'

/** Attempts that a provider gets at once before anything is known of its load: browsers use 6 to 100 streams a host, and 64 blocks of 16 KiB are the first window of a reader */
export const FIRST_LIMIT = 64

/** Whoever says that it is overloaded is asked for this many at once, and no fewer: below it a round trip brings too little to learn from */
const LEAST_LIMIT = 8

/** What each answer adds while none was late: three times as many in the next round trip */
const STARTING_STEP = 2

/** And afterwards, per round */
const STEADY_STEP = 8

/** What is left of the limit when answers have become late, and when the provider has failed */
const WHEN_LATE = 0.7
const WHEN_FAILED = 0.5

/** The fastest answer of a round is late at this many times the fastest ever, and so many ms: queues of our own and pauses stay below */
const LATE = 2
const LATE_SLACK = 20

/** Answers that make a round: the fastest of fewer may be late by chance */
const LEAST_ROUND = 8

/** In ms: a line changes, so does what is fast; of one generation and the one before */
const GENERATION = 10_000

/** Providers with a limit of their own: as many as have attempts under way, four times over */
const MAX_PROVIDERS = 1_024

interface State {
  limit: number
  starting: boolean
  /** The fastest answers of this generation and of the one before, in ms */
  fastest: number
  before: number
  since: number
  /** The fastest answer of this round, and how many it had */
  round: number
  answers: number
  /** Answers before which another failure counts for nothing: they were asked together */
  deaf: number
}

/**
 * How many attempts each provider may have at once: it grows while answers come
 * as fast as with few, and shrinks when they become late or fail. A limit that is
 * not used does not grow.
 */
export class ProviderLimits {
  readonly #most: number
  readonly #states = new LRUCache<ProviderId, State>({ max: MAX_PROVIDERS })

  /** @param most - never more than this */
  constructor (most: number) {
    this.#most = most
  }

  of (id: ProviderId): number {
    return this.#states.peek(id)?.limit ?? Math.min(FIRST_LIMIT, this.#most)
  }

  /**
   * @param latency - ms to the first byte
   * @param inFlight - attempts under way there when it came, this one included
   */
  answered (id: ProviderId, latency: number, inFlight: number, now: number): void {
    const state = this.#state(id, now)
    const used = 2 * inFlight >= state.limit
    state.deaf = Math.max(0, state.deaf - 1)
    state.round = Math.min(state.round, latency)
    state.fastest = Math.min(state.fastest, latency)

    if (state.starting && used) {
      state.limit = Math.min(this.#most, state.limit + STARTING_STEP)
    }

    if (++state.answers >= Math.max(LEAST_ROUND, state.limit / 2)) {
      this.#judge(state, used)
    }
  }

  /** It said that it is overloaded, or did not answer */
  failed (id: ProviderId, outcome: 'overloaded' | 'stalled' | 'unreachable', now: number): void {
    const state = this.#state(id, now)

    if (state.deaf === 0) {
      const least = outcome === 'overloaded' ? LEAST_LIMIT : FIRST_LIMIT
      this.#shrink(state, WHEN_FAILED, least)
      state.deaf = state.limit
    }
  }

  #judge (state: State, used: boolean): void {
    const fast = Math.min(state.fastest, state.before)

    if (state.round > LATE * fast + LATE_SLACK) {
      this.#shrink(state, WHEN_LATE, FIRST_LIMIT)
    } else if (!state.starting && used) {
      state.limit = Math.min(this.#most, state.limit + STEADY_STEP)
    }

    state.round = Infinity
    state.answers = 0
  }

  #shrink (state: State, share: number, least: number): void {
    state.starting = false
    // what is below that already stays as it is
    state.limit = Math.min(state.limit, Math.max(least, Math.floor(state.limit * share)))
  }

  #state (id: ProviderId, now: number): State {
    let state = this.#states.get(id)

    if (state == null) {
      state = { limit: Math.min(FIRST_LIMIT, this.#most), starting: true, fastest: Infinity, before: Infinity, since: now, round: Infinity, answers: 0, deaf: 0 }
      this.#states.set(id, state)
    } else if (now - state.since >= GENERATION) {
      state.before = now - state.since < 2 * GENERATION ? state.fastest : Infinity
      state.fastest = Infinity
      state.since = now
    }

    return state
  }
}
