import { TaskTurns } from '../clock/turns.ts'
import { CacheDiskError, CacheFullError } from '../interface/errors.ts'
import { describe } from './disk-health.ts'
import { copyOf } from './disk-writes.ts'
import { COPY_BELOW } from './disk/record.ts'
import type { CacheParts } from './cache-parts.ts'
import type { BegunWrite } from './disk/disk-tier.ts'
import type { Block, DiskWrites, Present } from './disk-writes.ts'
import type { CacheKey } from './key.ts'
import type { CID } from 'multiformats/cid'

/** Bytes. Hashing it takes as long as the way to a thread and back, so that the one can be had while the other goes on */
const LARGE = COPY_BELOW

/** Hashed in this turn: what others say of a hash may take several */
const SHA2_256 = 0x12

/** What the user puts: kept until it is deleted, or refused by name */
export class AuthoredWrites {
  readonly #parts: CacheParts
  readonly #disk: DiskWrites
  readonly #present: Present
  /** It is read before it is said to be there */
  readonly #doubt: (key: CacheKey) => void
  readonly #turns = new TaskTurns()

  constructor (parts: CacheParts, disk: DiskWrites, present: Present, doubt: (key: CacheKey) => void) {
    this.#parts = parts
    this.#disk = disk
    this.#present = present
    this.#doubt = doubt
  }

  /** Whether it is for `verifyAndWrite`, after its `turn` */
  isLarge ({ cid, bytes }: Block): boolean {
    return bytes.byteLength >= LARGE && cid.multihash.code === SHA2_256 && bytes.byteLength <= this.#parts.verifier.maxBlockSize
  }

  /** Large blocks are hashed one in a turn of the event loop: what the disk says of the last one is heard, and it has the next one while that is hashed */
  async turn (): Promise<void> {
    await this.#turns.next()
  }

  /**
   * The disk is given the block while it is hashed. When it is wrong nothing of it stays.
   *
   * @param isOwn - nobody else has the array
   */
  async verifyAndWrite (block: Block, isOwn: boolean): Promise<boolean> {
    const { disk, residents, verifier } = this.#parts
    const cost = disk.costOf(block.bytes.byteLength)
    const begun = cost > residents.authorable ? undefined : this.#disk.begin(block, cost, 'authored')
    let mine = block
    let isRight = false

    try {
      const verifying = verifier.verify(block.cid, block.bytes, { anew: true })
      isRight = verifying == null
      if (verifying != null) {
        // over several turns, in which the array may be filled again
        mine = copyOf(block)
        await verifying
        await verifier.verify(mine.cid, mine.bytes)
      }
    } finally {
      if (begun != null && !isRight) {
        this.#disk.drop(begun, cost)
      }
    }
    return begun == null || mine !== block ? this.write(mine, isOwn || mine !== block) : this.#write(block, cost, isOwn, begun)
  }

  /** It is right now; the array may be filled again as soon as this returns */
  write (block: Block, isOwn: boolean = false): boolean | Promise<boolean> {
    const { cid, key, bytes } = block
    const { disk, residents, room, transit } = this.#parts
    const cost = disk.costOf(bytes.byteLength)
    const written = cost > residents.authorable ? -1 : this.#disk.writeNow(block, cost, 'authored')

    if (written !== -1) {
      residents.author(written)
      room.changed()
      transit.delete(key)
      return true
    }
    const present = this.#present(cid, key)

    if (typeof present !== 'number') {
      return this.#again(isOwn ? block : copyOf(block), cost, present)
    }
    return present === -1 ? this.#write(block, cost, isOwn) : this.#join(present)
  }

  async #again (block: Block, cost: number, present: Promise<number>): Promise<boolean> {
    const slot = await present
    return slot === -1 || this.#parts.disk.find(block.cid.multihash.bytes) !== slot ? this.#write(block, cost, true) : this.#join(slot)
  }

  async #join (slot: number): Promise<boolean> {
    this.#parts.counts.joined++
    await this.promote(slot)
    return true
  }

  async #write (block: Block, cost: number, isOwn: boolean, begun?: BegunWrite): Promise<boolean> {
    const { residents, room, health, transit } = this.#parts
    const { cid, key, bytes } = block

    if (!isOwn && bytes.byteLength >= COPY_BELOW) {
      // it is damaged if its owner fills the array again meanwhile, which nobody else who puts it has to suffer from
      this.#doubt(key)
    }
    if (begun == null) {
      this.#demand(cost, cid)
    }
    residents.expect(cost)

    try {
      const written = await this.#disk.write(block, cost, 'authored', begun)
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

  /** A block that is there is the user's from now on */
  async promote (slot: number): Promise<void> {
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

  #demand (cost: number, cid?: CID): void {
    const { residents } = this.#parts

    if (cost > residents.authorable) {
      throw new CacheFullError(`there is no room for ${cid == null ? 'a block' : `the block ${cid}`}, which takes ${cost} bytes: blocks that were put or pinned leave ${Math.max(0, residents.authorable)}`)
    }
  }
}
