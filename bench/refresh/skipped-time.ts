/**
 * Time that is skipped while nobody does anything: all timers of the process
 * and all its clocks go by it. An hour of a network in memory takes as long as
 * what is computed in it, and computing takes no time at all.
 */

import { pop, push } from '../../src/testing/timer-heap.ts'

interface Timer {
  at: number
  order: number
  readonly every: number | undefined
  readonly handle: Handle
  run (): void
}

/** What `setTimeout` returns: cleared, it is no longer live */
interface Handle {
  live: boolean
  ref (): Handle
  unref (): Handle
  hasRef (): boolean
  refresh (): Handle
}

/** Turns of the event loop in which nothing was asked of a timer: then all that was to be done is done */
const QUIET_TURNS = 3

export class SkippedTime {
  readonly #startedAt = performance.now()
  readonly #wallAt = Date.now()
  readonly #heap: Timer[] = []
  #now = 0
  #order = 0
  /** Counts what was asked of timers */
  #stirred = 0
  #restore: () => void = () => {}

  /** Milliseconds since it was made */
  get now (): number {
    return this.#now
  }

  install (): void {
    const realNow = Object.getOwnPropertyDescriptor(performance, 'now')
    const { now: realDateNow } = Date
    const { setTimeout: realSetTimeout, clearTimeout: realClearTimeout, setInterval: realSetInterval, clearInterval: realClearInterval } = globalThis
    const { timeout: realTimeout } = AbortSignal

    globalThis.setTimeout = this.#setter(false) as unknown as typeof setTimeout
    globalThis.setInterval = this.#setter(true) as unknown as typeof setInterval
    globalThis.clearTimeout = clear as typeof clearTimeout
    globalThis.clearInterval = clear as typeof clearInterval
    performance.now = () => this.#startedAt + this.#now
    Date.now = () => Math.floor(this.#wallAt + this.#now)
    AbortSignal.timeout = ms => {
      const controller = new AbortController()
      setTimeout(() => { controller.abort(new DOMException('The operation was aborted due to timeout', 'TimeoutError')) }, ms)
      return controller.signal
    }

    this.#restore = () => {
      globalThis.setTimeout = realSetTimeout
      globalThis.setInterval = realSetInterval
      globalThis.clearTimeout = realClearTimeout
      globalThis.clearInterval = realClearInterval
      if (realNow == null) {
        // it is the prototype's
        Reflect.deleteProperty(performance, 'now')
      } else {
        Object.defineProperty(performance, 'now', realNow)
      }
      Date.now = realDateNow
      AbortSignal.timeout = realTimeout
    }
  }

  uninstall (): void {
    this.#restore()
  }

  /** Time goes on until the promise has settled */
  async until<T> (promise: Promise<T>): Promise<T> {
    let settled = false
    const done = (): void => { settled = true }
    promise.then(done, done)

    while (!settled) {
      await this.#quiet(() => settled)

      if (!settled && !this.#advance()) {
        throw new Error('Nothing is left that could happen')
      }
    }

    return promise
  }

  async #quiet (stop: () => boolean): Promise<void> {
    for (let turns = 0, seen = this.#stirred; turns < QUIET_TURNS && !stop(); turns++) {
      await new Promise(resolve => { setImmediate(resolve) })

      if (seen !== this.#stirred) {
        seen = this.#stirred
        turns = 0
      }
    }
  }

  /** All that is due next */
  #advance (): boolean {
    let first = pop(this.#heap)

    while (first?.handle.live === false) {
      first = pop(this.#heap)
    }
    if (first == null) {
      return false
    }
    this.#now = Math.max(this.#now, first.at)
    this.#fire(first)

    while (this.#heap[0] != null && this.#heap[0].at <= this.#now) {
      this.#fire(pop(this.#heap) as Timer)
    }
    return true
  }

  #fire (timer: Timer): void {
    if (!timer.handle.live) {
      return
    }
    if (timer.every == null) {
      timer.handle.live = false
    } else {
      timer.at = this.#now + timer.every
      timer.order = this.#order++
      this.#push(timer)
    }
    timer.run()
  }

  #setter (repeats: boolean): (fn: (...args: unknown[]) => void, ms?: number, ...args: unknown[]) => Handle {
    return (fn, ms = 0, ...args) => {
      const wait = ms >= 1 && ms < 2 ** 31 ? Math.trunc(ms) : 1
      const handle: Handle = { live: true, ref: () => handle, unref: () => handle, hasRef: () => true, refresh: () => handle }
      this.#push({ at: this.#now + wait, order: this.#order++, every: repeats ? wait : undefined, handle, run: () => { fn(...args) } })
      return handle
    }
  }

  #push (timer: Timer): void {
    this.#stirred++
    push(this.#heap, timer)
  }
}

function clear (handle: Handle | undefined): void {
  if (handle != null && typeof handle === 'object') {
    handle.live = false
  }
}
