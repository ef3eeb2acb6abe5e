import { LRUCache } from 'lru-cache'
import { MemoryBudget } from './memory-budget.ts'
import { Outbox } from './outbox.ts'
import { ReadTurns } from './read-turns.ts'
import { SlowPeers } from './slow-peers.ts'
import { Turns } from './turns.ts'
import { WantTable } from './want-table.ts'
import type { ServeLimits } from './limits.ts'
import type { ServedMessage } from './message-builder.ts'
import type { ServedPeer, ServedWant } from './served-peer.ts'
import type { BlockKey } from '../../../interface/provider.ts'
import type { WantEntry } from '../message.ts'

export type ServeStep =
  /** Find out which of these are here; answer each with `looked` */
  | { readonly kind: 'look', readonly wants: readonly ServedWant[] }
  /** Read a block of at most `bytes`; answer with `loaded` or `unreadable` */
  | { readonly kind: 'read', readonly want: ServedWant, readonly bytes: number }
  /** Write a message; answer with `sent` */
  | { readonly kind: 'send', readonly peer: ServedPeer, readonly message: ServedMessage }

/** Lookups handed out at once, before another peer has its turn */
const LOOKUP_BATCH = 32

/** Blocks whose size is remembered: 100 bytes each, and a WANT-HAVE is often followed by others for the same block */
const SIZES = 16_384

/** Reads waiting beyond which a block is not read only to learn whether it is small */
const MAX_PEEKS = 8

/**
 * Decides what the server does next; does nothing itself and knows no time but
 * what it is told. Peers take turns by bytes (deficit round robin), a peer's own
 * wants go by priority, and a read is handed out only when the largest block it
 * could bring fits into the memory that is left.
 */
export class ServeSchedule {
  readonly table: WantTable
  readonly memory: MemoryBudget
  readonly #limits: ServeLimits
  readonly #slow: SlowPeers
  readonly #sizes = new LRUCache<BlockKey, number>({ max: SIZES })
  readonly #looks = new Turns<ServedPeer>()
  readonly #reads: ReadTurns
  readonly #outbox: Outbox
  #looking = 0

  constructor (limits: ServeLimits) {
    this.#limits = limits
    this.memory = new MemoryBudget(limits.memory)
    this.table = new WantTable(limits, this.memory)
    this.#slow = new SlowPeers(limits, this.memory, this.table)
    this.#reads = new ReadTurns(limits, this.memory, this.#slow, want => this.#sizes.peek(want.key))
    this.#outbox = new Outbox(limits.batchDelay)
  }

  /** Somebody waits for memory */
  get short (): boolean {
    return this.#reads.short
  }

  /** Answers are ready and wait for others to share their message: flush them in time */
  get unsent (): boolean {
    return this.#outbox.waiting
  }

  get sending (): number {
    return this.#slow.sending
  }

  isPaused (id: string, now: number): boolean {
    return this.#slow.isPaused(id, now)
  }

  /** A want-list of a peer that may be served */
  received (id: string, entries: readonly WantEntry[], full: boolean): void {
    const peer = this.table.enter(id)

    if (peer == null) {
      return
    }

    if (full) {
      this.table.keepOnly(peer, entries.filter(entry => !entry.cancel))
    }

    for (const entry of entries) {
      if (entry.cancel) {
        this.table.cancel(peer, entry)
      } else {
        this.table.add(peer, entry)
      }
    }

    this.#wake(peer)
  }

  /** A want-list of a peer that may not: those who asked to be told are told no, at a pace, whatever is here. Returns how many. */
  refused (id: string, entries: readonly WantEntry[], now: number): number {
    const { refusalsPerSecond, wantsPerPeer } = this.#limits
    const asked = refusalsPerSecond === 0 ? [] : entries.filter(entry => !entry.cancel && entry.sendDontHave)
    const peer = asked.length === 0 ? undefined : this.table.enter(id)

    if (peer == null) {
      return 0
    }

    peer.refusals = Math.min(refusalsPerSecond, peer.refusals + (now - peer.refusalsAt) / 1_000 * refusalsPerSecond)
    peer.refusalsAt = now
    const told = asked.slice(0, Math.max(0, Math.min(Math.floor(peer.refusals), peer.answersLeft(wantsPerPeer))))
    peer.refusals -= told.length

    for (const { cid, key } of told) {
      peer.presences.set(key, { cid, type: 'dont-have', revealing: false })
    }

    this.#outbox.answered(peer, now)
    this.#wake(peer)
    return told.length
  }

  gone (peer: ServedPeer): void {
    this.table.forget(peer)
    this.#leave(peer)
  }

  /** Drops what a peer wants, and keeps what is on its way */
  drop (peer: ServedPeer): void {
    if (peer.sending != null) {
      peer.sending.setBack = false
    }

    this.table.clear(peer)
    this.#leave(peer)
  }

  /** A block is in the store now */
  arrived (key: BlockKey, now: number, size?: number): void {
    if (size != null) {
      this.#sizes.set(key, size)
    }

    for (const want of this.table.takeWaiting(key)) {
      this.#present(want, now)
      this.#wake(want.peer)
    }
  }

  looked (want: ServedWant, present: boolean, now: number, size?: number): void {
    const { peer } = want
    peer.looking--
    this.#looking--

    if (size != null) {
      this.#sizes.set(want.key, size)
    }

    if (want.state === 'looking') {
      if (present) {
        this.#present(want, now)
      } else {
        this.#absent(want, now)
      }
    }

    this.#wake(peer)
  }

