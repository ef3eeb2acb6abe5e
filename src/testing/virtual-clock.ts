import { waits } from '../clock/system-clock.ts'
import { before, pop, push } from './timer-heap.ts'
import type { Due } from './timer-heap.ts'
import type { Clock, TimeoutSignal } from '../interface/clock.ts'

interface Timer extends Due {
  fn: (() => void) | undefined
}

/** 2026-01-01: virtual days start on a day that exists */
const EPOCH = 1_767_225_600_000

/**
 * Time that only passes when nothing else is left to do. Whole days run in
 * milliseconds, and every run with the same seed is the same run.
 *
 * @example
 *
 * ```ts
 * const clock = new VirtualClock()
 * const answer = clock.sleep(60_000).then(() => 42)
 * await clock.run(answer) // 42, at once
 * ```
 */
export class VirtualClock implements Clock {
  #now = 0
  #order = 0
  #heap: Timer[] = []
  #cancelled = 0
  readonly sleep: Clock['sleep']
  readonly timeout: (ms: number) => TimeoutSignal

  constructor () {
    const { sleep, timeout } = waits((ms, fn) => this.schedule(ms, fn))
    this.sleep = sleep
    this.timeout = timeout
  }

  now (): number {
    return this.#now
  }

  wall (): number {
    return EPOCH + this.#now
  }

  /** Timers that have neither fired nor been cancelled */
  get pending (): number {
    return this.#heap.length - this.#cancelled
  }

  /** Timers in memory: cancelled ones stay until they are half of all */
  get held (): number {
    return this.#heap.length
  }

  schedule (ms: number, fn: () => void): () => void {
    if (Number.isNaN(ms)) {
      throw new TypeError('A timer needs a number of milliseconds, got NaN')
    }

    const timer: Timer = { at: this.#now + Math.max(0, ms), order: this.#order++, fn }
    push(this.#heap, timer)
    return () => {
      if (timer.fn != null) {
        timer.fn = undefined
        this.#cancelled++
        this.#compact()
      }
    }
  }

  /** Lets everything happen until the promise settles; throws when it never would */
  async run<T> (until: Promise<T>): Promise<T> {
    let settled = false
    const finished = until.finally(() => { settled = true })
    // observed below; until then a rejection must not count as unhandled
    finished.catch(() => {})

    for (;;) {
      await quiet()

      if (settled) {
        return finished
      }

      if (!this.#step(Infinity)) {
        await quiet()

        if (!settled) {
          throw new Error(`Nothing is scheduled at ${this.#now} ms and the promise is still pending: it would never settle`)
        }
      }
    }
  }

  /** Lets everything happen that is due within the next `ms`, its very end included */
  async advance (ms: number): Promise<void> {
    if (!(ms >= 0) || ms === Infinity) {
      throw new RangeError(`Time advances by a finite number of milliseconds, not by ${ms}`)
    }

    const end = this.#now + ms
    await quiet()

    while (this.#step(end)) {
      await quiet()
    }

    this.#now = Math.max(this.#now, end)
  }

  /** Most timers of a simulated network are deadlines that are cancelled long before they are due */
  #compact (): void {
    if (this.#cancelled > 64 && this.#cancelled > this.#heap.length / 2) {
      // sorted is a heap, too
      this.#heap = this.#heap.filter(timer => timer.fn != null).sort((a, b) => before(a, b) ? -1 : 1)
      this.#cancelled = 0
    }
  }

  /** Fires the next timer that is due by `end` */
  #step (end: number): boolean {
    for (;;) {
      const next = this.#heap[0]

      // what is infinitely far away never comes, not even to those who wait for ever
      if (next == null || next.at > end || next.at === Infinity) {
        return false
      }

      pop(this.#heap)

      if (next.fn == null) {
        this.#cancelled--
      } else {
        this.#now = Math.max(this.#now, next.at)
        const { fn } = next
        next.fn = undefined
        fn()
        return true
      }
    }
  }
}

/** Resolves when no microtask is left: everything that could happen without time passing has happened */
async function quiet (): Promise<void> {
  await new Promise<void>(resolve => { afterMicrotasks(resolve) })
}

const afterMicrotasks: (fn: () => void) => void = (globalThis as { setImmediate?: (fn: () => void) => void }).setImmediate ?? viaChannel

/** Where there is no `setImmediate`: a message is a task of its own too */
function viaChannel (fn: () => void): void {
  const { port1, port2 } = new MessageChannel()
  port1.onmessage = () => {
    port1.close()
    fn()
  }
  port2.postMessage(undefined)
}
