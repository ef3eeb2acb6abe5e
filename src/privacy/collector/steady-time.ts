import type { Clock } from '../../interface/clock.ts'

/** Milliseconds that the wall clock must be ahead before it is believed: the machine slept, or the clock was wrong */
const BELIEVED = 1_000

/**
 * Wall time that never goes back: it starts at the wall clock and runs with the
 * monotonic one. A wall clock that is set forward is followed, one that is set
 * back is not, and neither makes two events swap places or share a moment.
 */
export class SteadyTime {
  readonly #clock: Pick<Clock, 'now' | 'wall'>
  #offset: number
  #last: number

  constructor (clock: Pick<Clock, 'now' | 'wall'>) {
    this.#clock = clock
    this.#offset = clock.wall() - clock.now()
    this.#last = clock.wall()
  }

  /** Whole milliseconds since the epoch */
  now (): number {
    const monotonic = this.#clock.now()
    const ahead = this.#clock.wall() - (monotonic + this.#offset)

    if (ahead > BELIEVED) {
      this.#offset += ahead
    }

    this.#last = Math.max(this.#last, Math.floor(monotonic + this.#offset))
    return this.#last
  }
}
