import { raceSignal } from '../clock/race-signal.ts'
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
  readonly #queue: Array<{ readonly cost: number }> = []
  #taken = 0
  #wanted = 0
  #working?: Promise<void>
  #copying?: Promise<void>
  #next?: { readonly at: number, readonly cancel: () => void }
  #restUntil = -Infinity
  readonly #closing = new AbortController()
  #isPinned: IsPinned = () => false
  #askPins = 0
  /** Pins could not be looked up: nothing is evicted until then */
  #pinsAgain = 0

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
      await this.#evict(await this.#unpinned(due))
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
    return Math.max(REST, next - clock.now(), this.#pinsAgain - clock.now())
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

  async #evict (blocks: ReadonlyArray<{ slot: number, hash: number }>): Promise<void> {
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
