import { raceSignal } from '../clock/race-signal.ts'
import { Pins } from './pins.ts'
import { Progress } from './progress.ts'
import { cidOf } from './slot-cid.ts'
import type { DiskTier, DiskUsage } from './disk/disk-tier.ts'
import type { Residents } from './residents.ts'
import type { Clock } from '../interface/clock.ts'
import type { Logger } from '../interface/logger.ts'
import type { CID } from 'multiformats/cid'

/** Blocks that go at once: one record of what was removed, and one round of questions about pins */
const BATCH = 256

/** Condemned bytes that start a drain: below this share of the disk it is not worth the records */
const DRAIN_SHARE = 1 / 64
const MAX_DRAIN_START = 16_777_216

/** Bytes that are gone and whose space was not given back, of all files: below this it costs sixteen bytes of copying to get one, and promises end soon */
const WORTHWHILE = 1 / 16

/** Between two rounds that nobody waits for, in ms: each looks at all that is condemned */
const REST = 20

/** How often a writer who waits looks at the files, in ms: the disk gives back space without saying so */
const POLL = 200

/** How often it is asked whether what was pinned still is, in ms: pins change by hand */
const PIN_INTERVAL = 60_000

/** So many pinned blocks are asked about in one round, the others in the next ones */
const PINS_PER_ROUND = 1_024

