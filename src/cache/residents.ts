import type { DiskTier } from './disk/disk-tier.ts'
import type { EvictionPolicy } from './policy/eviction-policy.ts'
import type { Clock } from '../interface/clock.ts'

/** Not on disk yet: the policy was asked before it was written */
const COMING = -1
/** The policy has changed its mind while it was written */
const DOOMED = -2
const NONE = -1
const FIRST_TICKETS = 1_024

/** Requests that wait to be told to the policy: half a millisecond of its work */
const MAX_HEARD = 1_024
/** For how long, in ms: at a hundred thousand requests a second none is lost */
const HEARING_INTERVAL = 10

export interface ResidentsInit {
  readonly disk: DiskTier
  readonly policy: EvictionPolicy
  readonly clock: Clock
  /** For everything: what the policy may fill, what is authored and what is pinned */
  readonly capacity: number
}

/**
 * Which blocks on disk the policy knows, which of them it has given up (condemned: still there and readable until they
 * are drained), and which it does not decide about, because they are authored or pinned. The policy knows a block by a
 * ticket, since it is asked before the block is written: one that is declined costs the disk nothing.
 */
export class Residents {
  readonly #disk: DiskTier
  readonly #policy: EvictionPolicy
  readonly #capacity: number
  #slotOf = new Int32Array(FIRST_TICKETS)
  #ticketOf = new Int32Array(FIRST_TICKETS).fill(NONE)
  readonly #free: number[] = []
  #tickets = 0
  readonly #condemned = new Map<number, number>()
  /** Of those: who brought them may not have so much */
  readonly #final = new Set<number>()
  readonly #pinned = new Map<number, number>()
  /** Of authored blocks, by slot; 0 for all others */
  #authoredCost = new Int32Array(FIRST_TICKETS)
  readonly #clock: Clock
  readonly #hits = new Int32Array(MAX_HEARD)
  #heard = 0
  #cancel?: () => void
  #condemnedBytes = 0
  #pinnedBytes = 0
  #authoredBytes = 0

  constructor ({ disk, policy, clock, capacity }: ResidentsInit) {
    this.#clock = clock
    this.#disk = disk
    this.#policy = policy
    this.#capacity = capacity
  }

  /** Slots that have to go, in the order in which they were given up */
  get condemned (): ReadonlyMap<number, number> {
    return this.#condemned
  }

  get pinned (): ReadonlyMap<number, number> {
    return this.#pinned
  }

  /** On disk, records included, as all bytes here */
  get condemnedBytes (): number {
    return this.#condemnedBytes
  }

  get pinnedBytes (): number {
    return this.#pinnedBytes
  }

  /** What may be authored yet, if all that was fetched goes */
  get authorable (): number {
    return this.#capacity - this.#authoredBytes - this.#pinnedBytes
  }

  /** For what is fetched */
  get fetchable (): number {
    return this.#policy.capacity
  }

  /**
   * Somebody asked for a block that is there. The policy hears of it when it decides something, or soon: what it does
   * with a request takes longer than the whole rest of a hit in memory. Of requests that come faster than that, some
   * are not counted.
   */
  hit (slot: number): void {
    if (this.#heard === 0) {
      this.#cancel = this.#clock.schedule(HEARING_INTERVAL, () => { this.#hear() })
    }
    if (this.#heard < MAX_HEARD) {
      this.#hits[this.#heard++] = slot
    }
  }

  close (): void {
    this.#cancel?.()
    this.#hear()
  }

  #hear (): void {
    const heard = this.#heard
    this.#cancel?.()
    this.#cancel = undefined

