import { VirtualClock } from '../../../src/testing/virtual-clock.ts'

const HOUR = 3_600_000

/** The time of day is set by somebody, as often as it is looked at and in any direction; durations are as they are */
export class SetClock extends VirtualClock {
  #looked = 0
  /** Added to the time of day */
  offset = 0

  override wall (): number {
    return super.wall() + this.offset + (this.#looked++ % 2 === 0 ? -HOUR : 24 * HOUR)
  }
}

/** The process is stopped for a while: it goes on with everything due at once, and late */
export class StoppedClock extends VirtualClock {
  #until?: number

  override now (): number {
    return this.#until ?? super.now()
  }

  async stop (ms: number): Promise<void> {
    this.#until = super.now() + ms
    try {
      await this.advance(ms)
    } finally {
      this.#until = undefined
    }
  }
}
