import type { Clock, Random } from '../../interface/clock.ts'

/** Milliseconds: a peer that restarts is back within a few seconds */
export const DEFAULT_FIRST_PAUSE = 1_000
/** Milliseconds: whom to leave alone for longer is decided by what is known about the provider, and an outage of ours must not last */
export const DEFAULT_LONGEST_PAUSE = 60_000
/** Addresses that are remembered as failing: a few for each peer that is tried at a time, about 1 MB */
export const DEFAULT_MAX_REMEMBERED = 4_096

export interface BackoffInit {
  /** Milliseconds after a first failure; doubles with each further one. @default 1_000 */
  firstPause?: number
  /** @default 60_000 */
  longestPause?: number
  /** @default 4_096 */
  maxRemembered?: number
}

interface Failing {
  readonly failures: number
  readonly until: number
  /** One is looking whether it is over */
  readonly probing: boolean
}

/**
 * What has failed is left alone for a while that doubles, and comes back
 * half-open: one may try, the others wait for what comes of it. Keys are
 * whatever the caller counts failures by.
 */
export class Backoff {
  readonly #clock: Pick<Clock, 'now'>
  readonly #random: Random
  readonly #init: Required<BackoffInit>
  readonly #failing = new Map<string, Failing>()

  constructor (components: { clock: Pick<Clock, 'now'>, random: Random }, init: BackoffInit = {}) {
    this.#clock = components.clock
    this.#random = components.random
    this.#init = {
      firstPause: init.firstPause ?? DEFAULT_FIRST_PAUSE,
      longestPause: init.longestPause ?? DEFAULT_LONGEST_PAUSE,
      maxRemembered: init.maxRemembered ?? DEFAULT_MAX_REMEMBERED
    }
  }

  get size (): number {
    return this.#failing.size
  }

  /** Milliseconds until it may be tried: 0 now, Infinity while somebody else is trying */
  wait (key: string): number {
    const failing = this.#failing.get(key)
    return failing == null ? 0 : failing.probing ? Infinity : Math.max(0, failing.until - this.#clock.now())
  }

  /** May it be tried now? Then whoever asked says afterwards what came of it, by one of the methods below. */
  enter (key: string): boolean {
    const failing = this.#failing.get(key)

    if (this.wait(key) > 0) {
      return false
    }
    if (failing != null) {
      this.#failing.set(key, { ...failing, probing: true })
    }
    return true
  }

  failed (key: string): void {
    const failures = (this.#failing.get(key)?.failures ?? 0) + 1
    const { firstPause, longestPause, maxRemembered } = this.#init
    // 2 ** 30 is above every limit: more would only overflow
    const pause = Math.min(longestPause, firstPause * 2 ** Math.min(30, failures - 1))

    // half of it is certain, half is chance, so that what failed together does not come back together
    this.#failing.delete(key)
    this.#failing.set(key, { failures, until: this.#clock.now() + pause * (0.5 + this.#random.next() / 2), probing: false })

    if (this.#failing.size > maxRemembered) {
      this.#forget()
    }
  }

  succeeded (key: string): void {
    this.#failing.delete(key)
  }

  /** It was given up before anything was learnt */
  left (key: string): void {
    const failing = this.#failing.get(key)

    if (failing?.probing === true) {
      this.#failing.set(key, { ...failing, probing: false })
    }
  }

  clear (): void {
    this.#failing.clear()
  }

  /** The one that failed longest ago goes; never one that is being tried, which would lose its result */
  #forget (): void {
    for (const [key, { probing }] of this.#failing) {
      if (!probing) {
        this.#failing.delete(key)
        return
      }
    }
  }
}
