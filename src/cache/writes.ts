import { CacheDiskError } from '../interface/errors.ts'
import { AuthoredWrites } from './authored-writes.ts'
import { describe } from './disk-health.ts'
import { DiskWrites, copyOf } from './disk-writes.ts'
import { FetchedWrites } from './fetched-writes.ts'
import { GatheredPuts } from './gathered-puts.ts'
import { cacheKey } from './key.ts'
import { Mutations } from './mutations.ts'
import { within } from './within.ts'
import type { CacheParts } from './cache-parts.ts'
import type { DiskReads } from './disk-reads.ts'
import type { DiskTier } from './disk/disk-tier.ts'
import type { Block, Present } from './disk-writes.ts'
import type { WriteOptions } from './fetched-writes.ts'
import type { CacheKey } from './key.ts'
import type { CacheKind } from '../interface/cache.ts'
import type { CID } from 'multiformats/cid'

/** For what is under way, in ms: then it is the disk's own, which waits as long for it again */
const CLOSE_TIMEOUT = 10_000

const ANEW = { anew: true }

interface NewWriting {
  readonly kind: CacheKind
  readonly block: Block
  /** Whether what is written is known to be the block of its CID, whatever becomes of the array: only then it is anybody else's business */
  readonly isRight: boolean
  /** Whether it can be read for a while when it is over, even if its writer had to wait for that */
  readonly wait: boolean
}

interface Writing extends NewWriting {
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
  readonly #authored: AuthoredWrites
  readonly #gathered: GatheredPuts
  #backlog = 0

  constructor (parts: CacheParts, reads: DiskReads) {
    this.#parts = parts
    this.#reads = reads
    this.#disk = new DiskWrites(parts)
    const present: Present = (cid, key) => this.#present(cid, key)
    this.#fetched = new FetchedWrites(parts, this.#disk, present)
    this.#authored = new AuthoredWrites(parts, this.#disk, present, key => { reads.doubt(key) })
    this.#gathered = new GatheredPuts(parts, (block, options) => this.#put(block, 'authored', options))
  }

  /** To be called before anybody looks at what is here: what was put in this turn goes to the system now */
  flush (): void {
    this.#gathered.flush()
  }

  /** A block that is being written, for whoever reads it meanwhile: its bytes, or when they can be read */
  arriving (key: CacheKey): Uint8Array | Promise<unknown> | undefined {
    const writing = this.#writing.get(key)

    if (writing == null) {
      return undefined
    }
    // what a user put is the user's array: it may be filled anew as soon as the put is over
    return writing.kind === 'fetched' ? writing.block.bytes : writing.done.catch(() => false)
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
    if (kind === 'authored' && this.#authored.isLarge(block)) {
      return this.#putLarge(block, options)
    }
    // a user's array is the user's: it may have been filled again since it was hashed
    const verifying = this.#parts.verifier.verify(block.cid, block.bytes, kind === 'authored' ? ANEW : undefined)

    return verifying == null ? this.#put(block, kind, options) : this.#putLater(block, kind, options, verifying)
  }

  /**
   * As `put` of what a user puts, for small blocks that nothing else is being done with: together with others of this turn.
   *
   * @returns undefined when it has to be `put`, which says what is wrong, if anything is
   */
  gather (cid: CID, bytes: Uint8Array, options: WriteOptions): boolean | Promise<boolean> | undefined {
    const isBusy = !this.#mutations.isIdle && this.#mutations.isBusy(cacheKey(cid))
    return isBusy || (this.#writing.size > 0 && this.#writing.has(cacheKey(cid))) ? undefined : this.#gathered.put(cid, bytes, options)
  }

  /** Where hashing takes turns the array may be filled again before it is written */
  async #putLater (block: Block, kind: CacheKind, options: WriteOptions, verifying: Promise<void>): Promise<boolean> {
    const copy = copyOf(block)
    await verifying
    await this.#parts.verifier.verify(copy.cid, copy.bytes)
    return this.#put(copy, kind, options)
  }

  #put (block: Block, kind: CacheKind, options: WriteOptions): boolean | Promise<boolean> {
    const { wait = true } = options
    const { verifier, counts } = this.#parts
    const { cid, key } = block
    this.flush()

    if (verifier.identity(cid) != null) {
      // the CID is the block
      return true
    }
    const current = this.#writing.get(key)

