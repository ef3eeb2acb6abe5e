import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { decode } from 'multiformats/hashes/digest'
import { raceSignal } from '../../clock/race-signal.ts'
import { jittered } from '../../clock/random.ts'
import { SLEPT, SleptTime, WAKING } from '../../clock/slept-time.ts'
import { SLOTS } from './announced-table.ts'
import type { AnnouncedTable } from './announced-table.ts'
import type { Clock, Random } from '../../interface/clock.ts'
import type { Logger } from '../../interface/logger.ts'

export interface AnnounceScheduleComponents {
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly table: AnnouncedTable
  /** What a strategy names, and was announced already: its turn comes with the others'. @default nothing */
  readonly chosen?: ChosenInSchedule
  /** Throws while nothing may be announced */
  check (): void
  /** Rejects with an `AggregateError` when some could not be announced */
  announce (cids: readonly CID[], options: { signal: AbortSignal }): Promise<unknown>
  /** Whether a block is still there to be had: asked with a CID that says nothing of the codec. @default all are */
  has? (cid: CID, options: { signal: AbortSignal }): Promise<boolean> | boolean
}

export interface ChosenInSchedule {
  readonly scheduled: number
  inSlot (slot: number): Iterable<Uint8Array>
  /** It is not stored any more */
  drop (multihash: Uint8Array): boolean
}

export interface AnnounceScheduleStats {
  /** Blocks that are announced again and again */
  readonly scheduled: number
  /** Parts of the keyspace that should have been announced by now */
  readonly overdue: number
  /** Parts announced since the start, and those where nothing could be */
  readonly sweeps: number
  readonly failedSweeps: number
  /** Blocks that are not announced any more, for they are not stored any more */
  readonly dropped: number
  /** Blocks for which there was no room */
  readonly refused: number
}

/** Milliseconds: kad-dht keeps a record for 48 h, so that one round may fail altogether, and Kubo announces as often */
const INTERVAL = 79_200_000
/** Milliseconds between two looks at what is due, more or less a quarter. One part at a time: all are done in 2 h when all are late. */
const TICK = 30_000
/** Milliseconds before a part of which nothing could be announced is tried again */
const RETRY = 600_000
/** Milliseconds for one part: the network is away when it takes longer */
const SWEEP_TIMEOUT = 1_800_000
const IDENTITY = 0x00

/**
 * Announces again what was announced: part after part of the keyspace, so that
 * each takes few lookups and all of them together take the whole interval.
 */
export class AnnounceSchedule {
  readonly #components: AnnounceScheduleComponents
  #stopped = new AbortController()
  #cancelTick: () => void = () => {}
  #slept: SleptTime
  #turning: Promise<void> = Promise.resolve()
  /** Why nothing is announced, as it was told last */
  #told = ''
  #counts = { sweeps: 0, failedSweeps: 0, dropped: 0, refused: 0 }

  constructor (components: AnnounceScheduleComponents) {
    this.#components = components
    this.#slept = new SleptTime(components.clock)
  }

  start (): void {
    const { clock } = this.#components
    this.#stopped = new AbortController()
    this.#slept = new SleptTime(clock)
    this.#spread()
    this.#tick(TICK)
  }

  /** Ends what is under way; nothing is left when this resolves */
  async stop (): Promise<void> {
    this.#cancelTick()
    this.#stopped.abort(new DOMException('Discovery was stopped', 'AbortError'))
    await this.#turning
  }

  stats (): AnnounceScheduleStats {
    const now = this.#components.clock.wall()
    const { table, chosen } = this.#components
    return { scheduled: table.size + (chosen?.scheduled ?? 0), overdue: this.#slots().filter(slot => this.#dueAt(slot, now) <= now).length, ...this.#counts }
  }

  /** These have just been announced, or will be before long: from now on again and again */
  add (cid: CID): 'added' | 'known' | 'full' {
    // one that is its own CID needs nobody to have it
    if (cid.multihash.code === IDENTITY) {
      return 'known'
    }
    const added = this.#components.table.add(cid.multihash.bytes)

    if (added === 'full') {
      this.#counts.refused++
    }
    return added
  }

  /** These are not announced again. @returns how many were */
  cancel (cids: Iterable<CID>): number {
    let cancelled = 0

    for (const { multihash } of cids) {
      cancelled += this.#components.table.delete(multihash.bytes) ? 1 : 0
    }
    return cancelled
  }

  /**
   * What was never announced is due after its share of the interval: known from the first start on, so that a node which
   * is started again and again comes to the last part too
   */
  #spread (): void {
    const { clock, table } = this.#components
    const now = clock.wall()

    for (const slot of this.#slots()) {
      if (table.sweptAt(slot) == null) {
        table.swept(slot, now - INTERVAL + INTERVAL * (slot + 1) / SLOTS)
      }
    }
  }

