import { raceSignal } from '../../../clock/race-signal.ts'
import { ServeSchedule } from './serve-schedule.ts'
import { StoredBlocks } from './stored-blocks.ts'
import type { ServeLimits } from './limits.ts'
import type { ServedMessage } from './message-builder.ts'
import type { ServeStep } from './serve-schedule.ts'
import type { ServeCounts } from './serve-stats.ts'
import type { ServedPeer, ServedWant } from './served-peer.ts'
import type { LocalStore } from '../../../interface/cache.ts'
import type { Clock } from '../../../interface/clock.ts'
import type { Disclosure } from '../../../interface/disclosure.ts'
import type { Logger } from '../../../interface/logger.ts'
import type { OutgoingMessage } from '../message.ts'
import type { CID } from 'multiformats/cid'

export interface TransmitOptions {
  /** Aborts when the peer stalled or left, or the server stops: end the stream, and with its reason */
  readonly signal: AbortSignal
  /** One for each answer in the message: `sent` or `unknown` is said by whoever writes; the server settles what is left when that fails */
  readonly disclosures: readonly Disclosure[]
  /** Called before the first byte is written: a peer to whom no stream can be opened was told nothing */
  readonly onWriting: () => void
  /** Bytes left to write when it counts as taken: none for who has not shown that it reads, since nobody counts them. @default whatever is usual */
  readonly leaving?: number
  /** To be called whenever some of the message was taken, so that slow is told from stalled */
  readonly progress: () => void
}

/** Writes a message to a peer; resolves when the stream has taken it and drained */
export type Transmit = (peer: string, message: OutgoingMessage, options: TransmitOptions) => Promise<void>

/** A peer did not take what it had asked for */
export class PeerStalledError extends Error {
  static override name = 'PeerStalledError'
  override name = 'PeerStalledError'
}

export interface ServingComponents {
  readonly store: LocalStore
  readonly clock: Clock
  readonly log: Logger
  readonly transmit: Transmit
  readonly disclose: (peer: string, cid: CID) => Disclosure
  readonly onStalled: (peer: string, error: PeerStalledError) => void
}

/** How often those who are being sent to are looked at, in ms: an eighth of the shortest patience or so */
const TICK = 250
/** The same while somebody waits for memory */
const TICK_UNDER_PRESSURE = 50

/** Writes of one message: a second one, over a new stream, when the first broke */
const MAX_WRITES = 2

/** One run of the server: does what the schedule decides, and tells it what came of it */
export class Serving {
  readonly schedule: ServeSchedule
  readonly #components: ServingComponents
  readonly #limits: ServeLimits
  readonly #counts: ServeCounts
  readonly #blocks: StoredBlocks
  readonly #stopped = new AbortController()
  readonly #sending = new Map<ServedPeer, AbortController>()
  #pumping = false
  #flush: (() => void) | undefined
  #tick: (() => void) | undefined
  #tickAt = 0

  constructor (components: ServingComponents, limits: ServeLimits, counts: ServeCounts) {
    this.#components = components
    this.#limits = limits
    this.#counts = counts
    this.schedule = new ServeSchedule(limits)
    this.#blocks = new StoredBlocks(components.store, components.clock, limits.readTimeout, this.#stopped.signal)
  }

  gone (id: string): void {
    const peer = this.schedule.table.get(id)

    if (peer != null) {
      this.schedule.gone(peer)
      this.#sending.get(peer)?.abort(new DOMException('The peer has left', 'AbortError'))
      this.pump()
    }
  }

  stop (): void {
    this.#flush?.()
    this.#tick?.()
    const reason = new DOMException('The server has stopped', 'AbortError')
    this.#stopped.abort(reason)

    for (const controller of [...this.#sending.values()]) {
      controller.abort(reason)
    }

    for (const peer of [...this.schedule.table.peers()]) {
      this.schedule.gone(peer)
    }
  }

  /** Does whatever can be done now */
  pump (): void {
    if (this.#pumping || this.#stopped.signal.aborted) {
      return
    }

    const { clock } = this.#components
    this.#pumping = true

    try {
      for (let step = this.schedule.next(clock.now()); step != null; step = this.schedule.next(clock.now())) {
        this.#do(step)
      }
    } finally {
      this.#pumping = false
    }

    if (this.schedule.unsent) {
      this.#flush ??= clock.schedule(this.#limits.batchDelay, () => {
        this.#flush = undefined
        this.schedule.flush(clock.now())
        this.pump()
      })
    }

