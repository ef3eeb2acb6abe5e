import type { Clock } from '../../interface/clock.ts'

interface Delivery {
  readonly at: number
  readonly deliver: () => void
}

/** Real timers fire up to a millisecond early by the clock that measures them */
const EARLY = 1

/**
 * One direction of a way between two nodes. What is sent arrives `delay` later,
 * in order, however much is under way: things sent together arrive together.
 * One timer serves the whole line.
 */
export class DelayedLine {
  readonly delay: number
  readonly #clock: Clock
  #queue: Delivery[] = []
  #cancel: (() => void) | undefined

  constructor (clock: Clock, delay: number) {
    this.#clock = clock
    this.delay = delay
  }

  /** Things that have been sent and have not arrived */
  get underWay (): number {
    return this.#queue.length
  }

  send (deliver: () => void): void {
    this.#queue.push({ at: this.#clock.now() + this.delay, deliver })

    if (this.#queue.length === 1) {
      this.#wait(this.delay)
    }
  }

  /** What is under way is lost */
  cut (): void {
    this.#cancel?.()
    this.#cancel = undefined
    this.#queue = []
  }

  #wait (ms: number): void {
    this.#cancel = this.#clock.schedule(ms, () => { this.#arrive() })
  }

  #arrive (): void {
    const now = this.#clock.now()
    const due = this.#queue.findIndex((delivery, i) => i > 0 && delivery.at > now + EARLY)
    const arrived = this.#queue.splice(0, due < 0 ? this.#queue.length : due)
    const next = this.#queue[0]

    if (next == null) {
      this.#cancel = undefined
    } else {
      this.#wait(next.at - now)
    }

    for (const { deliver } of arrived) {
      deliver()
    }
  }
}
