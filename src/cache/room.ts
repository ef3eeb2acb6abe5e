import { raceSignal } from '../clock/race-signal.ts'
import { Progress } from './progress.ts'
import { cidOf } from './slot-cid.ts'
import type { DiskTier } from './disk/disk-tier.ts'
import type { Residents } from './residents.ts'
import type { Clock } from '../interface/clock.ts'
import type { Logger } from '../interface/logger.ts'
import type { CID } from 'multiformats/cid'

/** Blocks that go at once: one record of what was removed, and one round of questions about pins */
const BATCH = 256

/** Condemned bytes that start a drain: below this share of the disk it is not worth the records */
const DRAIN_SHARE = 1 / 64
const MAX_DRAIN_START = 16_777_216

/** How often a writer who waits looks at the files, in ms: the disk gives back space without saying so */
const POLL = 200

/** A store of pins that does not answer within so many ms says nothing; it is asked again after as long */
const PIN_TIMEOUT = 5_000

/** How often it is asked whether what was pinned still is, in ms: pins change by hand */
const PIN_INTERVAL = 60_000

/** So many pinned blocks are asked about in one round, the others in the next ones */
const PINS_PER_ROUND = 1_024

export type IsPinned = (cid: CID) => boolean | Promise<boolean>

export interface RoomInit {
  readonly disk: DiskTier
  readonly residents: Residents
  readonly clock: Clock
  readonly log: Logger
  readonly maxBytes: number
  /** These are going now */
  evicting (slots: readonly number[], bytes: number): void
  failed (what: string, err: unknown): void
}

/** Keeps the files within their limit: gives what is condemned back to the disk, and room to whoever writes, first come, first served */
export class Room {
  readonly #init: RoomInit
  readonly #progress: Progress
  readonly #queue: symbol[] = []
  #taken = 0
  #working?: Promise<void>
  #cancel?: () => void
  #isPinned: IsPinned = () => false
  #askPins = 0
  /** Pins could not be looked up: nothing is evicted until then */
  #pinsAgain = 0
  #closed = false

  constructor (init: RoomInit) {
    this.#init = init
    this.#progress = new Progress(init.clock)
  }

  attachPins (isPinned: IsPinned): void {
    this.#isPinned = isPinned
  }

  /** One whose pins cannot be looked up is taken for pinned */
  async isPinned (cid: CID): Promise<boolean> {
    return await this.#ask(cid) ?? true
  }

  /** Undefined when it cannot be looked up */
  async #ask (cid: CID): Promise<boolean | undefined> {
    const { clock, log } = this.#init
    using timeout = clock.timeout(PIN_TIMEOUT)
    try {
      return await raceSignal((async () => this.#isPinned(cid))(), timeout.signal)
    } catch (err) {
      if (clock.now() >= this.#pinsAgain) {
        log.error('it could not be found out whether %c is pinned, so it stays, as do all others for now - %e', cid, err)
      }
      this.#pinsAgain = clock.now() + PIN_TIMEOUT
      return undefined
    }
  }

  /** Whether nobody has to wait for so much */
  fits (cost: number): boolean {
    return this.#queue.length === 0 && this.#fits(cost)
  }

  /** Room for a record, until `release`; false when there is none within `ms` */
  async take (cost: number, ms: number): Promise<boolean> {
    if (this.fits(cost)) {
      this.#taken += cost
      this.#kick()
      return true
    }
    const { clock } = this.#init
    const until = clock.now() + ms
    const me = Symbol('writer')
    this.#queue.push(me)

    try {
      while (!this.#closed) {
        if (this.#queue[0] === me && this.#fits(cost)) {
          this.#taken += cost
          return true
        }
        const left = until - clock.now()
        if (left <= 0) {
          return false
        }
        this.#makeRoom(cost)
        await this.#progress.next(Math.min(left, POLL))
      }
      return false
    } finally {
      this.#queue.splice(this.#queue.indexOf(me), 1)
      this.#progress.notify()
    }
  }

  /** The record was written, or never will be */
  release (cost: number): void {
    this.#taken -= cost
    this.#kick()
    this.#progress.notify()
  }

  /** All that is condemned and may go is gone when it resolves */
  async drain (signal?: AbortSignal): Promise<void> {
    await this.#repin()
    await raceSignal(this.#run(), signal)
  }

  async close (): Promise<void> {
    this.#closed = true
    this.#cancel?.()
    this.#progress.notify()
    await this.#working
  }

  #fits (cost: number): boolean {
    return this.#init.disk.usage().files + this.#taken + cost <= this.#init.maxBytes
  }

  #kick (): void {
    const { residents, maxBytes } = this.#init

    if (residents.condemnedBytes > Math.min(MAX_DRAIN_START, maxBytes * DRAIN_SHARE)) {
      void this.#run()
    }
  }