  #tick (ms: number): void {
    const { clock, random, log } = this.#components
    this.#cancelTick = clock.schedule(jittered(ms, random), () => {
      this.#turning = this.#turn().catch((err: unknown) => {
        if (!this.#stopped.signal.aborted) {
          log.error('announcing again failed - %e', err)
        }
      })
    })
  }

  async #turn (): Promise<void> {
    let pause = TICK

    try {
      if (this.#slept.take() > 0) {
        pause = WAKING
      } else if (this.#mayAnnounce()) {
        await this.#sweepNext()
      }
    } finally {
      if (!this.#stopped.signal.aborted) {
        this.#tick(pause)
      }
    }
  }

  #mayAnnounce (): boolean {
    const { check, log } = this.#components

    try {
      check()
      this.#told = ''
      return true
    } catch (err) {
      const { message } = err as Error

      if (message !== this.#told) {
        this.#told = message
        log.error('nothing is announced for now - %e', err)
      }
      return false
    }
  }

  #slots (): number[] {
    return Array.from({ length: SLOTS }, (_, slot) => slot)
  }

  #dueAt (slot: number, now: number): number {
    const at = this.#components.table.sweptAt(slot) ?? now

    // in the future: the clock was set
    return at > now + SLEPT ? now : at + INTERVAL
  }

  /** The one that has been due for longest */
  async #sweepNext (): Promise<void> {
    const { clock, table, chosen } = this.#components
    const now = clock.wall()
    const due = this.#slots().map(slot => ({ slot, at: this.#dueAt(slot, now) })).filter(({ at }) => at <= now).sort((a, b) => a.at - b.at)

    for (const { slot } of due) {
      const cids = [...table.inSlot(slot), ...chosen?.inSlot(slot) ?? []].map(multihash => CID.createV1(raw.code, decode(multihash)))

      if (cids.length > 0) {
        await this.#sweep(slot, cids)
        return
      }
      // its turn passes, so that what comes into it is not late at once
      table.swept(slot, now)
    }
  }

  async #sweep (slot: number, cids: readonly CID[]): Promise<void> {
    const { clock, table, announce, log } = this.#components
    using timeout = clock.timeout(SWEEP_TIMEOUT)
    const signal = AbortSignal.any([timeout.signal, this.#stopped.signal])

    try {
      const stored = await this.#stored(cids, signal)

      if (stored.length > 0) {
        await announce(stored, { signal })
      }
      this.#counts.sweeps++
    } catch (err) {
      this.#stopped.signal.throwIfAborted()
      const { errors } = err as { errors?: unknown[] }

      if (errors == null || errors.length >= cids.length) {
        this.#counts.failedSweeps++
        log.error('a part of the keyspace could not be announced - %e', err)
        table.swept(slot, clock.wall() - INTERVAL + RETRY)
        return
      }
      this.#counts.sweeps++
      log.error('%d of %d CIDs could not be announced again - %e', errors.length, cids.length, err)
    }
    table.swept(slot, clock.wall())
  }

  async #stored (cids: readonly CID[], signal: AbortSignal): Promise<CID[]> {
    const { has, table, chosen, log } = this.#components
    const stored: CID[] = []

    for (const cid of cids) {
      try {
        if (has == null || await raceSignal(Promise.resolve(has(cid, { signal })), signal)) {
          stored.push(cid)
        } else {
          const { bytes } = cid.multihash
          this.#counts.dropped += [table.delete(bytes), chosen?.drop(bytes)].includes(true) ? 1 : 0
        }
      } catch (err) {
        signal.throwIfAborted()
        // a store that fails says nothing about what is in it
        log.error('could not see whether %c is stored - %e', cid, err)
        stored.push(cid)
      }
    }
    return stored
  }
}
