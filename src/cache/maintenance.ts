import { raceSignal } from '../clock/race-signal.ts'
import { cacheKey } from './key.ts'
import { cidOf } from './slot-cid.ts'
import { unlessStalled } from './unless-stalled.ts'
import type { CacheParts } from './cache-parts.ts'
import type { DiskReads } from './disk-reads.ts'
import type { Writes } from './writes.ts'
import type { CacheVerifyProgress } from '../interface/cache.ts'
import type { AbortOptions } from '@libp2p/interface'
import type { CID } from 'multiformats/cid'

/** How full the cache is at most after `gc`: room for some minutes of newcomers */
const LOW_WATER = 0.9

/** Blocks after which a verification tells how far it is */
const VERIFY_STEP = 64

/** Damaged blocks that a verification names; there may be more */
const MAX_DAMAGED = 10_000

/** Blocks that are cleared together: one record of what is gone, and one round of questions about pins */
const CLEAR_BATCH = 256

/** What is done with all blocks at once */
export class Maintenance {
  readonly #parts: CacheParts
  readonly #reads: DiskReads
  readonly #writes: Writes

  constructor (parts: CacheParts, reads: DiskReads, writes: Writes) {
    this.#parts = parts
    this.#reads = reads
    this.#writes = writes
  }

  async * verify ({ signal }: AbortOptions = {}): AsyncGenerator<CacheVerifyProgress> {
    const { disk } = this.#parts
    const damaged: CID[] = []
    const totalBlocks = disk.usage().blocks
    let blocks = 0
    let bytes = 0

    for (const slot of disk.slots()) {
      signal?.throwIfAborted()
      const cid = await this.cid(slot)

      if (cid == null) {
        continue
      }
      const read = await this.#reads.hash(cid, cacheKey(cid), slot)
      blocks++
      bytes += read?.byteLength ?? 0

      if (read == null && disk.find(cid.multihash.bytes) !== slot && damaged.length < MAX_DAMAGED) {
        damaged.push(cid)
      }
      if (blocks % VERIFY_STEP === 0) {
        yield { blocks, bytes, totalBlocks: Math.max(totalBlocks, blocks), damaged: [...damaged] }
      }
    }
    yield { blocks, bytes, totalBlocks: Math.max(totalBlocks, blocks), damaged }
  }

  async gc ({ signal: given }: AbortOptions = {}): Promise<{ evicted: number, freedBytes: number }> {
    const { counts, disk, residents, room } = this.#parts
    const before = { evicted: counts.evicted, files: disk.usage().files }

    await unlessStalled(this.#parts, given, async signal => {
      residents.shrink(LOW_WATER)
      await room.drain(signal)
      await disk.compact({ signal })
    })
    return { evicted: counts.evicted - before.evicted, freedBytes: Math.max(0, before.files - disk.usage().files) }
  }

  async clear ({ signal: given, authored = false }: AbortOptions & { authored?: boolean } = {}): Promise<{ removed: number, freedBytes: number }> {
    const { disk } = this.#parts
    const { files } = disk.usage()
    let removed = 0

    await unlessStalled(this.#parts, given, async signal => {
      for (const slots of batches(disk.slots(), CLEAR_BATCH)) {
        signal.throwIfAborted()
        removed += await raceSignal(this.#clear(slots.filter(slot => authored || disk.kind(slot) !== 'authored')), signal)
      }
      await disk.compact({ signal })
    })
    return { removed, freedBytes: Math.max(0, files - disk.usage().files) }
  }

  /** All but what is pinned. @returns how many */
  async #clear (slots: readonly number[]): Promise<number> {
    const { room } = this.#parts
    const cids = await Promise.all(slots.map(async slot => {
      const cid = await this.cid(slot)
      return cid == null || await room.isPinned(cid) ? undefined : cid
    }))
    return this.#writes.deleteAll(cids.filter(cid => cid != null).map(cid => ({ cid, key: cacheKey(cid) })))
  }

  /** Undefined when the block has gone meanwhile, or cannot be named */
  async cid (slot: number): Promise<CID | undefined> {
    const { disk, log } = this.#parts
    const hash = disk.hash(slot)
    try {
      return await cidOf(disk, slot, async reading => this.#reads.inTime(reading))
    } catch (err) {
      if ((err as Error).name === 'DamagedBlockError') {
        await this.#reads.putAside(slot, hash, (err as Error).message)
      } else {
        log.error('it cannot be read which block is in a slot - %e', err)
      }
      return undefined
    }
  }
}

function * batches<T> (all: Iterable<T>, size: number): Generator<T[]> {
  let batch: T[] = []

  for (const each of all) {
    if (batch.push(each) === size) {
      yield batch
      batch = []
    }
  }
  yield batch
}
