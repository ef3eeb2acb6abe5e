import { raceSignal } from './race-signal.ts'
import type { Clock } from '../interface/clock.ts'

/** Milliseconds that a walk may go on before others have a turn: a hundredth of what a person notices, some hundred entries */
const MAX_TURN = 5

/**
 * For walks over what is in memory, which may be long and wait for nothing: one of them at a time goes on for a few
 * milliseconds, then whatever else the process has to do comes first. However many they are, nobody waits for all of them.
 */
export class Turns {
  readonly #clock: Pick<Clock, 'now'>
  #last: Promise<void> = Promise.resolve()

  constructor (clock: Pick<Clock, 'now'>) {
    this.#clock = clock
  }

  /** @returns to be called, and awaited, after each step; rejects with the signal's reason when it aborts meanwhile */
  walk (signal?: AbortSignal): () => Promise<void> | undefined {
    let began = this.#clock.now()

    return () => {
      if (this.#clock.now() - began < MAX_TURN) {
        return undefined
      }
      this.#last = this.#last.then(nextTask)
      return raceSignal(this.#last, signal).then(() => { began = this.#clock.now() })
    }
  }
}

/** For work of which one piece at a time is done before whatever else the process has to do has its turn */
export class TaskTurns {
  #last?: Promise<void>

  /** @returns what to wait for before the next piece; undefined when none was done in this turn of the event loop */
  next (): Promise<void> | undefined {
    const before = this.#last
    const mine = (before ?? Promise.resolve()).then(nextTask).then(() => {
      if (this.#last === mine) {
        this.#last = undefined
      }
    })
    this.#last = mine
    return before
  }
}

/** Not by the clock: its timers keep no process alive, and a walk is somebody's work */
export async function nextTask (): Promise<void> {
  await new Promise<void>(resolve => { soon(resolve) })
}

/** Browsers have only timers for this */
const soon: (fn: () => void) => unknown = (globalThis as { setImmediate?: (fn: () => void) => unknown }).setImmediate ?? (fn => setTimeout(fn, 0))
