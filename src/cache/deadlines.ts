import type { Clock } from '../interface/clock.ts'

interface Waiting {
  readonly until: number
  late (): void
}

/**
 * One deadline for many: all that begins here may take equally long, so what began first is late first, and one timer
 * is enough. A timer and a race for each read of the disk left more garbage than the rest of it together.
 */
export class Deadlines {
  readonly #clock: Clock
  readonly #ms: number
  /** In the order in which they end */
  readonly #waiting = new Set<Waiting>()
  #cancel?: () => void

  constructor (clock: Clock, ms: number) {
    this.#clock = clock
    this.#ms = ms
  }

  /** What the promise comes to; undefined, after `late` was called, when that takes too long: then it goes on by itself */
  async within<T> (promise: Promise<T>, late: () => void): Promise<T | undefined> {
    return new Promise<T | undefined>((resolve, reject) => {
      const waiting: Waiting = {
        until: this.#clock.now() + this.#ms,
        late: () => {
          late()
          resolve(undefined)
        }
      }
      this.#waiting.add(waiting)
      this.#cancel ??= this.#clock.schedule(this.#ms, () => { this.#expire() })

      promise.then(value => {
        this.#waiting.delete(waiting)
        resolve(value)
      }, (err: unknown) => {
        this.#waiting.delete(waiting)
        reject(err as Error)
      })
    })
  }

  /** The timer may stay for what comes next; not when nothing will */
  close (): void {
    if (this.#waiting.size === 0) {
      this.#cancel?.()
      this.#cancel = undefined
    }
  }

  #expire (): void {
    const now = this.#clock.now()
    this.#cancel = undefined

    for (const waiting of this.#waiting) {
      if (waiting.until > now) {
        this.#cancel = this.#clock.schedule(waiting.until - now, () => { this.#expire() })
        break
      }
      this.#waiting.delete(waiting)
      waiting.late()
    }
  }
}