  #makeRoom (cost: number): void {
    const { residents, disk, maxBytes } = this.#init

    if (residents.condemned.size > 0) {
      void this.#run()
    } else if (disk.usage().live + this.#taken + cost <= maxBytes) {
      void this.#once(async () => (await disk.compact()).freedBytes > 0)
    }
  }

  async #run (): Promise<void> {
    await this.#once(async () => this.#drain())
  }

  /** One at a time; those who come while it runs wait for that one. `work` says whether it made room */
  async #once (work: () => Promise<boolean>): Promise<void> {
    this.#working ??= (async () => {
      let more = false
      try {
        more = await work()
      } catch (err) {
        this.#init.failed('giving back space', err)
      } finally {
        this.#working = undefined
        if (more) {
          this.#progress.notify()
        }
      }
    })()
    await this.#working
  }

  async #drain (): Promise<boolean> {
    const { clock, residents } = this.#init

    if (clock.now() >= this.#askPins) {
      await this.#repin()
    }
    this.#cancel?.()
    this.#cancel = undefined

    let evicted = false
    for (let due = this.#due(); due.length > 0 && !this.#closed; due = this.#due()) {
      evicted = await this.#evict(await this.#unpinned(due)) || evicted
      this.#progress.notify()
    }
    if (residents.condemned.size > 0 && !this.#closed) {
      this.#cancel = clock.schedule(Math.max(this.#untilNext(), this.#pinsAgain - clock.now()), () => { void this.#run() })
    }
    return evicted
  }

  #due (): number[] {
    const { clock, disk, residents } = this.#init
    const now = clock.now()
    const due: number[] = []

    if (now < this.#pinsAgain) {
      return due
    }
    for (const slot of residents.condemned.keys()) {
      if (disk.promisedUntil(slot) <= now && due.push(slot) === BATCH) {
        break
      }
    }
    return due
  }

  #untilNext (): number {
    const { clock, disk, residents } = this.#init
    let next = Infinity

    for (const slot of residents.condemned.keys()) {
      next = Math.min(next, disk.promisedUntil(slot))
    }
    return Math.max(1, next - clock.now())
  }

  async #unpinned (slots: readonly number[]): Promise<Array<{ slot: number, hash: number }>> {
    const { disk, residents } = this.#init
    const known = slots.map(slot => ({ slot, hash: disk.hash(slot) }))
    const pinned = await Promise.all(slots.map(async slot => this.#pinned(slot)))

    return known.filter(({ slot, hash }, i) => {
      if (!residents.condemned.has(slot) || disk.hash(slot) !== hash) {
        return false
      }
      if (pinned[i] === true) {
        residents.pin(slot)
      }
      return pinned[i] === false
    })
  }

  async #evict (blocks: ReadonlyArray<{ slot: number, hash: number }>): Promise<boolean> {
    const { clock, disk, residents, evicting } = this.#init
    const now = clock.now()
    // somebody may have been promised one while pins were asked about
    const slots = blocks.map(({ slot }) => slot).filter(slot => disk.promisedUntil(slot) <= now)

    if (slots.length > 0) {
      evicting(slots, slots.reduce((sum, slot) => sum + disk.size(slot), 0))
      for (const slot of slots) {
        residents.forget(slot)
      }
      await disk.remove(slots)
    }
    return slots.length > 0
  }

  /** What is pinned no more is the policy's affair again */
  async #repin (): Promise<void> {
    const { clock, residents } = this.#init
    this.#askPins = clock.now() + PIN_INTERVAL

    for (const slot of residents.pinned.keys().take(PINS_PER_ROUND).toArray()) {
      const pinned = await this.#pinned(slot)

      if (residents.pinned.has(slot)) {
        if (pinned === false) {
          residents.add(slot)
        } else {
          residents.pin(slot)
        }
      }
    }
  }

  async #pinned (slot: number): Promise<boolean | undefined> {
    try {
      const cid = await cidOf(this.#init.disk, slot)
      return cid == null ? false : await this.#ask(cid)
    } catch (err) {
      this.#init.log.error('it cannot be read which block is to go - %e', err)
      // what nobody can name nobody can ask for, unless the disk will tell later
      return (err as Error).name !== 'DamagedBlockError'
    }
  }
}
