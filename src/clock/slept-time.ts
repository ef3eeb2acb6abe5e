import type { Clock } from '../interface/clock.ts'

/** Milliseconds by which the wall clock is ahead of ours when the machine slept; less is a clock that was set */
export const SLEPT = 60_000
/** Milliseconds after waking up until there is something to do again: the network comes back first */
export const WAKING = 5_000

/** Whether the machine slept meanwhile: the wall clock goes on, timers and the monotonic clock do not */
export class SleptTime {
  readonly #clock: Pick<Clock, 'now' | 'wall'>
  /** Wall clock minus our own, when last looked at */
  #offset: number

  constructor (clock: Pick<Clock, 'now' | 'wall'>) {
    this.#clock = clock
    this.#offset = clock.wall() - clock.now()
  }

  /** Milliseconds since it was asked last, or made; 0 when it did not sleep */
  take (): number {
    const offset = this.#clock.wall() - this.#clock.now()
    const slept = offset - this.#offset
    this.#offset = offset
    return slept < SLEPT ? 0 : slept
  }
}
