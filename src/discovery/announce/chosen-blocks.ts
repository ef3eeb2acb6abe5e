import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { decode } from 'multiformats/hashes/digest'
import { eachUntil } from '../../clock/each-until.ts'
import { raceSignal } from '../../clock/race-signal.ts'
import { jittered } from '../../clock/random.ts'
import { Turns } from '../../clock/turns.ts'
import { AnnounceRefusedError } from './announce-error.ts'
import { AnnouncedTable, SLOTS, slotOf } from './announced-table.ts'
import type { ChosenInSchedule } from './announce-schedule.ts'
import type { AnnounceOptions, AnnounceSource } from '../../interface/announce.ts'
import type { Clock, Random } from '../../interface/clock.ts'
import type { Logger } from '../../interface/logger.ts'

export interface ChosenBlocksComponents extends Partial<AnnounceSource> {
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  /** Announced because somebody asked for it: has its turn already */
  readonly asked: AnnouncedTable
  /** Throws while nothing may be announced */
  check (): void
  /** Rejects with an `AggregateError` when some could not be announced */
  announce (cids: readonly CID[], options: AnnounceOptions & { signal: AbortSignal }): Promise<unknown>
  has? (cid: CID, options: { signal: AbortSignal }): Promise<boolean> | boolean
}

export interface ChosenStats {
  /** Blocks that the strategy names, as far as is known */
  readonly chosen: number
  /** Of them, those that were not announced yet */
  readonly waiting: number
}

/** Milliseconds between two looks at what is new, more or less a quarter: it can be found a minute after it came, and what comes together goes together */
const TICK = 30_000
/** Milliseconds before the first look: the DHT is joined by then */
const FIRST_TICK = 5_000
/** Milliseconds between two readings of all that the strategy names: for what nobody told of */
const READ_INTERVAL = 79_200_000
/** Milliseconds before what failed is tried again; twice as many each time that it fails again */
const RETRY = 600_000
/** Blocks announced together, but for what one part of the keyspace has more: a few minutes, after which what is new has its turn */
const BATCH = 5_000
const IDENTITY = 0x00
const SHA2_256 = 0x12

/**
 * What a strategy names: read now and then, and told of meanwhile. What was not
 * announced yet is announced soon, and then has its turns in the schedule as long
 * as it is named.
 */
export class ChosenBlocks implements ChosenInSchedule {
  /** Those that were announced, to be kept over restarts */
  readonly announced: AnnouncedTable
  readonly #components: ChosenBlocksComponents
  readonly #turns: Turns
  #named = new AnnouncedTable()
  /** Present while everything is read: what was read so far, and what has gone meanwhile */
  #reading: { readonly named: AnnouncedTable, readonly gone: AnnouncedTable } | undefined
  /** Parts of the keyspace in which something may be new: since somebody told of it, and since everything was read */
  readonly #soon = new Set<number>()
  readonly #later = new Set<number>()
  /** In each part, those that are named and were announced by hand: they have their turns already, and wait for nothing */
  readonly #byHand = new Uint32Array(SLOTS)
  #known = false
  #readAt = -Infinity
  #notBefore = -Infinity
  #failures = 0
  #stopped = new AbortController()
  #cancelTick: () => void = () => {}
  #turning: Promise<void> = Promise.resolve()
  #unwatch: () => void = () => {}

  constructor (components: ChosenBlocksComponents) {
    this.#components = components
    this.#turns = new Turns(components.clock)
    this.announced = new AnnouncedTable(undefined, () => components.asked.size)
    this.#stopped.abort()
  }

  /** What was announced by an earlier run is known */
  start (): void {
    this.#stopped = new AbortController()
    this.#known = false
    this.#readAt = -Infinity
    this.#notBefore = -Infinity

    if (this.#components.source == null) {
      // an earlier run had a strategy
      this.#forget(new AnnouncedTable())
      return
    }
    this.#unwatch = this.#components.watch?.({ added: cid => { this.#added(cid) }, removed: cid => { this.#removed(cid) } }) ?? (() => {})
    this.#tick(FIRST_TICK)
  }

  /** Ends what is under way; nothing is left when this resolves */
  async stop (): Promise<void> {
    this.#unwatch()
    this.#unwatch = () => {}
    this.#cancelTick()
    this.#stopped.abort(new DOMException('Discovery was stopped', 'AbortError'))
    await this.#turning
  }

  stats (): ChosenStats {
    return { chosen: this.#named.size, waiting: Math.max(0, this.#named.size - this.announced.size - this.#byHand.reduce((sum, count) => sum + count, 0)) }
  }

  /** Those that are announced in turn */
  get scheduled (): number {
    return this.announced.size
  }

  /** Nothing before all that the strategy names was read: it may be another one, or something may have gone meanwhile */
  * inSlot (slot: number): Generator<Uint8Array, void, undefined> {
    if (this.#known) {
      for (const hash of this.announced.inSlot(slot)) {
        if (this.#named.has(hash) && !this.#components.asked.has(hash)) {
          yield hash
        }
      }
    }
  }

  drop (multihash: Uint8Array): boolean {
    return this.announced.delete(multihash)
  }

  #added (value: CID): void {
    const cid = CID.asCID(value)

    if (cid == null || cid.multihash.code === IDENTITY || this.#stopped.signal.aborted) {
      return
    }
    const { bytes } = cid.multihash
    this.#named.add(bytes)
    this.#reading?.named.add(bytes)
    this.#reading?.gone.delete(bytes)
    this.#soon.add(slotOf(bytes))
  }

