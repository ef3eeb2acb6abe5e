import type { Clock } from '../../interface/clock.ts'

/** Up to here the system takes a record in less time than the way to another thread and back (1 KiB 2.5 us, 8.5 KB 9, of 17 to 25) */
const MAX_RECORD_BYTES = 20_480
/**
 * In a row, before one goes to a thread: others have their turn then, and the disk is asked whether it answers. A write
 * by a thread wakes it, for which the system may let this one wait: of runs of 128, that was a quarter of all on a busy machine.
 */
const MAX_RUN = 1_024
const MAX_RUN_BYTES = 2_097_152
/** From the first in a row, in ms: as long as the others wait */
const MAX_RUN_TIME = 8
/** Milliseconds from which the disk is not prompt: a writer to memory waits so long when the system has no room for more; less is what a thread waits for a processor that many share */
const SLOW = 100
/** How long it is left to threads then, in ms; twice as long each time, up to an hour */
const FIRST_REST = 60_000
const MAX_REST = 3_600_000

/**
 * When a small write may be made on the thread that asks for it. Such a write goes to memory of the system, and only
 * one that hangs there stops the process; so it is allowed in short runs, each of which a write by a thread precedes
 * that was prompt itself, and after one that was not there are none for a while.
 */
export class PromptWrites {
  readonly #clock: Clock
  #left = 0
  #leftBytes = 0
  #runUntil = 0
  #restUntil = -Infinity
  #rest = FIRST_REST

  constructor (clock: Clock) {
    this.#clock = clock
  }

  /** @param beside - bytes that go in the same call */
  allows (bytes: number, beside = 0): boolean {
    return bytes <= MAX_RECORD_BYTES && this.#left > 0 && bytes + beside <= this.#leftBytes
  }

  /** Runs a write on this thread. @returns what it returns, or 0 when it failed: a thread finds out why */
  run (bytes: number, write: () => number): number {
    const began = this.#clock.now()
    this.#left--
    this.#leftBytes -= bytes
    if (this.#runUntil === 0) {
      this.#runUntil = began + MAX_RUN_TIME
    }

    try {
      return write()
    } catch {
      // the same write is made once more, by a thread, which has the error for whoever waits
      this.#end()
      return 0
    } finally {
      const now = this.#clock.now()
      if (now - began > SLOW) {
        this.#end()
        this.#rest = Math.min(this.#rest * 2, MAX_REST)
      } else if (now > this.#runUntil) {
        this.#left = 0
      }
    }
  }

  /** A write by a thread is over */
  answered (began: number, failed: boolean): void {
    const now = this.#clock.now()

    if (failed) {
      this.#end()
    } else if (now - began > SLOW) {
      // perhaps it was the process that was slow: the next one tells
      this.#left = 0
    } else if (now >= this.#restUntil) {
      this.#left = MAX_RUN
      this.#runUntil = 0
      this.#leftBytes = MAX_RUN_BYTES
    }
  }

  #end (): void {
    this.#left = 0
    this.#restUntil = this.#clock.now() + this.#rest
  }
}
