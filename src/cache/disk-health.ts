import { CacheClosedError } from '../interface/errors.ts'
import type { CacheHealth } from '../interface/cache.ts'
import type { Clock, Random } from '../interface/clock.ts'
import type { Logger } from '../interface/logger.ts'

/** First pause before the disk is tried again, in ms: a file that is being deleted elsewhere makes room within it */
const FIRST_PAUSE = 1_000
/** Longest one: a disk that is well again is used within half a minute */
const MAX_PAUSE = 30_000
/** Of the pause that is random, so that many caches on one disk do not come back at once */
const JITTER = 0.25
/** A probe is some ten small operations, milliseconds on any disk: one that takes longer, in ms, says that it is still slow */
const PROMPT = 1_000

export interface DiskHealthInit {
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  /** Writes and reads something small */
  probe (): Promise<void>
}

/** Whether the disk works. When it does not, it is left alone but for a probe from time to time, until one passes. */
export class DiskHealth {
  readonly #init: DiskHealthInit
  #reason?: string
  #pause = FIRST_PAUSE
  #cancel?: () => void
  #probing = false
  readonly #closing = new AbortController()

  constructor (init: DiskHealthInit) {
    this.#init = init
  }

  get ok (): boolean {
    return this.#reason == null
  }

  /** Aborted by `close`: before the disk is closed */
  get closing (): AbortSignal {
    return this.#closing.signal
  }

  get health (): CacheHealth {
    return this.#reason == null ? { state: 'ok' } : { state: 'degraded', reason: this.#reason }
  }

  failed (what: string, err: unknown): void {
    this.#init.log.error('the disk under the cache failed (%s) - %e', what, err)
    this.#degrade(`${what}: ${describe(err)}`)
  }

  /** It does not answer; `over` tells when it has, and then it is looked at once whether others are answered in time */
  slow (what: string, over: Promise<unknown> = Promise.resolve()): void {
    if (this.ok) {
      this.#init.log.error('the disk under the cache is slow: %s', what)
    } else {
      // an operator knows; whoever waits for it says so anew
      this.#init.log('the disk under the cache is slow: %s', what)
    }
    this.#degrade(what)
    over.then(() => { this.#probeNow() }, (err: unknown) => { this.#init.log('what was slow failed - %e', err) })
  }

  worked (): void {
    if (this.#reason != null) {
      this.#init.log('the disk under the cache works again')
    }
    this.#reason = undefined
    this.#pause = FIRST_PAUSE
    this.#cancel?.()
    this.#cancel = undefined
  }

  close (): void {
    this.#closing.abort(new CacheClosedError('the cache was closed'))
    this.#cancel?.()
    this.#cancel = undefined
  }

  #degrade (reason: string): void {
    this.#reason = reason
    if (this.#cancel == null && !this.#probing && !this.#closing.signal.aborted) {
      const pause = this.#pause * (1 - JITTER * this.#init.random.next())
      this.#pause = Math.min(MAX_PAUSE, this.#pause * 2)
      this.#cancel = this.#init.clock.schedule(pause, () => { void this.#probe() })
    }
  }

  #probeNow (): void {
    if (this.#reason != null && !this.#probing && !this.#closing.signal.aborted) {
      void this.#probe()
    }
  }

  async #probe (): Promise<void> {
    const { clock, probe } = this.#init
    const began = clock.now()
    let failure: unknown
    this.#cancel?.()
    this.#cancel = undefined
    this.#probing = true

    try {
      await probe()
    } catch (err) {
      failure = err
    }
    this.#probing = false
    const took = clock.now() - began

    if (failure != null) {
      this.#degrade(describe(failure))
    } else if (took > PROMPT) {
      this.#degrade(`the disk is slow: a few small operations took ${Math.round(took)} ms`)
    } else {
      this.worked()
    }
  }
}

/** The system's own name for it first: that is what an operator looks for */
export function describe (err: unknown): string {
  const { code, message } = err as NodeJS.ErrnoException
  return code == null || message.includes(code) ? message : `${code}: ${message}`
}
