import { CacheDiskError, CacheFullError } from '../interface/errors.ts'
import { describe } from './disk-health.ts'
import { DiskWrites } from './disk-writes.ts'
import { FetchedWrites } from './fetched-writes.ts'
import { Mutations } from './mutations.ts'
import { within } from './within.ts'
import type { CacheParts } from './cache-parts.ts'
import type { DiskReads } from './disk-reads.ts'
import type { DiskTier } from './disk/disk-tier.ts'
import type { Block } from './disk-writes.ts'
import type { WriteOptions } from './fetched-writes.ts'
import type { CacheKey } from './key.ts'
import type { CacheKind } from '../interface/cache.ts'
import type { CID } from 'multiformats/cid'

/** For what is under way, in ms: then it is the disk's own, which waits as long for it again */
const CLOSE_TIMEOUT = 10_000

interface Writing {
  readonly kind: CacheKind
  readonly bytes: Uint8Array
  /** Whoever put it was told that it takes too long, and may have filled the array again */
  released: boolean
  /** Whether it can be read for a while when it is over, even if its writer had to wait for that */
  readonly wait: boolean
  /** Whether it was kept */
  readonly done: Promise<boolean>
}

/** What comes in and what is deleted: verified, one write per block at a time */
export class Writes {
  readonly #parts: CacheParts
  readonly #reads: DiskReads
  readonly #mutations = new Mutations()
  readonly #writing = new Map<CacheKey, Writing>()
  readonly #disk: DiskWrites
  readonly #fetched: FetchedWrites
  #backlog = 0

  constructor (parts: CacheParts, reads: DiskReads) {
    this.#parts = parts
    this.#reads = reads
    this.#disk = new DiskWrites(parts)
    this.#fetched = new FetchedWrites(parts, this.#disk, async (cid, key) => this.#present(cid, key))
  }

  /** A block that is being written, for whoever reads it meanwhile: its bytes, or when they can be read */
  arriving (key: CacheKey): Uint8Array | Promise<unknown> | undefined {
    const writing = this.#writing.get(key)

    if (writing == null) {
      return undefined
    }
    // what a user put is the user's array: it may be filled anew as soon as the put is over
    return writing.kind === 'fetched' ? writing.bytes : writing.done.catch(() => false)
  }

  /** When the write of a block is over, however it ends */
  over (key: CacheKey): Promise<unknown> | undefined {
    return this.#writing.get(key)?.done.catch(() => false)
  }

  /** Waits for what `arriving` says, within limits */
  async arrival (arriving: Promise<unknown>): Promise<void> {
    await this.#disk.forReader(arriving)
  }

  /** @returns whether it is kept: on disk, where the operating system has it; at once where nothing has to be waited for */
  put (block: Block, kind: CacheKind, options: WriteOptions = {}): boolean | Promise<boolean> {
    // a user's array is the user's: it may have been filled again since it was hashed
    const verifying = this.#parts.verifier.verify(block.cid, block.bytes, { anew: kind === 'authored' })
    return verifying == null ? this.#put(block, kind, options) : this.#putLater(block, kind, options)
  }

