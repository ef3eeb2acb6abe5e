/** Clients that are told apart; those beyond have one share together. About 1 MB when each owns little */
const MAX_CLIENTS = 4_096

/** Who stands for all clients that came when the table was full */
const OTHERS = ''

interface Owned {
  bytes: number
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

  /** Whether a client could own so much, if its own oldest blocks went */
  allows (cost: number): boolean {
    return cost <= this.#limit()
  }

  /** The client's own blocks that have to go before it may have one more, oldest first */
  excess (client: string, cost: number): number[] {
    const owned = this.#clients.get(this.#name(client))
    const slots: number[] = []
    let over = (owned?.bytes ?? 0) + cost - this.#limit()

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
    const name = this.#name(client)
    const owned = this.#clients.get(name) ?? { bytes: 0, slots: new Map<number, number>() }
    owned.slots.set(slot, cost)
    owned.bytes += cost
    this.#clients.set(name, owned)
    this.#owner.set(slot, name)
  }

  forget (slot: number): void {
    const name = this.#owner.get(slot)

    if (name != null) {
      const owned = this.#clients.get(name)
      this.#owner.delete(slot)
      if (owned != null) {
        owned.bytes -= owned.slots.get(slot) ?? 0
        owned.slots.delete(slot)
        if (owned.slots.size === 0) {
          this.#clients.delete(name)
        }
      }
    }
  }

  #name (client: string): string {
    return this.#clients.has(client) || this.#clients.size < MAX_CLIENTS ? client : OTHERS
  }
}
