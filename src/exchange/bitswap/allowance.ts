import type { Clock } from '../../interface/clock.ts'

/** So many at once, so many per second: what is left refills with time */
export interface AllowanceInit {
  readonly burst: number
  readonly perSecond: number
}

/** A token bucket */
export class Allowance {
  readonly #clock: Clock
  readonly #init: AllowanceInit
  #left: number
  #at: number

  constructor (clock: Clock, init: AllowanceInit) {
    this.#clock = clock
    this.#init = init
    this.#left = init.burst
    this.#at = clock.now()
  }

  get left (): number {
    const now = this.#clock.now()
    this.#left = Math.min(this.#init.burst, this.#left + (now - this.#at) * this.#init.perSecond / 1000)
    this.#at = now
    return this.#left
  }

  get full (): boolean {
    return this.left >= this.#init.burst
  }

  /** Takes it, whether it is there or not; returns whether it was */
  spend (amount: number): boolean {
    this.#left = this.left - amount
    return this.#left >= 0
  }

  refund (amount: number): void {
    this.#left = Math.min(this.#init.burst, this.left + amount)
  }
}
