import { compactSegment } from './compaction.ts'
import { isFull } from './reserve.ts'
import { carriedBytes } from './segment.ts'
import type { Notes } from './notes.ts'
import type { OpenedStore } from './opened-store.ts'
import type { Segment } from './segment.ts'

/**
 * Dead part of a segment from which it is worth copying the rest without being asked:
 * each byte copied gives back at least one
 */
const WORTHWHILE = 0.5
/** Whoever asks gets what is gone, but a segment is not copied for less than this part of it */
const WHEN_ASKED = 0.02
/** Bytes per second that nobody waits for: a tenth of a slow disk */
const UNHURRIED = 16_777_216
/** Milliseconds before a segment that could not be compacted is tried again: a bad sector does not go away by trying */
const RETRY_AFTER = 600_000

export interface ReclaimOptions {
  readonly signal?: AbortSignal
  /** Stop when there are at most so many bytes of files */
  readonly target?: number
  /** Part of a segment that has to be gone */
  readonly least?: number
}

/** Gives back the space of what is gone: slowly by itself where that pays, at once when asked */
export class Space {
  readonly #store: OpenedStore
  readonly #notes: Notes
  readonly #failed = new Map<number, number>()
  /** Aborted when somebody waits: what sleeps wakes up */
  #unhurried = new AbortController()
  readonly #closed = new AbortController()
  /** Compactions, one at a time */
  #last: Promise<void> = Promise.resolve()
  #isTidying = false
  /** Who asked for space, and has not got it yet */
  #waiting = 0

  constructor (store: OpenedStore, notes: Notes) {
    this.#store = store
    this.#notes = notes
  }

