import { CacheClosedError, CacheDiskError, CacheFullError } from '../interface/errors.ts'
import { PROMISE_TIME, promiseRead } from './cache-parts.ts'
import { Progress } from './progress.ts'
import { within } from './within.ts'
import type { CacheParts } from './cache-parts.ts'
import type { BegunWrite } from './disk/disk-tier.ts'
import type { CacheKey } from './key.ts'
import type { CacheKind } from '../interface/cache.ts'
import type { CID } from 'multiformats/cid'

/** For how long a writer is slowed before it is told that there is no room, in ms: all promises of now have ended then */
const PATIENCE = PROMISE_TIME * 2

/** A fetched block waits so long for the disk besides, in ms; then its reader goes on, as does the write */
const WRITE_TIMEOUT = 5_000

/** What a user put waits longer: there is no other copy */
const AUTHOR_TIMEOUT = 30_000

/**
 * A disk that takes longer for a block, in ms, is looked at before it is given more: whoever fetched the block has to wait
 * for it, or to hold it in memory. One that had much to do passes that at once
 */
const SLOW_WRITE = 1_000

/** How often a writer who waits for the transit buffer looks, in ms */
const POLL = 200

export interface Block {
  readonly cid: CID
  readonly key: CacheKey
  readonly bytes: Uint8Array
}

/** The slot of a block that is there and right, or -1; a promise where it has to be read to find out */
export type Present = (cid: CID, key: CacheKey) => number | Promise<number>

/** Room and time for what is written */
export class DiskWrites {
  readonly #parts: CacheParts
  readonly #passing: Progress
  #isClosing = false

  constructor (parts: CacheParts) {
    this.#parts = parts
    this.#passing = new Progress(parts.clock)
  }

  /**
   * Begins to write a block that is being looked at yet, where there is room for it at once; undefined when it was not
   * begun. One that is right goes to `write` in the same turn, and one that is not to `drop`.
   */
  begin ({ cid, bytes }: Block, cost: number, kind: CacheKind): BegunWrite | undefined {
    const { disk, room, health } = this.#parts

    if (!health.ok || !room.takeNow(cost)) {
      return undefined
    }
    const begun = disk.begin(cid.multihash.bytes, bytes, kind)
    if (begun == null) {
      room.release(cost)
    }
    return begun
  }

  /** Gives back the room when nothing of it is left on the disk */
  drop (begun: BegunWrite, cost: number): void {
    void begun.drop().finally(() => { this.#parts.room.release(cost) })
  }

  /**
   * Takes room, which the caller releases when it has taken the block into account; a `CacheFullError` when there is none in time.
   * What the array is when this is called is what is written, or else it reads as damaged: see `DiskTier.write`
   */
  async write (block: Block, cost: number, kind: CacheKind, begun?: BegunWrite): Promise<number> {
    const { clock, disk, room, counts, health } = this.#parts
    const { cid } = block
    let { bytes } = block

    if (begun == null && !room.takeNow(cost)) {
      counts.slowedWrites++
      // meanwhile the array may be filled again
      bytes = copyOf(block).bytes
      if (!await room.take(cost, PATIENCE)) {
        throw new CacheFullError(`there is no room for the block ${cid} of ${bytes.byteLength} bytes: what could go was promised to somebody, or cannot be removed`)
      }
    }
    const began = clock.now()
    try {
      const slot = await (begun == null ? disk.write(cid.multihash.bytes, bytes, kind) : begun.finish())
      const took = clock.now() - began
      disk.setChecked(slot)
      this.promise(slot)
      if (took > SLOW_WRITE) {
        health.slow(`a write took ${Math.round(took)} ms`)
      } else if (kind === 'authored') {
        // tried whatever health says
        health.worked()
      }
      return slot
    } catch (err) {
      room.release(cost)
      throw err
    }
  }

  /** As `write`, before it returns, where that can be: the caller takes the block into account then, and calls `room.changed`. -1 when it cannot */
  writeNow ({ cid, bytes }: Block, cost: number, kind: CacheKind): number {
    const { disk, room, health } = this.#parts
    const slot = health.ok && room.fits(cost) ? disk.writeNow(cid.multihash.bytes, bytes, kind) : -1

    if (slot !== -1) {
      disk.setChecked(slot)
      this.promise(slot)
    }
    return slot
  }

  /**
   * What is not kept can be read for a while: from memory, or else from disk, or else the writer waits
   *
   * @returns whether it can: not always, for a writer who does not wait
   */
  async pass (block: Block, wait: boolean): Promise<boolean> {
    const { clock, transit, residents, disk, room, health, counts } = this.#parts
    const { cid, key, bytes: { byteLength } } = block
    const until = clock.now() + PATIENCE
    const cost = disk.costOf(byteLength)
    let mine = block

    for (let slowed = false; ; slowed = true) {
      if (transit.fits(byteLength)) {
        transit.hold(key, mine.bytes)
        return true
      }
      if (health.ok && room.fits(cost)) {
        try {
          residents.condemn(await this.write(mine, cost, 'fetched'))
          room.release(cost)
          return true
        } catch (err) {
          health.failed('writing', err)
        }
      }
      if (!wait) {
        return false
      }
      if (this.#isClosing) {
        throw new CacheClosedError(`the cache was closed before there was room for the block ${cid}`)
      }
      if (!slowed) {
        counts.slowedWrites++
        mine = copyOf(block)
      }
      const left = until - clock.now()
      if (left <= 0) {
        throw new CacheFullError(`there is no room for the block ${cid}, not even for some seconds`)
      }
      await this.#passing.next(Math.min(POLL, left))
    }
  }

  /** Nobody waits any more for what may never come */
  close (): void {
    this.#isClosing = true
    this.#passing.notify()
  }

  promise (slot: number): void {
    promiseRead(this.#parts, slot)
  }

  /** A reader of what is being written waits no longer for it than one who brings a fetched block */
  async forReader (done: Promise<unknown>): Promise<void> {
    await within(this.#parts.clock, PATIENCE + WRITE_TIMEOUT, done, () => {})
  }

  /** Who waits for a write is told in time that it is not done; it goes on */
  async inTime (done: Promise<boolean>, kind: CacheKind, { what = 'take a block', wait = true }: { what?: string, wait?: boolean } = {}): Promise<boolean> {
    const { clock, health, counts } = this.#parts
    const ms = (wait ? PATIENCE : 0) + (kind === 'authored' ? AUTHOR_TIMEOUT : WRITE_TIMEOUT)
    return within(clock, ms, done, () => {
      health.slow(`a write takes longer than ${ms} ms`, done)
      if (kind === 'authored') {
        throw new CacheDiskError(`the disk did not ${what} within ${ms} ms`)
      }
      counts.skippedWrites++
      return false
    })
  }
}

export function copyOf ({ cid, key, bytes }: Block): Block {
  // `slice` of a Buffer is a view again
  return { cid, key, bytes: new Uint8Array(bytes) }
}