    for (let i = 0; i < heard; i++) {
      this.#hit(this.#hits[i] as number)
    }
    this.#heard = 0
  }

  #hit (slot: number): void {
    const ticket = this.#ticketOf[slot] ?? NONE

    if (ticket !== NONE) {
      this.#policy.hit(ticket)
    } else if (this.#condemned.has(slot) && !this.#final.has(slot)) {
      // given up, and asked for again before it was gone
      this.#policy.miss(this.#disk.hash(slot))
      this.#add(slot)
    }
  }

  miss (hash: number): void {
    this.#policy.miss(hash)
  }

  /** @returns a ticket for a block that may be written; undefined when it is not worth what it would displace */
  enter (hash: number, cost: number): number | undefined {
    this.#hear()
    const ticket = this.#take()
    this.#slotOf[ticket] = COMING
    const victims = this.#policy.insert(ticket, hash, cost)
    this.#condemn(victims)

    if (victims.includes(ticket)) {
      this.#release(ticket)
      return undefined
    }
    return ticket
  }

  /** The block of a ticket was written */
  landed (ticket: number, slot: number): void {
    this.forget(slot)

    if (this.#slotOf[ticket] === DOOMED) {
      this.#release(ticket)
      this.condemn(slot)
    } else {
      this.#bind(ticket, slot)
    }
  }

  /** The block of a ticket could not be written */
  abandoned (ticket: number): void {
    if (this.#slotOf[ticket] !== DOOMED) {
      this.#policy.remove(ticket)
    }
    this.#release(ticket)
  }

  /** So many blocks are there at the start, each of which is about to be told of */
  reserve (blocks: number): void {
    this.#slotOf = grown(this.#slotOf, blocks, 0)
    this.#ticketOf = grown(this.#ticketOf, blocks, NONE)
  }

  /** A fetched block that is there: at the start, or taken back */
  add (slot: number): void {
    this.#hear()
    this.#add(slot)
  }

  #add (slot: number): void {
    this.forget(slot)
    const ticket = this.#take()
    this.#bind(ticket, slot)
    this.#condemn(this.#policy.insert(ticket, this.#disk.hash(slot), this.#disk.cost(slot)))
  }

  /**
   * It is there until the promises made about it have ended
   *
   * @param options.final - also when it is asked for again meanwhile
   */
  condemn (slot: number, options: { final?: boolean } = {}): void {
    this.forget(slot)
    const cost = this.#disk.cost(slot)
    this.#condemned.set(slot, cost)
    this.#condemnedBytes += cost
    if (options.final === true) {
      this.#final.add(slot)
    }
  }

  /**
   * What is authored takes its place from what is fetched
   *
   * @param expected - what `expect` was told
   */
  author (slot: number, expected = 0): void {
    this.#author(slot)
    this.#authoredBytes -= expected
    this.#resize()
  }

  authorAll (slots: readonly number[]): void {
    for (const slot of slots) {
      this.#author(slot)
    }
    this.#resize()
  }

  #author (slot: number): void {
    this.forget(slot)
    const cost = this.#disk.cost(slot)
    this.#authoredCost = grown(this.#authoredCost, slot + 1, 0)
    this.#authoredCost[slot] = cost
    this.#authoredBytes += cost
  }

  /** Makes room for an authored block that is about to be written */
  expect (cost: number): void {
    this.#authoredBytes += cost
    this.#resize()
  }

  /** What was expected could not be written */
  unexpect (cost: number): void {
    this.#authoredBytes -= cost
    this.#resize()
  }

  /** Somebody pinned what was to go */
  pin (slot: number): void {
    this.forget(slot)
    const cost = this.#disk.cost(slot)
    this.#pinned.set(slot, cost)
    this.#pinnedBytes += cost
    this.#resize()
  }

  /** Gone, or about to go, or somebody else's affair from now on */
  forget (slot: number): void {
    const ticket = this.#ticketOf[slot] ?? NONE

    if (ticket !== NONE) {
      this.#policy.remove(ticket)
      this.#release(ticket)
      this.#ticketOf[slot] = NONE
    }
    this.#forgotten(slot)
  }

  /** Gives up what is beyond that share of the capacity, if anything, and then goes on as before */
  shrink (share: number): void {
    this.#hear()
    const before = this.#policy.capacity
    this.#condemn(this.#policy.resize(Math.floor(before * share)))
    this.#condemn(this.#policy.resize(before))
  }

  save (): Uint8Array | undefined {
    this.#hear()
    return this.#policy.save?.()
  }

  restore (saved: Uint8Array): void {
    this.#policy.restore?.(saved)
  }

  #forgotten (slot: number): void {
    const condemned = this.#condemned.get(slot)
    const pinned = this.#pinned.get(slot)
    const authored = this.#authoredCost[slot] ?? 0

    if (condemned != null) {
      this.#condemned.delete(slot)
      this.#final.delete(slot)
      this.#condemnedBytes -= condemned
    }
    if (pinned != null) {
      this.#pinned.delete(slot)
      this.#pinnedBytes -= pinned
      this.#resize()
    }
    if (authored > 0) {
      this.#authoredCost[slot] = 0
      this.#authoredBytes -= authored
      this.#resize()
    }
  }

  #condemn (tickets: readonly number[]): void {
    for (const ticket of tickets) {
      const slot = this.#slotOf[ticket] as number

      if (slot === COMING) {
        this.#slotOf[ticket] = DOOMED
      } else if (slot >= 0) {
        this.#release(ticket)
        this.#ticketOf[slot] = NONE
        this.condemn(slot)
      }
    }
  }

  #resize (): void {
    this.#condemn(this.#policy.resize(Math.max(0, this.#capacity - this.#authoredBytes - this.#pinnedBytes)))
  }

  #bind (ticket: number, slot: number): void {
    this.#ticketOf = grown(this.#ticketOf, slot + 1, NONE)
    this.#slotOf[ticket] = slot
    this.#ticketOf[slot] = ticket
  }

  #take (): number {
    const ticket = this.#free.pop() ?? this.#tickets++
    this.#slotOf = grown(this.#slotOf, ticket + 1, 0)
    return ticket
  }

  #release (ticket: number): void {
    this.#free.push(ticket)
  }
}

function grown (array: Int32Array<ArrayBuffer>, length: number, fill: number): Int32Array<ArrayBuffer> {
  if (length <= array.length) {
    return array
  }
  const next = new Int32Array(Math.max(length, array.length * 2)).fill(fill)
  next.set(array)
  return next
}