    if (this.#sending.size > 0) {
      if (this.schedule.short && this.#tickAt - clock.now() > TICK_UNDER_PRESSURE) {
        this.#tick?.()
        this.#tick = undefined
      }

      this.#tick ??= this.#tickIn(this.schedule.short ? TICK_UNDER_PRESSURE : TICK)
    }
  }

  #tickIn (ms: number): () => void {
    const { clock } = this.#components
    this.#tickAt = clock.now() + ms

    return clock.schedule(ms, () => {
      this.#tick = undefined
      this.#endStalled()
      this.#makeRoom()
      this.pump()
    })
  }

  #do (step: ServeStep): void {
    if (step.kind === 'look') {
      for (const want of step.wants) {
        this.#look(want)
      }
    } else if (step.kind === 'read') {
      this.#read(step.want, step.bytes)
    } else {
      void this.#send(step.peer, step.message)
    }
  }

  #look (want: ServedWant): void {
    const looked = (present: boolean): void => { this.schedule.looked(want, present, this.#components.clock.now()) }
    const failed = (err: unknown): void => {
      this.#failed(want, err)
      looked(false)
    }

    try {
      const present = this.#blocks.has(want.cid)

      if (typeof present === 'boolean') {
        looked(present)
      } else {
        void present.then(looked, failed).then(() => { this.pump() })
      }
    } catch (err) {
      failed(err)
    }
  }

  #read (want: ServedWant, limit: number): void {
    const loaded = (bytes: Uint8Array): void => { this.schedule.loaded(want, bytes, limit, this.#components.clock.now()) }
    const failed = (err: unknown): void => {
      this.#failed(want, err)
      this.schedule.unreadable(want, limit, this.#components.clock.now())
    }

    try {
      const bytes = this.#blocks.read(want.cid, limit)

      if (bytes instanceof Uint8Array) {
        loaded(bytes)
      } else {
        void bytes.then(loaded, failed).then(() => { this.pump() })
      }
    } catch (err) {
      failed(err)
    }
  }

  #failed (want: ServedWant, err: unknown): void {
    if ((err as { name?: unknown } | null)?.name !== 'NotFoundError' && !this.#stopped.signal.aborted) {
      this.#counts.readFailures++
      this.#components.log.error('could not read %s for %s - %e', want.cid, want.peer.id, err)
    }
  }

  async #send (peer: ServedPeer, message: ServedMessage): Promise<void> {
    const controller = new AbortController()
    this.#sending.set(peer, controller)
    let taken = false

    for (let write = 1; write <= MAX_WRITES && !taken && !controller.signal.aborted; write++) {
      taken = await this.#write(peer, message, controller.signal)
    }

    this.#sending.delete(peer)
    this.schedule.sent(peer, taken)

    if (taken) {
      this.#count(message)
    } else if (!controller.signal.aborted) {
      // no stream to it holds: it is as good as gone, and asks again when it is back
      this.#counts.broken++
      this.schedule.drop(peer)
    }

    this.pump()
  }

  /** True when the message was taken. Never rejects. */
  async #write (peer: ServedPeer, message: ServedMessage, signal: AbortSignal): Promise<boolean> {
    const { clock, disclose, log, transmit } = this.#components
    const disclosures: Disclosure[] = []
    let written = false

    try {
      for (const { cid } of message.blocks) {
        disclosures.push(disclose(peer.id, cid))
      }

      for (const { cid, revealing } of message.presences) {
        if (revealing) {
          disclosures.push(disclose(peer.id, cid))
        }
      }

      const progress = (): void => { this.schedule.progressed(peer, clock.now()) }
      await raceSignal(transmit(peer.id, message, { signal, disclosures, progress, onWriting: () => { written = true }, leaving: peer.proven ? undefined : 0 }), signal)
      return true
    } catch (err) {
      disclosures.forEach(disclosure => { written ? disclosure.unknown() : disclosure.notSent() })
      log.error('a message to %s was not taken - %e', peer.id, err)
      return false
    }
  }

  #count (message: ServedMessage): void {
    this.#counts.messages++

    for (const { bytes } of message.blocks) {
      this.#counts.blocks++
      this.#counts.bytes += bytes.byteLength
    }

    for (const { revealing, type } of message.presences) {
      this.#counts[type === 'have' ? 'haves' : revealing ? 'dontHaves' : 'refusalsTold']++
    }
  }

  /** What others wait for is not left with those who have not shown that they read; they are served again when it is their turn */
  #makeRoom (): void {
    for (const peer of this.schedule.setBack(this.#components.clock.now())) {
      this.#counts.setBack++
      this.#sending.get(peer)?.abort(new DOMException('Others wait for the memory of this message, which does not move', 'AbortError'))
    }
  }

  #endStalled (): void {
    const now = this.#components.clock.now()

    for (const peer of this.schedule.stalled(now)) {
      const error = new PeerStalledError(`${peer.id} took nothing of a message for too long, or too little`)
      this.#counts.stalled++
      this.schedule.pause(peer, now)
      this.#sending.get(peer)?.abort(error)
      this.#components.log.error('%e', error)

      try {
        this.#components.onStalled(peer.id, error)
      } catch (err) {
        this.#components.log.error('could not tell that %s stalled - %e', peer.id, err)
      }
    }
  }
}