  #removed ({ multihash: { bytes } }: CID): void {
    this.#named.delete(bytes)
    this.announced.delete(bytes)
    this.#reading?.named.delete(bytes)
    this.#reading?.gone.add(bytes)
  }

  #tick (ms: number): void {
    const { clock, random, log } = this.#components
    this.#cancelTick = clock.schedule(jittered(ms, random), () => {
      this.#turning = this.#turn().catch((err: unknown) => {
        if (!this.#stopped.signal.aborted) {
          log.error('what is new could not be announced - %e', err)
        }
      }).finally(() => {
        if (!this.#stopped.signal.aborted) {
          this.#tick(TICK)
        }
      })
    })
  }

  async #turn (): Promise<void> {
    const { clock, source } = this.#components

    const age = clock.wall() - this.#readAt

    // in the future: the clock was set back
    if (source != null && (age >= READ_INTERVAL || age < -READ_INTERVAL)) {
      // when it fails, not again at once
      this.#readAt = clock.wall() - READ_INTERVAL + RETRY
      await this.#read(source({ signal: this.#stopped.signal }))
      this.#readAt = clock.wall()
    }
    while (clock.now() >= this.#notBefore && this.#mayAnnounce() && await this.#announceSome()) {
      // until nothing is new
    }
  }

  #mayAnnounce (): boolean {
    try {
      this.#components.check()
      return true
    } catch (err) {
      // the schedule tells of it
      this.#components.log.trace('nothing new is announced - %e', err)
      return false
    }
  }

  async #read (cids: AsyncIterable<CID>): Promise<void> {
    const { signal } = this.#stopped
    const othersTurn = this.#turns.walk(signal)
    const reading = { named: new AnnouncedTable(), gone: new AnnouncedTable() }
    this.#reading = reading

    try {
      for await (const value of eachUntil(cids, signal)) {
        const cid = CID.asCID(value)

        if (cid != null && cid.multihash.code !== IDENTITY && !reading.gone.has(cid.multihash.bytes)) {
          reading.named.add(cid.multihash.bytes)
        }
        await othersTurn()
      }
    } finally {
      this.#reading = undefined
    }
    this.#named = reading.named
    this.#forget(reading.named)
    this.#known = true

    for (let slot = 0; slot < SLOTS; slot++) {
      this.#later.add(slot)
    }
  }

  /** What the strategy does not name any more */
  #forget (named: AnnouncedTable): void {
    for (let slot = 0; slot < SLOTS; slot++) {
      for (const hash of [...this.announced.inSlot(slot)].filter(hash => !named.has(hash))) {
        this.announced.delete(hash)
      }
    }
  }

  /** @returns whether there may be more */
  async #announceSome (): Promise<boolean> {
    const { signal } = this.#stopped
    const slots: number[] = []
    const fresh: CID[] = []

    for (const slot of new Set([...this.#soon, ...this.#later])) {
      if (fresh.length >= BATCH) {
        break
      }
      slots.push(slot)
      this.#soon.delete(slot)
      this.#later.delete(slot)
      const waiting = [...this.#named.inSlot(slot)].filter(hash => !this.announced.has(hash))
      const unasked = waiting.filter(hash => !this.#components.asked.has(hash))
      this.#byHand[slot] = waiting.length - unasked.length

      for (const hash of unasked) {
        const cid = CID.createV1(raw.code, decode(hash))

        if (await this.#isStored(cid, signal)) {
          fresh.push(cid)
        }
      }
    }
    if (fresh.length > 0) {
      try {
        await this.#announce(fresh)
      } catch (err) {
        slots.forEach(slot => { this.#later.add(slot) })
        throw err
      }
    }
    return this.#soon.size + this.#later.size > 0
  }

  async #announce (cids: readonly CID[]): Promise<void> {
    const { announce, log, clock } = this.#components
    const { signal } = this.#stopped
    let placed = 0

    try {
      await announce(cids, {
        signal,
        onProgress: ({ detail }) => {
          for (const { cid, holders } of detail.swept) {
            placed += holders > 0 ? 1 : 0
            this.#note(cid, holders)
          }
        }
      })
      this.#failures = 0
    } catch (err) {
      signal.throwIfAborted()

      if (placed > 0) {
        // the others wait for their turn
        cids.forEach(cid => { this.#note(cid, 1) })
        this.#failures = 0
        log.error('%d of %d blocks could not be announced - %e', cids.length - placed, cids.length, err)
        return
      }
      // whoever has just started knows nobody yet
      if (!(err instanceof AnnounceRefusedError)) {
        this.#notBefore = clock.now() + Math.min(RETRY * 2 ** this.#failures++, READ_INTERVAL)
      }
      throw err
    }
  }

  /** Many a DHT keeps SHA-256 only: what no peer takes is no reason to try at once again */
  #note ({ multihash }: CID, holders: number): void {
    if ((holders > 0 || multihash.code !== SHA2_256) && this.#named.has(multihash.bytes)) {
      this.announced.add(multihash.bytes)
    }
  }

  async #isStored (cid: CID, signal: AbortSignal): Promise<boolean> {
    const { has, log, clock } = this.#components

    try {
      return has == null || await raceSignal(Promise.resolve(has(cid, { signal })), signal)
    } catch (err) {
      signal.throwIfAborted()
      log.error('could not see whether %c is stored - %e', cid, err)
      this.#later.add(slotOf(cid.multihash.bytes))
      this.#notBefore = clock.now() + RETRY
      return false
    }
  }
}