  /** To be called when something is gone */
  tidy (): void {
    if (!this.#isTidying && !this.#closed.signal.aborted && this.#next(WORTHWHILE) != null) {
      this.#isTidying = true
      void this.#exclusive(async () => {
        this.#isTidying = false
        await this.#tidyOne()
      })
    }
  }

  /** @returns bytes that were given back */
  async reclaim (bytesOfFiles: () => number, { target, signal, least = WHEN_ASKED }: ReclaimOptions): Promise<number> {
    const before = bytesOfFiles()

    this.#waiting++
    this.#unhurried.abort()
    try {
      await this.#exclusive(async () => this.#reclaim(() => target != null && bytesOfFiles() <= target, least, signal))
    } finally {
      // however it ended; while another one waits there is no time for rests
      if (--this.#waiting === 0) {
        this.#unhurried = new AbortController()
      }
    }
    return Math.max(before - bytesOfFiles(), 0)
  }

  async #reclaim (isEnough: () => boolean, least: number, signal?: AbortSignal): Promise<void> {
    const stop = AbortSignal.any([...signal == null ? [] : [signal], this.#closed.signal])
    let failure: Error | undefined

    await this.#store.segments.settled()
    // each is looked at once, also when copying it gave back nothing; those that failed lately after all others
    const tried = new Set<number>()
    const outOfRoom: Segment[] = []
    let ended = isEnough() ? undefined : await this.#endCurrent(WORTHWHILE)
    const next = async (): Promise<Segment | undefined> => {
      const fit = this.#next(least, new Set([...tried, ...this.#resting()]))
      if (fit == null && ended == null) {
        ended = await this.#endCurrent(least)
        return ended ?? this.#next(least, tried)
      }
      return fit ?? this.#next(least, tried)
    }

    const copy = async (segment: Segment): Promise<Error | undefined> => {
      stop.throwIfAborted()
      return this.#compact(segment, async () => { stop.throwIfAborted() }, stop)
    }

    for (let segment; !isEnough() && (segment = await next()) != null;) {
      tried.add(segment.id)
      const failed = await copy(segment)
      if (failed != null && isFull(failed)) {
        outOfRoom.push(segment)
      } else {
        failure ??= failed
      }
    }
    // the others have made room for them meanwhile
    for (let segment; !isEnough() && (segment = outOfRoom.shift()) != null;) {
      const failed = await copy(segment)
      failure ??= failed
    }
    await this.#store.reserve.make()
    // it was written to the log; others gave back as much as was wanted
    if (failure != null && !isEnough()) {
      throw failure
    }
  }

  /** The segment that is written to, so that what is gone from it can be given back as well */
  async #endCurrent (least: number): Promise<Segment | undefined> {
    let ended: Segment | undefined

    await this.#store.log.turn(() => {
      const { current } = this.#store.segments
      if (current != null && deadShare(current) >= least) {
        ended = current
        this.#store.segments.endCurrent()
      }
    })
    await this.#store.segments.settled()
    return ended
  }

  /** Stops what is under way between two steps */
  async close (): Promise<void> {
    this.#closed.abort(new Error('The disk tier is being closed'))
    this.#unhurried.abort()
    await this.#last
  }

  async #tidyOne (): Promise<void> {
    await this.#store.segments.settled()
    const segment = this.#next(WORTHWHILE)

    if (segment == null || this.#closed.signal.aborted) {
      return
    }
    await this.#compact(segment, async bytes => {
      this.#closed.signal.throwIfAborted()
      await this.#rest(bytes)
    }, this.#closed.signal)
    this.tidy()
  }

  async #rest (bytes: number): Promise<void> {
    const { signal } = this.#unhurried
    try {
      await this.#store.clock.sleep(bytes / UNHURRIED * 1_000, { signal })
    } catch (err) {
      if (!signal.aborted) {
        throw err
      }
    }
  }

  /** @returns what went wrong. Being stopped is that for whoever asked, and nothing that the segment can be blamed for */
  async #compact (segment: Segment, paused: (bytes: number) => Promise<void>, stop: AbortSignal): Promise<Error | undefined> {
    try {
      await compactSegment(this.#store, this.#notes, segment, paused)
      this.#failed.delete(segment.id)
      return undefined
    } catch (err) {
      if (!this.#closed.signal.aborted && err !== stop.reason) {
        this.#failed.set(segment.id, this.#store.clock.now() + RETRY_AFTER)
        this.#store.logger.error('segment %d is not given back: %e', segment.id, err)
      }
      return err as Error
    }
  }

  /** The one with the most to give back */
  #next (least: number, except: ReadonlySet<number> = this.#resting()): Segment | undefined {
    let best: Segment | undefined

    for (const segment of this.#store.blocks.segments.values()) {
      if (segment.sealed && !segment.unreadable && !except.has(segment.id) && deadShare(segment) >= least && (best == null || deadShare(segment) > deadShare(best))) {
        best = segment
      }
    }
    return best
  }

  /**
   * Those that failed lately, and those about which a later one may say something that could not be read: what was
   * removed from them would be copied, and be there for good
   */
  #resting (): ReadonlySet<number> {
    const now = this.#store.clock.now()
    const resting = new Set<number>()
    let unread = -1

    for (const { id, unreadable } of this.#store.blocks.segments.values()) {
      unread = unreadable ? Math.max(unread, id) : unread
    }
    for (const id of unread === -1 ? [] : this.#store.blocks.segments.keys()) {
      if (id < unread) {
        resting.add(id)
      }
    }

    for (const [id, until] of this.#failed) {
      if (until > now && this.#store.blocks.segments.has(id)) {
        resting.add(id)
      } else {
        this.#failed.delete(id)
      }
    }
    return resting
  }

  async #exclusive (run: () => Promise<void>): Promise<void> {
    const done = this.#last.then(run)
    // whoever waits for this one has the error; the next one begins all the same
    this.#last = done.catch(() => {})
    return done
  }
}

/** Of a segment: what would be given back */
function deadShare (segment: Segment): number {
  const size = segment.size + segment.sidecar
  return size === 0 ? 0 : (size - segment.live - carriedBytes(segment) - sidecarShare(segment)) / size
}

/** Of a sidecar: what goes along with the blocks that stay */
function sidecarShare (segment: Segment): number {
  return segment.size === 0 ? 0 : segment.sidecar * (segment.live / segment.size)
}