/** A block that was asked about before it goes */
interface Asked {
  readonly slot: number
  readonly hash: number
  /** Undefined when it has gone, or nobody can name it */
  readonly cid?: CID
  /** Undefined when that cannot be looked up */
  readonly pinned?: boolean
}

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
  readonly pins: Pins
  readonly #progress: Progress
  readonly #queue: Array<{ readonly cost: number }> = []
  #taken = 0
  #wanted = 0
  #working?: Promise<void>
  #copying?: Promise<void>
  #next?: { readonly at: number, readonly cancel: () => void }
  #restUntil = -Infinity
  readonly #closing = new AbortController()
  #askPins = 0

  constructor (init: RoomInit) {
    this.#init = init
    this.pins = new Pins(init)
    this.#progress = new Progress(init.clock)
  }

  /** Whether nobody has to wait for so much */
  fits (cost: number): boolean {
    return this.#queue.length === 0 && this.#fits(cost)
  }

  /** Somebody who did not wait would have used so much: the next one may find it */
  want (cost: number): void {
    this.#wanted = cost
    this.#runIn(this.#restUntil - this.#init.clock.now())
  }

  /** Room for a record, until `release`, where nobody has to wait for it */
  takeNow (cost: number): boolean {
    const fits = this.fits(cost)

    if (fits) {
      this.#taken += cost
      this.#kick()
    }
    return fits
  }

  /** As `takeNow`; false when there is none within `ms` */
  async take (cost: number, ms: number): Promise<boolean> {
    if (this.takeNow(cost)) {
      return true
    }
    const { clock } = this.#init
    const until = clock.now() + ms
    const me = { cost }
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
        void this.#run()
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
    this.changed()
  }

  /** A record was written that has taken no room before */
  changed (): void {
    this.#kick()
    this.#progress.notify()
  }

  /** All that is condemned and may go is gone when it resolves */
  async drain (signal?: AbortSignal): Promise<void> {
    await this.#repin()
    // what is under way may have looked before the last one was condemned
    await raceSignal((async () => {
      await this.#working
      await this.#run()
    })(), signal)
  }

  async close (): Promise<void> {
    this.#closing.abort(new Error('the cache is being closed'))
    this.#next?.cancel()
    this.#progress.notify()
    await this.#working
    await this.#copying
  }

  get #closed (): boolean {
    return this.#closing.signal.aborted
  }

  #fits (cost: number): boolean {
    return cost <= this.#free(this.#init.disk.usage())
  }

  #free ({ files, headroom }: DiskUsage): number {
    return this.#init.maxBytes - files - headroom - this.#taken
  }

  #kick (): void {
    const { clock, residents, disk, maxBytes } = this.#init
    const usage = disk.usage()

    if (residents.condemnedBytes > Math.min(MAX_DRAIN_START, maxBytes * DRAIN_SHARE) || this.#free(usage) < usage.headroom) {
      this.#runIn(this.#restUntil - clock.now())
    }
  }

  #runIn (ms: number): void {
    const at = this.#init.clock.now() + Math.max(0, ms)

    if (this.#closed || this.#working != null || (this.#next != null && this.#next.at <= at)) {
      return
    }
    this.#next?.cancel()
    this.#next = undefined
    if (ms <= 0) {
      void this.#run()
    } else {
      this.#next = { at, cancel: this.#init.clock.schedule(ms, () => { void this.#run() }) }
    }
  }

  /** One at a time; those who come while it runs wait for that one. What is copied meanwhile is not waited for */
  async #run (): Promise<void> {
    this.#working ??= (async () => {
      this.#next?.cancel()
      this.#next = undefined
      await this.#tried(async () => this.#drain())
      this.#working = undefined
      this.#copying ??= this.#tried(async () => this.#compact()).finally(() => { this.#copying = undefined })
      this.#restUntil = this.#init.clock.now() + REST
      if (this.#init.residents.condemned.size > 0) {
        this.#runIn(this.#untilNext())
      }
    })()
    await this.#working
  }

  async #tried (work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (err) {
      if (!this.#closed) {
        this.#init.failed('giving back space', err)
      }
    }
  }

  async #drain (): Promise<void> {
    if (this.#init.clock.now() >= this.#askPins) {
      await this.#repin()
    }
    for (let due = this.#due(); due.length > 0 && !this.#closed; due = this.#due()) {
      await this.#evict(await Promise.all(due.map(async slot => this.#asked(slot))))
      this.#progress.notify()
    }
  }

  /** For whoever waits, or so that the next one need not wait */
  async #compact (): Promise<void> {
    const { disk, maxBytes, residents } = this.#init
    const { files, headroom, live } = disk.usage()
    const target = maxBytes - headroom - this.#taken - Math.max(headroom, this.#wanted, this.#queue[0]?.cost ?? 0)
    const isLast = this.#queue.length > 0 && residents.condemned.size === 0

    this.#wanted = 0
    if (files > target && !this.#closed && (isLast || files - live >= files * WORTHWHILE)) {
      const { freedBytes } = await disk.compact({ signal: this.#closing.signal, target, ...!isLast && { least: WORTHWHILE } })

      if (freedBytes > 0) {
        this.#progress.notify()
      }
    }
  }

  #due (): number[] {
    const { clock, disk, residents } = this.#init
    const now = clock.now()
    const due: number[] = []

    if (now < this.pins.again) {
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
    return Math.max(REST, next - clock.now(), this.pins.again - clock.now())
  }

  /** Whether it still goes, in this turn: while pins were asked about it may have been put, pinned, promised to somebody, or gone */
  #mayGo ({ slot, hash, cid, pinned }: Asked): boolean {
    const { clock, disk, residents } = this.#init

    if (!residents.condemned.has(slot) || disk.hash(slot) !== hash || pinned == null) {
      return false
    }
    if (pinned || (cid != null && this.pins.isKnownByNow(cid))) {
      residents.pin(slot)
      return false
    }
    return disk.promisedUntil(slot) <= clock.now()
  }

  async #evict (asked: readonly Asked[]): Promise<void> {
    const { disk, residents, evicting } = this.#init
    const slots = asked.filter(each => this.#mayGo(each)).map(({ slot }) => slot)

    if (slots.length > 0) {
      evicting(slots, slots.reduce((sum, slot) => sum + disk.size(slot), 0))
      for (const slot of slots) {
        residents.forget(slot)
      }
      await disk.remove(slots)
    }
  }

  /** What is pinned no more is the policy's affair again */
  async #repin (): Promise<void> {
    const { clock, residents } = this.#init
    this.#askPins = clock.now() + PIN_INTERVAL

    for (const slot of residents.pinned.keys().take(PINS_PER_ROUND).toArray()) {
      const pinned = residents.pinned.has(slot) ? (await this.#asked(slot)).pinned : undefined

      if (residents.pinned.has(slot)) {
        if (pinned === false) {
          residents.add(slot)
        } else {
          residents.pin(slot)
        }
      }
    }
  }

  async #asked (slot: number): Promise<Asked> {
    const { disk, log } = this.#init
    const hash = disk.hash(slot)
    try {
      const cid = await cidOf(disk, slot)
      return { slot, hash, cid, pinned: cid == null ? false : await this.pins.ask(cid) }
    } catch (err) {
      log.error('it cannot be read which block is to go - %e', err)
      // what nobody can name nobody can ask for, unless the disk will tell later
      return { slot, hash, pinned: (err as Error).name !== 'DamagedBlockError' }
    }
  }
}
