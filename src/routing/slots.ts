import { Lines } from './lines.ts'
import { ProviderLimits } from './provider-limits.ts'
import type { ProviderId } from '../interface/provider.ts'

export interface SlotLimits {
  /** Attempts in flight over all reads: sockets and memory, at 2 MiB a block half a gigabyte */
  readonly global: number
  /** Most attempts in flight at one provider; fewer until it has shown that it bears them */
  readonly perProvider: number
  /** Most attempts in flight of one client or session; above a quarter only while a third as many are free */
  readonly perClient: number
  /** Reads waiting for a slot; more are turned away */
  readonly queue: number
}

/**
 * 128 at one provider: with blocks of 16 KiB they fill a line of 80 MB/s and 25 ms,
 * and no Kubo or CDN minds them. 192 of one client leave a quarter to whoever comes next.
 */
export const DEFAULT_LIMITS: SlotLimits = { global: 256, perProvider: 128, perClient: 192, queue: 100_000 }

/** Of all attempts, what a client may have whatever others have: four cannot starve the rest */
const FAIR_SHARE = 1 / 4

/** Above it a client has at most this many times what is free: alone three quarters, two of them three sevenths each, and a newcomer finds room */
const TIMES_FREE = 3

interface Waiter {
  readonly client: string
  readonly priority: number
  readonly start: () => void
}

interface Wanting {
  readonly priority: number
  /** True when it took the place */
  readonly wake: () => boolean
}

/**
 * Slots for attempts, handed out round-robin over clients and by priority within
 * one. p-queue orders by priority only: one client with a thousand reads would
 * keep everybody else waiting.
 */
export class AttemptSlots {
  readonly #limits: SlotLimits
  readonly #queues = new Map<string, Waiter[]>()
  readonly #perClient = new Map<string, number>()
  readonly #perProvider = new Map<ProviderId, number>()
  readonly #wanting = new Map<string, Wanting[]>()
  /** By who answers */
  readonly providers: ProviderLimits
  /** The same */
  readonly lines = new Lines()
  #inFlight = 0
  #queued = 0

  constructor (limits: SlotLimits = DEFAULT_LIMITS) {
    this.#limits = limits
    this.providers = new ProviderLimits(limits.perProvider)
  }

  get inFlight (): number {
    return this.#inFlight
  }

  get queued (): number {
    return this.#queued
  }

  get full (): boolean {
    return this.#queued >= this.#limits.queue
  }

  /** By who answers (see `answererOf`): under many names it is one */
  providerInFlight (id: ProviderId): number {
    return this.#perProvider.get(id) ?? 0
  }

  /** Takes a slot at once when one is free and nobody waits before us */
  tryAcquire (client: string): boolean {
    const { perClient } = this.#limits
    const all = this.#limits.global
    const held = this.#perClient.get(client) ?? 0
    const free = all - this.#inFlight

    if (free <= 0 || held >= perClient || (held >= all * FAIR_SHARE && held >= TIMES_FREE * free)) {
      return false
    }

    this.#inFlight++
    this.#perClient.set(client, held + 1)
    return true
  }

  /** Queues for a slot; `start` runs holding one. Returns how to leave the queue. */
  enqueue (client: string, priority: number, start: () => void): () => void {
    const waiter: Waiter = { client, priority, start }
    const queue = this.#queues.get(client) ?? []
    const index = queue.findLastIndex(other => other.priority >= priority)
    queue.splice(index + 1, 0, waiter)
    this.#queues.set(client, queue)
    this.#queued++

    return () => {
      const at = queue.indexOf(waiter)

      if (at !== -1) {
        queue.splice(at, 1)
        this.#queued--

        if (queue.length === 0 && this.#queues.get(client) === queue) {
          this.#queues.delete(client)
        }
      }
    }
  }

  release (client: string): void {
    this.#inFlight--
    const left = (this.#perClient.get(client) ?? 1) - 1

    if (left <= 0) {
      this.#perClient.delete(client)
    } else {
      this.#perClient.set(client, left)
    }

    this.#drain()
  }

  enter (id: ProviderId): void {
    this.#perProvider.set(id, this.providerInFlight(id) + 1)
  }

  leave (id: ProviderId): void {
    const left = this.providerInFlight(id) - 1

    if (left <= 0) {
      this.#perProvider.delete(id)
    } else {
      this.#perProvider.set(id, left)
    }

    this.#offerRoom()
  }

  /** Calls `wake` when a provider has room again, in turn with other clients, until the returned function is called */
  whenRoom (client: string, priority: number, wake: () => boolean): () => void {
    const wanting: Wanting = { priority, wake }
    const list = this.#wanting.get(client) ?? []
    list.splice(list.findLastIndex(other => other.priority >= priority) + 1, 0, wanting)
    this.#wanting.set(client, list)

    return () => {
      const at = list.indexOf(wanting)

      if (at !== -1) {
        list.splice(at, 1)
      }

      if (list.length === 0 && this.#wanting.get(client) === list) {
        this.#wanting.delete(client)
      }
    }
  }

  #offerRoom (): void {
    for (const [client, list] of this.#wanting) {
      if ([...list].some(({ wake }) => wake())) {
        // back of the line: the next room goes to another client
        const left = this.#wanting.get(client)

        if (left != null) {
          this.#wanting.delete(client)
          this.#wanting.set(client, left)
        }

        return
      }
    }
  }

  #drain (): void {
    for (const [client, queue] of this.#queues) {
      if (this.#inFlight >= this.#limits.global) {
        return
      }

      const waiter = queue[0]

      if (waiter == null || !this.tryAcquire(client)) {
        continue
      }

      queue.shift()
      this.#queued--
      this.#queues.delete(client)

      // back of the line: the next slot goes to another client
      if (queue.length > 0) {
        this.#queues.set(client, queue)
      }

      waiter.start()
      return
    }
  }
}