  /** Where hashing takes turns the array may be filled again before it is written */
  async #putLater (block: Block, kind: CacheKind, options: WriteOptions): Promise<boolean> {
    const copy = copyOf(block)
    await this.#parts.verifier.verify(copy.cid, copy.bytes)
    return this.#put(copy, kind, options)
  }

  #put (block: Block, kind: CacheKind, options: WriteOptions): boolean | Promise<boolean> {
    const { wait = true, signal } = options
    const { verifier, counts } = this.#parts
    const { cid, key } = block

    if (verifier.identity(cid) != null) {
      // the CID is the block
      return true
    }
    const current = this.#writing.get(key)

    if (current != null && (kind === 'fetched' || current.kind === 'authored') && (current.wait || !wait)) {
      counts.joined++
      return this.#disk.inTime(current.done, current.kind, { wait })
    }
    const authored = kind === 'authored'
    // it is written in a later turn, and whoever may leave before may fill the array again
    const mine = authored && signal != null && this.#mutations.isBusy(key) ? copyOf(block) : block
    const { bytes } = mine
    const turn = this.#mutations.run(key, () => authored ? this.#author(mine, signal != null && mine === block) : this.#fetched.write(mine, this.#backlog + bytes.byteLength, options))

    if (typeof turn === 'boolean') {
      return turn
    }
    const writing: Writing = { kind, bytes, wait, released: false, done: authored ? turn.then(async kept => this.#stillRight(mine, writing, kept)) : turn }
    const { done } = writing
    this.#writing.set(key, writing)
    this.#backlog += bytes.byteLength
    const over = (): void => {
      this.#backlog -= bytes.byteLength
      if (this.#writing.get(key) === writing) {
        this.#writing.delete(key)
      }
    }
    done.then(over, over)
    const inTime = this.#disk.inTime(done, kind, { wait })
    return authored
      ? inTime.catch((err: unknown) => {
        writing.released = true
        throw err
      })
      : inTime
  }

  /** A write that took too long was of an array that its owner may have filled again meanwhile: others may count on the block */
  async #stillRight ({ cid, bytes }: Block, { released }: Writing, kept: boolean): Promise<boolean> {
    if (!released) {
      return kept
    }
    try {
      await this.#parts.verifier.verify(cid, bytes, { anew: true })
      return kept
    } catch (err) {
      const { disk } = this.#parts
      const slot = disk.find(cid.multihash.bytes)
      if (slot !== -1) {
        this.#parts.gone(slot, disk.hash(slot))
        await this.#remove([slot])
      }
      throw new CacheDiskError(`the block ${cid} could not be written: its array was filled again after the disk had not taken it in time`, { cause: err })
    }
  }

  /** What is on disk as fetched is the user's from now on; false when it is not there any more */
  async claim (cid: CID, key: CacheKey): Promise<boolean> {
    return this.#disk.inTime(this.#mutations.run(key, async () => {
      const slot = await this.#present(cid, key)
      if (slot !== -1) {
        await this.#promote(slot)
      }
      return slot !== -1
    }), 'authored')
  }

  /** Wins over every promise */
  async delete (cid: CID, key: CacheKey): Promise<boolean> {
    return this.#delete(cid, key, async slot => this.#remove([slot]))
  }

  /** All at once, but for those that something else is being done with. @returns how many of them were there */
  async deleteAll (blocks: ReadonlyArray<Pick<Block, 'cid' | 'key'>>): Promise<number> {
    const together = Promise.withResolvers<void>()
    const slots: number[] = []
    let remove = async (slot: number): Promise<void> => {
      slots.push(slot)
      return together.promise
    }
    const deleting = blocks.map(async ({ cid, key }) => this.#delete(cid, key, async slot => remove(slot)))
    // in the same turn: afterwards a slot may be another block's
    remove = async slot => this.#remove([slot])
    together.resolve(slots.length === 0 ? undefined : this.#remove(slots))
    await Promise.allSettled(deleting)
    return (await Promise.all(deleting)).filter(wasThere => wasThere).length
  }

  async #delete (cid: CID, key: CacheKey, remove: (slot: number) => Promise<void>): Promise<boolean> {
    const { disk, memory, transit, counts } = this.#parts
    this.#forget(key)

    return this.#disk.inTime(this.#mutations.run(key, async () => {
      const slot = disk.find(cid.multihash.bytes)
      // what came in between belongs to the put before this delete
      memory.delete(key)
      transit.delete(key)
      this.#reads.forget(key)

      if (slot !== -1) {
        this.#parts.gone(slot, disk.hash(slot))
        counts.deleted++
      }
      try {
        // one that is not in the index may have been deleted before, and its disk may not know
        await (slot === -1 ? this.#settle() : remove(slot))
      } catch (err) {
        throw new CacheDiskError(`the block ${cid} could not be deleted for good: ${describe(err)}`, { cause: err })
      }
      return slot !== -1
    }), 'authored', { what: 'delete a block' })
  }

  async #remove (slots: readonly number[]): Promise<void> {
    await this.#deleting(async disk => disk.remove(slots))
  }

  async #settle (): Promise<void> {
    await this.#deleting(async disk => disk.settle())
  }

  async #deleting (work: (disk: DiskTier) => Promise<void>): Promise<void> {
    try {
      await work(this.#parts.disk)
    } catch (err) {
      this.#parts.health.failed('deleting', err)
      throw err
    }
  }

  /** Resolves when all that is under way is over; what the disk does not end in time is left to it */
  async close (): Promise<void> {
    const { clock, log } = this.#parts
    this.#disk.close()

    await within(clock, CLOSE_TIMEOUT, this.#settled(), () => {
      log.error('the disk did not end what was under way within %d ms, the cache is closed all the same', CLOSE_TIMEOUT)
    })
  }

  async #settled (): Promise<void> {
    await this.#parts.room.close()
    await this.#mutations.settled()
    await this.#reads.settled()
  }

  #forget (key: CacheKey): void {
    const { memory, transit } = this.#parts
    this.#writing.delete(key)
    memory.delete(key)
    transit.delete(key)
    this.#reads.forget(key)
  }

  /** @param mayLeave - its owner may be let go before it is written */
  #author (block: Block, mayLeave: boolean): boolean | Promise<boolean> {
    const { cid, key, bytes } = block
    const { disk, residents, room, transit } = this.#parts
    const cost = disk.costOf(bytes.byteLength)
    const written = cost > residents.authorable ? -1 : this.#disk.writeNow(block, cost, 'authored')

    if (written === -1) {
      const mine = mayLeave ? copyOf(block) : block
      return disk.find(cid.multihash.bytes) === -1 ? this.#authorLater(mine, cost) : this.#authorAgain(mine, cost)
    }
    residents.author(written)
    room.changed()
    transit.delete(key)
    return true
  }

  async #authorAgain (block: Block, cost: number): Promise<boolean> {
    const slot = await this.#present(block.cid, block.key)

    if (slot === -1) {
      return this.#authorLater(block, cost)
    }
    this.#parts.counts.joined++
    await this.#promote(slot)
    return true
  }

  async #authorLater (block: Block, cost: number): Promise<boolean> {
    const { residents, room, health, transit } = this.#parts
    const { cid, key } = block
    this.#demand(cost, cid)
    residents.expect(cost)

    try {
      const written = await this.#disk.write(block, cost, 'authored')
      residents.author(written, cost)
      room.release(cost)
    } catch (err) {
      residents.unexpect(cost)
      if ((err as Error).name === 'CacheFullError') {
        throw err
      }
      health.failed('writing', err)
      throw new CacheDiskError(`the block ${cid} could not be written: ${describe(err)}`, { cause: err })
    }
    transit.delete(key)
    return true
  }

  async #promote (slot: number): Promise<void> {
    const { disk, residents, shares, health } = this.#parts
    this.#disk.promise(slot)

    if (disk.kind(slot) === 'authored') {
      return
    }
    if (!residents.pinned.has(slot)) {
      this.#demand(disk.cost(slot))
    }
    residents.author(slot)

    try {
      await disk.setKind(slot, 'authored')
    } catch (err) {
      residents.add(slot)
      health.failed('writing', err)
      throw new CacheDiskError(`a fetched block could not be made the user's: ${describe(err)}`, { cause: err })
    }
    shares?.forget(slot)
  }

  /** The slot of a block that is there and, if it was not looked at since the cache was opened, right */
  async #present (cid: CID, key: CacheKey): Promise<number> {
    const { disk } = this.#parts
    const multihash = cid.multihash.bytes
    const slot = disk.find(multihash)

    if (slot !== -1 && !this.#reads.trusts(key, slot)) {
      await this.#reads.read(cid, key, slot)
      const after = disk.find(multihash)
      return after !== -1 && this.#reads.trusts(key, after) ? after : -1
    }
    return slot
  }

  #demand (cost: number, cid?: CID): void {
    const { residents } = this.#parts

    if (cost > residents.authorable) {
      throw new CacheFullError(`there is no room for ${cid == null ? 'a block' : `the block ${cid}`}, which takes ${cost} bytes: blocks that were put or pinned leave ${Math.max(0, residents.authorable)}`)
    }
  }
}

function copyOf ({ cid, key, bytes }: Block): Block {
  // `slice` of a Buffer is a view again
  return { cid, key, bytes: new Uint8Array(bytes) }
}