  loaded (want: ServedWant, bytes: Uint8Array, reserved: number, now: number): void {
    const { peer } = want
    const size = bytes.byteLength
    this.#reads.ended(want, reserved, size)
    this.#sizes.set(want.key, size)

    if (want.state === 'reading') {
      if (want.type === 'have' && size > this.#limits.inlineBytes) {
        this.#have(want, now)
      } else {
        want.state = 'loaded'
        this.memory.take(peer, size)
        peer.loaded.set(want.id, { want, bytes })
        peer.loadedBytes += size
        this.#outbox.answered(peer, now)
      }
    }

    this.#wake(peer)
  }

  /** The block is not here after all, or cannot be read */
  unreadable (want: ServedWant, reserved: number, now: number): void {
    const { peer } = want
    this.#reads.ended(want, reserved, 0)
    // what was believed about its size may have been why it could not be read
    this.#sizes.delete(want.key)

    if (want.state === 'reading') {
      this.#absent(want, now)
    }

    this.#wake(peer)
  }

  /** Some of a message was taken */
  progressed (peer: ServedPeer, now: number): void {
    if (peer.sending != null) {
      peer.sending.progressAt = now
    }
  }

  /** A message was taken, or given up */
  sent (peer: ServedPeer, taken: boolean): void {
    const { sending } = peer
    const bytes = sending?.bytes ?? 0
    peer.sending = undefined
    this.memory.take(peer, -bytes)
    this.#slow.ended(peer, bytes, taken)

    if (!taken && sending?.setBack === true && !peer.gone) {
      this.table.restore(peer, sending)
    }

    this.#wake(peer)
  }

  /** Peers whose message does not move, or moves too slowly */
  stalled (now: number): readonly ServedPeer[] {
    return this.#slow.stalled(now, this.#reads.short)
  }

  /** Whose message is to be ended, not taken, because others wait for its memory */
  setBack (now: number): readonly ServedPeer[] {
    return this.#slow.setBack(now, this.#reads.waiting)
  }

  /** Whoever stalled loses what it wanted, and is left alone for a while */
  pause (peer: ServedPeer, now: number): void {
    this.#slow.pause(peer, now)
    this.drop(peer)
  }

  /** Answers that have waited long enough for others go out with the next steps */
  flush (now: number): void {
    this.#outbox.flush(now)
  }

  /** What to do next, if anything. Full messages first; others once nothing more can be started that would fill them. */
  next (now: number): ServeStep | undefined {
    return this.#send(this.#outbox.full(), now) ??
      this.#look() ??
      this.#read(now) ??
      this.#send(this.#outbox.due(now), now)
  }

  #send (peer: ServedPeer | undefined, now: number): ServeStep | undefined {
    if (peer == null) {
      return undefined
    }

    const message = this.#outbox.take(peer, now)

    for (const want of peer.sending?.blocks.values() ?? []) {
      this.table.remove(want)
    }

    // no longer loaded, but still in memory
    this.memory.take(peer, peer.sending?.bytes ?? 0)
    this.#slow.started(peer)
    this.#wake(peer)
    return { kind: 'send', peer, message }
  }

  #look (): ServeStep | undefined {
    for (let peer = this.#looks.current; peer != null && this.#looking < this.#limits.lookups; peer = this.#looks.current) {
      const room = Math.min(LOOKUP_BATCH, this.#limits.lookups - this.#looking, peer.answersLeft(this.#limits.wantsPerPeer))
      const wants: ServedWant[] = []

      for (let want = peer.looks.best; want != null && wants.length < room; want = peer.looks.best) {
        peer.looks.takeBest()
        want.state = 'looking'
        wants.push(want)
      }

      if (wants.length === 0) {
        // nothing to look up, or too many answers unsent: what changes that wakes it
        this.#looks.leave(peer)
        continue
      }

      this.#looks.yield()
      peer.looking += wants.length
      this.#looking += wants.length
      return { kind: 'look', wants }
    }

    return undefined
  }

  #read (now: number): ServeStep | undefined {
    const turn = this.#reads.next(now)
    return turn == null ? undefined : { kind: 'read', ...turn }
  }

  #present (want: ServedWant, now: number): void {
    const { inlineBytes } = this.#limits
    const size = this.#sizes.get(want.key)
    const mayBeSmall = inlineBytes > 0 && (size == null ? !this.#reads.short && want.peer.reads.size < MAX_PEEKS : size <= inlineBytes)

    if (want.type === 'block' || mayBeSmall) {
      this.table.read(want)
    } else {
      this.#have(want, now)
    }
  }

  #have (want: ServedWant, now: number): void {
    this.table.remove(want)
    want.peer.presences.set(want.id, { cid: want.cid, type: 'have', revealing: true })
    this.#outbox.answered(want.peer, now)
  }

  #absent (want: ServedWant, now: number): void {
    this.table.wait(want)
    this.#outbox.answered(want.peer, now)
  }

  #wake (peer: ServedPeer): void {
    if (peer.gone) {
      return
    }

    if (peer.looks.size > 0) {
      this.#looks.enter(peer)
    }

    this.#reads.changed(peer)
    this.#outbox.changed(peer)
  }

  #leave (peer: ServedPeer): void {
    this.#looks.leave(peer)
    this.#reads.leave(peer)
    this.#outbox.leave(peer)
  }
}
