import { presetOf } from '../interface/privacy-preset.ts'
import type { Clock, Random } from '../interface/clock.ts'
import type { SwitchesOf } from '../interface/privacy-preset.ts'
import type { Request } from '../interface/request.ts'

/** Lookups that leave together: more do not wait for others */
const MAX_BATCH = 64
/** Share of the delay that is never drawn less: a batch of one hides nothing but the moment */
const LEAST_SHARE = 0.25
/** Share of what is left to a read that its lookup may wait: most of it is for the answer and the block */
const DEADLINE_SHARE = 0.25

/** Whoever is about to look something up: until his batch leaves */
export type LookupTurn = (request: Pick<Request, 'mode' | 'signal' | 'deadline'>) => Promise<void>

interface Waiting {
  leave (): void
}

/**
 * Lookups wait for each other, where their mode says so: after a time that dice
 * draw all that have come leave together, in an order that dice draw too. When
 * they arrive then says little about when they were wanted, and in which order.
 */
export class LookupBatches {
  readonly #components: { readonly clock: Clock, readonly random: Random }
  readonly #switches: SwitchesOf
  readonly #waiting = new Set<Waiting>()
  #leavesAt = Infinity
  #cancel: () => void = () => {}

  constructor (components: { clock: Clock, random: Random }, switches: SwitchesOf = presetOf) {
    this.#components = components
    this.#switches = switches
  }

  /** Lookups that wait */
  get size (): number {
    return this.#waiting.size
  }

  /** Resolves when the lookup may leave. Rejects with the reason of its signal. */
  readonly turn: LookupTurn = async ({ mode, signal, deadline }) => {
    const delay = this.#switches(mode).lookupDelay
    signal.throwIfAborted()

    if (delay === 0) {
      return
    }
    const { clock, random } = this.#components
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const waiting: Waiting = { leave: resolve }
    const onAbort = (): void => { reject(signal.reason as Error) }
    const now = clock.now()
    const drawn = this.#waiting.size > 0 ? this.#leavesAt : now + delay * (LEAST_SHARE + (1 - LEAST_SHARE) * random.next())

    this.#waiting.add(waiting)
    this.#leaveAt(Math.min(drawn, now + Math.max(0, deadline - now) * DEADLINE_SHARE), now)
    signal.addEventListener('abort', onAbort, { once: true })

    if (this.#waiting.size >= MAX_BATCH) {
      this.#leave()
    }
    try {
      await promise
    } finally {
      signal.removeEventListener('abort', onAbort)
      this.#waiting.delete(waiting)

      if (this.#waiting.size === 0) {
        this.#cancel()
        this.#leavesAt = Infinity
      }
    }
  }

  #leaveAt (at: number, now: number): void {
    if (at < this.#leavesAt) {
      this.#cancel()
      this.#leavesAt = at
      this.#cancel = this.#components.clock.schedule(at - now, () => { this.#leave() })
    }
  }

  #leave (): void {
    const { random } = this.#components
    const batch = [...this.#waiting]
    this.#cancel()
    this.#leavesAt = Infinity
    this.#waiting.clear()

    for (let left = batch.length; left > 0; left--) {
      const [next] = batch.splice(Math.floor(random.next() * left), 1)
      next?.leave()
    }
  }
}
