/** Clients that are known at once; of more the one that owns least is forgotten. About 1 MB when each owns little */
const MAX_CLIENTS = 4_096

/** Who stands for all clients that come while something is being written for each of those that are known */
const OTHERS = ''

interface Owned {
  bytes: number
  /** Being written */
  expected: number
  /** What each block costs, oldest first */
  readonly slots: Map<number, number>
}

/** Who brought which fetched block in: nobody may own more than a share of them. Forgotten when the cache is closed. */
export class Shares {
  readonly #limit: () => number
  readonly #clients = new Map<string, Owned>()
  readonly #owner = new Map<number, string>()

  /** @param limit - bytes that one client may own */
  constructor (limit: () => number) {
    this.#limit = limit
  }

  /** Whether a client could own so much besides what is being written for it, if all its blocks went */
  allows (client: string, cost: number): boolean {
    return cost + (this.#clients.get(client)?.expected ?? 0) <= this.#limit()
  }

  /** It is being written: what comes at once counts together. @returns who will own it, for `own` and `unexpect` */
  expect (client: string, cost: number): string {
    const name = this.#enter(client)
    this.#owned(name).expected += cost
    return name
  }

  /** It is `own`ed now, or was not written after all */
  unexpect (owner: string, cost: number): void {
    const owned = this.#owned(owner)
    owned.expected -= cost
    this.#tidy(owner, owned)
  }

  /** The client's own blocks that have to go before it may have one more, oldest first */
  excess (client: string, cost: number): number[] {
    const owned = this.#clients.get(client)
    const slots: number[] = []
    let over = (owned?.bytes ?? 0) + (owned?.expected ?? 0) + cost - this.#limit()

    for (const [slot, size] of owned?.slots ?? []) {
      if (over <= 0) {
        break
      }
      over -= size
      slots.push(slot)
    }
    return slots
  }

  own (client: string, slot: number, cost: number): void {
    this.forget(slot)
    const name = this.#enter(client)
    const owned = this.#owned(name)
    owned.slots.set(slot, cost)
    owned.bytes += cost
    this.#owner.set(slot, name)
  }

  forget (slot: number): void {
    const name = this.#owner.get(slot)

    if (name != null && this.#owner.delete(slot)) {
      const owned = this.#clients.get(name)
      if (owned != null) {
        owned.bytes -= owned.slots.get(slot) ?? 0
        owned.slots.delete(slot)
        this.#tidy(name, owned)
      }
    }
  }

  #owned (name: string): Owned {
    const owned = this.#clients.get(name) ?? { bytes: 0, expected: 0, slots: new Map<number, number>() }
    this.#clients.set(name, owned)
    return owned
  }

  #tidy (name: string, { expected, slots }: Owned): void {
    if (expected === 0 && slots.size === 0) {
      this.#clients.delete(name)
    }
  }

  /** @returns whose share it is. What the one owns who leaves the table belongs to nobody: it is little, and the policy's affair alone */
  #enter (client: string): string {
    if (this.#clients.has(client) || this.#clients.size < MAX_CLIENTS) {
      return client
    }
    let least: [string, Owned] | undefined
    for (const each of this.#clients) {
      if (each[1].expected === 0 && each[1].bytes < (least?.[1].bytes ?? Infinity)) {
        least = each
      }
    }
    if (least == null) {
      return OTHERS
    }
    for (const slot of least[1].slots.keys()) {
      this.#owner.delete(slot)
    }
    this.#clients.delete(least[0])
    return client
  }
}