    if (current?.isRight === true && (kind === 'fetched' || current.kind === 'authored') && (current.wait || !wait)) {
      counts.joined++
      return this.#disk.inTime(current.done, current.kind, { wait })
    }
    const authored = kind === 'authored'
    // it is written in a later turn, and the array may be filled again before
    const mine = this.#mutations.isBusy(key) ? copyOf(block) : block
    const turn = this.#mutations.run(key, () => authored ? this.#authored.write(mine) : this.#fetched.write(mine, this.#backlog + mine.bytes.byteLength, options))

    return typeof turn === 'boolean' ? turn : this.#follow({ kind, block: mine, wait, isRight: true }, turn)
  }

  /** It is looked at when its turn has come, and may be on its way to the disk by then */
  #putLarge (block: Block, { signal }: WriteOptions): Promise<boolean> {
    this.flush()

    return this.#follow({ kind: 'authored', block, wait: true, isRight: false }, this.#mutations.run(block.key, async () => {
      await this.#authored.turn()
      signal?.throwIfAborted()
      // whoever leaves before it is written fills the array again
      return this.#authored.verifyAndWrite(signal == null ? block : copyOf(block), signal != null)
    }))
  }

  #follow (begun: NewWriting, done: Promise<boolean>): Promise<boolean> {
    const { kind, wait, block: { key, bytes: { byteLength } } } = begun
    const writing: Writing = { ...begun, done }
    this.#writing.set(key, writing)
    this.#backlog += byteLength
    const over = (): void => {
      this.#backlog -= byteLength
      if (this.#writing.get(key) === writing) {
        this.#writing.delete(key)
      }
    }
    done.then(over, over)
    return this.#disk.inTime(done, kind, { wait })
  }

  /** What is on disk as fetched is the user's from now on; false when it is not there any more */
  async claim (cid: CID, key: CacheKey): Promise<boolean> {
    return this.#disk.inTime(this.#mutations.run(key, async () => {
      const slot = await this.#present(cid, key)
      // it may have been evicted, and the slot be another block's, since that was found out
      const isThere = slot !== -1 && this.#parts.disk.find(cid.multihash.bytes) === slot
      if (isThere) {
        await this.#authored.promote(slot)
      }
      return isThere
    }), 'authored')
  }

  /** Wins over every promise */
  async delete (cid: CID, key: CacheKey): Promise<boolean> {
    this.flush()
    this.#forget(key)
    return this.#delete(cid, key, async slot => this.#remove([slot]))
  }

  /**
   * All at once, but for those that something else is being done with, whose turn comes after that
   *
   * @param mayGo - asked in the turn in which a block would go
   * @returns how many went
   */
  async deleteAll<T extends Pick<Block, 'cid' | 'key'>> (blocks: readonly T[], mayGo: (block: T, slot: number) => boolean): Promise<number> {
    const together = Promise.withResolvers<void>()
    const slots: number[] = []
    let remove = async (slot: number): Promise<void> => {
      slots.push(slot)
      return together.promise
    }
    this.flush()
    const deleting = blocks.map(async block => this.#delete(block.cid, block.key, async slot => remove(slot), slot => mayGo(block, slot)))
    // in the same turn: afterwards a slot may be another block's
    remove = async slot => this.#remove([slot])
    together.resolve(slots.length === 0 ? undefined : this.#remove(slots))
    await Promise.allSettled(deleting)
    return (await Promise.all(deleting)).filter(went => went).length
  }

  /** @returns whether it was there, and went */
  async #delete (cid: CID, key: CacheKey, remove: (slot: number) => Promise<void>, mayGo?: (slot: number) => boolean): Promise<boolean> {
    const { disk, memory, transit, counts } = this.#parts

    return this.#disk.inTime(this.#mutations.run(key, async () => {
      const slot = disk.find(cid.multihash.bytes)

      if (mayGo != null && (slot === -1 || !mayGo(slot))) {
        return false
      }
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

  /** The slot of a block that is there and, if it was not looked at since the cache was opened, right */
  #present (cid: CID, key: CacheKey): number | Promise<number> {
    const slot = this.#parts.disk.find(cid.multihash.bytes)
    return slot === -1 || this.#reads.trusts(key, slot) ? slot : this.#presentWhenRead(cid, key, slot)
  }

  async #presentWhenRead (cid: CID, key: CacheKey, slot: number): Promise<number> {
    await this.#reads.read(cid, key, slot)
    const after = this.#parts.disk.find(cid.multihash.bytes)
    return after !== -1 && this.#reads.trusts(key, after) ? after : -1
  }
}
