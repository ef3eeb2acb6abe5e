import type { Clock } from '../interface/clock.ts'

/** Things that are passed over without a pause: what an honest list has too many of */
const BURST = 16

/** Milliseconds: 800 things a second cost nothing, and keep a flood from starving timers and sockets */
const PAUSE = 20

/** For what foreign code pours out and nobody wants: whoever skips it takes a step, and pauses every few */
export class Pace {
  readonly #clock: Pick<Clock, 'sleep'>
  #steps = 0

  constructor (clock: Pick<Clock, 'sleep'>) {
    this.#clock = clock
  }

  /** Rejects with the signal's reason when it aborts in a pause */
  async step (signal: AbortSignal): Promise<void> {
    if (++this.#steps % BURST === 0) {
      await this.#clock.sleep(PAUSE, { signal })
    }
  }
}
