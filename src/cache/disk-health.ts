import type { CacheHealth } from '../interface/cache.ts'
import type { Clock, Random } from '../interface/clock.ts'
import type { Logger } from '../interface/logger.ts'

/** First pause before the disk is tried again, in ms: a file that is being deleted elsewhere makes room within it */
const FIRST_PAUSE = 1_000
/** Longest one: a disk that is well again is used within half a minute */
const MAX_PAUSE = 30_000
/** Of the pause that is random, so that many caches on one disk do not come back at once */
const JITTER = 0.25

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
  #closed = false

  constructor (init: DiskHealthInit) {
    this.#init = init
  }

  get ok (): boolean {
    return this.#reason == null
  }

  get health (): CacheHealth {
    return this.#reason == null ? { state: 'ok' } : { state: 'degraded', reason: this.#reason }
  }

  failed (what: string, err: unknown): void {
    this.#init.log.error('the disk under the cache failed (%s) - %e', what, err)
    this.#degrade(`${what}: ${describe(err)}`)
  }

  /** It does not answer; `over` tells when it has */
  slow (what: string, over: Promise<unknown>): void {
    this.#init.log('the disk under the cache is slow: %s', what)
    this.#degrade(what)
    over.then(() => { this.worked() }, (err: unknown) => { this.#init.log('what was slow failed - %e', err) })
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
    this.#closed = true
    this.#cancel?.()
    this.#cancel = undefined
  }

  #degrade (reason: string): void {
    this.#reason = reason
    if (this.#cancel == null && !this.#closed) {
      const pause = this.#pause * (1 - JITTER * this.#init.random.next())
      this.#pause = Math.min(MAX_PAUSE, this.#pause * 2)
      this.#cancel = this.#init.clock.schedule(pause, () => { void this.#probe() })
    }
  }

  async #probe (): Promise<void> {
    try {
      await this.#init.probe()
      this.worked()
    } catch (err) {
      this.#cancel = undefined
      this.#degrade(describe(err))
    }
  }
}

/** The system's own name for it first: that is what an operator looks for */
export function describe (err: unknown): string {
  const { code, message } = err as NodeJS.ErrnoException
  return code == null || message.includes(code) ? message : `${code}: ${message}`
}
