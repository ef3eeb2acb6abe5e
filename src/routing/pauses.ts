import type { Clock } from '../interface/clock.ts'

/** Timers by name, one of each at a time: a second start of the same pause changes nothing */
export class Pauses<Name extends string> {
  readonly #clock: Clock
  readonly #pending = new Map<Name, () => void>()

  constructor (clock: Clock) {
    this.#clock = clock
  }

  has (name: Name): boolean {
    return this.#pending.has(name)
  }

  start (name: Name, ms: number, fn: () => void): void {
    if (!this.#pending.has(name)) {
      this.#pending.set(name, this.#clock.schedule(ms, () => {
        this.#pending.delete(name)
        fn()
      }))
    }
  }

  end (): void {
    this.#pending.forEach(cancel => { cancel() })
    this.#pending.clear()
  }
}
