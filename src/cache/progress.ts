import { keepAlive } from '../clock/keep-alive.ts'
import type { Clock } from '../interface/clock.ts'

/** Tells whoever waits that something has changed; nobody waits longer than a given time */
export class Progress {
  readonly #clock: Clock
  readonly #waiting = new Set<() => void>()

  constructor (clock: Clock) {
    this.#clock = clock
  }

  notify (): void {
    if (this.#waiting.size > 0) {
      for (const wake of [...this.#waiting]) {
        wake()
      }
    }
  }

  /** Resolves at the next change, or after `ms` */
  async next (ms: number): Promise<void> {
    return new Promise(resolve => {
      // somebody's program may have nothing else to do than wait for this write
      const release = keepAlive()
      const wake = (): void => {
        release()
        cancel()
        this.#waiting.delete(wake)
        resolve()
      }
      const cancel = this.#clock.schedule(ms, wake)
      this.#waiting.add(wake)
    })
  }
}
