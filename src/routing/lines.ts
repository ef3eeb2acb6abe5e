import { LRUCache } from 'lru-cache'
import type { ProviderId } from '../interface/provider.ts'

/** In ms: the fastest of this long and of as long before counts, as long as congestion control by the name of BBR remembers a maximum */
const GENERATION = 10_000

/** In ms that a line was in use: what lay in buffers while we were busy comes at once, and looks fast for less */
const EPOCH = 100

/** Bytes of an epoch below which its pace tells of delays alone: of small blocks, or few */
const LEAST_BYTES = 131_072

/** Lines that are remembered: as many as providers have limits of their own */
const MAX_LINES = 1_024

/** What is known of the line to one provider, as a value */
export interface Line {
  /** Bytes asked for that have not come yet */
  readonly queued: number
  /** Bytes per ms that came lately when most came; undefined where nothing is known */
  readonly pace?: number
}

interface State {
  queued: number
  /** Bytes that ever came */
  arrived: number
  /** Attempts under way */
  loads: number
  /** The epoch: when it began, which is moved ahead by idle time, and with how many bytes */
  epochAt: number
  epochWith: number
  idleSince: number
  /** The best pace of this generation and of the one before */
  best: number
  before: number
  since: number
}

/** One attempt's share of a line */
export class Load {
  readonly #state: State
  #left: number
  #told = 0
  #answeredWith?: number

  constructor (state: State, size: number, now: number) {
    this.#state = state
    this.#left = size
    state.queued += size
    state.epochAt += state.loads === 0 ? now - state.idleSince : 0
    state.loads++
  }

  /** The first byte, before it is counted */
  answered (): void {
    this.#answeredWith = this.#state.arrived
  }

  arrived (bytes: number, now: number): void {
    this.#told += bytes
    this.#state.arrived += bytes
    this.#take(bytes)
    judge(this.#state, now)
  }

  /**
   * It is over. Gives how many bytes came over the line since the first one of this
   * attempt, whomever they were for.
   *
   * @param bytes - of the block, if it came
   */
  ended (now: number, bytes = 0): number {
    const state = this.#state

    if (this.#told === 0 && bytes > 0) {
      this.arrived(bytes, now)
    }

    this.#take(this.#left)
    state.loads--
    state.idleSince = now
    return this.#answeredWith == null ? 0 : state.arrived - this.#answeredWith
  }

  #take (bytes: number): void {
    const came = Math.min(this.#left, bytes)
    this.#left -= came
    this.#state.queued -= came
  }
}

/**
 * The lines to those who answer. How many bytes came from one of them while it had a
 * request says what its line bears, however many share it; the most of late is what it
 * bears when it is full. What is asked for beyond that waits, though nobody sees it wait.
 */
export class Lines {
  readonly #states = new LRUCache<ProviderId, State>({ max: MAX_LINES })

  /** Somebody is asked for so many bytes */
  began (id: ProviderId, size: number, now: number): Load {
    let state = this.#states.get(id)

    if (state == null) {
      state = { queued: 0, arrived: 0, loads: 0, epochAt: now, epochWith: 0, idleSince: now, best: 0, before: 0, since: now }
      this.#states.set(id, state)
    }

    return new Load(state, size, now)
  }

  of (id: ProviderId, now: number): Line {
    const state = this.#states.peek(id)

    if (state == null) {
      return { queued: 0 }
    }

    renew(state, now)
    const pace = Math.max(state.best, state.before)
    return pace > 0 ? { queued: state.queued, pace } : { queued: state.queued }
  }
}

function judge (state: State, now: number): void {
  const took = now - state.epochAt

  if (took < EPOCH) {
    return
  }

  const came = state.arrived - state.epochWith

  if (came >= LEAST_BYTES) {
    renew(state, now)
    state.best = Math.max(state.best, came / took)
  }

  state.epochAt = now
  state.epochWith = state.arrived
}

function renew (state: State, now: number): void {
  if (now - state.since >= GENERATION) {
    state.before = now - state.since < 2 * GENERATION ? state.best : 0
    state.best = 0
    state.since = now
  }
}
