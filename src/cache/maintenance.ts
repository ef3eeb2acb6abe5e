import { raceSignal } from '../clock/race-signal.ts'
import { CacheClosedError, CacheDiskError } from '../interface/errors.ts'
import { describe } from './disk-health.ts'
import { errorCode } from './disk/files.ts'
import { cacheKey } from './key.ts'
import { cidOf } from './slot-cid.ts'
import { TELL_INTERVAL, told } from './told.ts'
import { unlessStalled } from './unless-stalled.ts'
import type { CacheParts } from './cache-parts.ts'
import type { DiskReads } from './disk-reads.ts'
import type { Writes } from './writes.ts'
import type { CacheProgressEvents, CacheVerifyProgress } from '../interface/cache.ts'
import type { AbortOptions } from '@libp2p/interface'
import type { CID } from 'multiformats/cid'
import type { ProgressOptions } from 'progress-events'

type WorkOptions = AbortOptions & ProgressOptions<CacheProgressEvents>

/** How full the cache is at most after `gc`: room for some minutes of newcomers */
const LOW_WATER = 0.9

/** Damaged blocks that are named at once: a line of some kilobytes */
const MAX_NAMED = 64

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
    const { clock, disk } = this.#parts
    const atFirst = disk.usage().blocks
    const counts = { blocks: 0, bytes: 0, damagedBlocks: 0, unreadBlocks: 0 }
    let damaged: CID[] = []
    let toldAt = clock.now()
    const progress = (): CacheVerifyProgress => {
      const named = damaged
      damaged = []
      toldAt = clock.now()
      return { ...counts, totalBlocks: Math.max(atFirst, counts.blocks), damaged: named }
    }

    for (const slot of disk.slots()) {
      signal?.throwIfAborted()
      const named = await this.#named(slot)

      if (named === 'damaged') {
        counts.blocks++
        counts.damagedBlocks++
      // it may have gone while it was named
      } else if (named != null && disk.find(named.multihash.bytes) === slot) {
        const read = await this.#reads.hash(named, cacheKey(named), slot)
        counts.blocks++
        counts.bytes += read?.byteLength ?? 0

        if (read == null && disk.find(named.multihash.bytes) === slot) {
          counts.unreadBlocks++
        } else if (read == null) {
          counts.damagedBlocks++
          damaged.push(named)
        }
      }
      if (clock.now() - toldAt >= TELL_INTERVAL || damaged.length >= MAX_NAMED) {
        yield progress()
      }
    }
    yield progress()
  }

  async gc (options: WorkOptions = {}): Promise<{ evicted: number, freedBytes: number }> {
    const { counts, disk, residents, room } = this.#parts
    const before = { evicted: counts.evicted, files: disk.usage().files }

    await this.#givingBack(options.signal, async signal => {
      residents.shrink(LOW_WATER)
      await told(this.#parts, options, () => {
        const blocks = counts.evicted - before.evicted
        return { phase: 'evict', blocks, totalBlocks: blocks + residents.condemned.size }
      }, async () => room.drain(signal))
      await this.#compact({ ...options, signal })
    })
    return { evicted: counts.evicted - before.evicted, freedBytes: Math.max(0, before.files - disk.usage().files) }
  }

  async clear ({ authored = false, ...options }: WorkOptions & { authored?: boolean } = {}): Promise<{ removed: number, freedBytes: number }> {
    const { disk } = this.#parts
    const { files, blocks, authoredBlocks } = disk.usage()
    const totalBlocks = authored ? blocks : blocks - authoredBlocks
    let removed = 0

    await this.#givingBack(options.signal, async signal => {
      await told(this.#parts, options, () => ({ phase: 'evict', blocks: removed, totalBlocks: Math.max(totalBlocks, removed) }), async () => {
        for (const slots of batches(disk.slots(), CLEAR_BATCH)) {
          signal.throwIfAborted()
          removed += await raceSignal(this.#clear(slots, authored), signal)
        }
      })
      await this.#compact({ ...options, signal })
    })
    return { removed, freedBytes: Math.max(0, files - disk.usage().files) }
  }

  /** What the system says is said by name, and so is that the cache was closed meanwhile */
  async #givingBack (signal: AbortSignal | undefined, work: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const { health } = this.#parts
    try {
      await unlessStalled(this.#parts, signal, work)
    } catch (err) {
      if (signal?.aborted === true && err === signal.reason) {
        throw err
      }
      if (health.closing.aborted) {
        throw new CacheClosedError('the cache was closed while space was given back', { cause: err })
      }
      throw errorCode(err) == null ? err : new CacheDiskError(`space could not be given back: ${describe(err)}`, { cause: err })
    }
  }

  /** All but what is pinned, and, unless that was said, authored. @returns how many */
  async #clear (slots: readonly number[], authored: boolean): Promise<number> {
    const { disk, room: { pins } } = this.#parts
    const isMeant = (slot: number): boolean => authored || disk.kind(slot) !== 'authored'
    const asked = await Promise.all(slots.filter(isMeant).map(async slot => {
      const promised = disk.promisedUntil(slot)
      const cid = await this.cid(slot)
      return cid == null || await pins.ask(cid) !== false ? undefined : { cid, key: cacheKey(cid), slot, promised }
    }))
    // meanwhile it may have been put, or pinned, or promised to somebody, who may have pinned it
    return this.#writes.deleteAll(asked.filter(each => each != null), ({ cid, slot, promised }, now) => {
      return now === slot && isMeant(slot) && disk.promisedUntil(slot) === promised && !pins.isKnownByNow(cid)
    })
  }

  /** Undefined when the block has gone meanwhile, or cannot be named */
  async cid (slot: number): Promise<CID | undefined> {
    const named = await this.#named(slot)
    return named === 'damaged' ? undefined : named
  }

  async #compact (options: WorkOptions): Promise<void> {
    const { disk } = this.#parts
    const before = disk.usage().files

    await told(this.#parts, options, () => {
      const { files, live } = disk.usage()
      const bytes = Math.max(0, before - files)
      return { phase: 'compact', bytes, totalBytes: bytes + Math.max(0, files - live) }
    }, async () => raceSignal(disk.compact({ signal: options.signal }), options.signal))
  }

  /** Undefined when the block has gone meanwhile or its disk does not say; one whose name is damaged is put aside */
  async #named (slot: number): Promise<CID | 'damaged' | undefined> {
    const { disk, log } = this.#parts
    const hash = disk.hash(slot)
    try {
      return await cidOf(disk, slot, async reading => this.#reads.inTime(reading))
    } catch (err) {
      if ((err as Error).name === 'DamagedBlockError') {
        log.error('a block whose name is damaged is put aside: %s', (err as Error).message)
        await this.#reads.putAside(slot, hash, (err as Error).message)
        return 'damaged'
      }
      log.error('it cannot be read which block is in a slot - %e', err)
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
