import { CID } from 'multiformats/cid'
import { raceSignal } from '../clock/race-signal.ts'
import { Turns } from '../clock/turns.ts'
import { CacheClosedError, NotFoundError } from '../interface/errors.ts'
import { promiseRead } from './cache-parts.ts'
import { cacheHealth, cacheStats } from './cache-stats.ts'
import { collect, lazily } from './collect.ts'
import { diskHit, promptHit } from './disk-hit.ts'
import { DiskReads } from './disk-reads.ts'
import { each } from './each.ts'
import { FetchedMarks } from './fetched-marks.ts'
import { cacheKey } from './key.ts'
import { Maintenance } from './maintenance.ts'
import { OneChunk } from './one-chunk.ts'
import { readShared, shareHit } from './shared/share.ts'
import { Writes } from './writes.ts'
import type { BlockCacheInit, CacheParts } from './cache-parts.ts'
import type { Many } from './each.ts'
import type { CacheKey } from './key.ts'
import type { AdmitOptions, BlockCache, CacheEntry, CacheHealth, CacheProgressEvents, CacheStats, CacheVerifyProgress } from '../interface/cache.ts'
import type { AbortOptions } from '@libp2p/interface'
import type { InputPair, Pair } from 'interface-blockstore'
import type { ProgressOptions } from 'progress-events'

type Bytes = Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>
type Chunks = Generator<Uint8Array> | AsyncGenerator<Uint8Array>

/** The tiers as one blockstore */
export class TieredCache implements BlockCache {
  readonly #parts: CacheParts
  readonly #init: BlockCacheInit
  readonly #reads: DiskReads
  readonly #writes: Writes
  readonly #maintenance: Maintenance
  readonly #fetched: FetchedMarks
  readonly #turns: Turns
  #closing?: Promise<void>

  constructor (parts: CacheParts, init: BlockCacheInit) {
    this.#parts = parts
    this.#init = init
    this.#fetched = new FetchedMarks(parts.clock)
    this.#turns = new Turns(parts.clock)
    this.#reads = new DiskReads(parts)
    this.#writes = new Writes(parts, this.#reads)
    this.#maintenance = new Maintenance(parts, this.#reads, this.#writes)
  }

  has (cid: CID, options?: AbortOptions): boolean | Promise<boolean> {
    this.#begin(options)
    const { memory, transit, disk } = this.#parts
    const key = cacheKey(cid)
    const held = memory.peek(key)

    if (held != null && held.slot !== -1) {
      promiseRead(this.#parts, held.slot)
      return true
    }
    const bytes = held?.bytes ?? transit.get(key)

    if (bytes != null && (transit.get(key) != null || transit.fits(bytes.byteLength))) {
      transit.hold(key, bytes)
      return true
    }
    const slot = disk.find(cid.multihash.bytes)

    if (slot !== -1 && this.#reads.trusts(key, slot)) {
      promiseRead(this.#parts, slot)
      return true
    }
    if (this.#parts.verifier.identity(cid) != null) {
      return true
    }
    if (slot === -1 && this.#writes.arriving(key) == null) {
      return false
    }
    return raceSignal(this.#look(cid, key), options?.signal)
  }

  get (cid: CID, options?: AbortOptions): Chunks {
    this.#begin(options)
    const { memory, transit, residents, counts } = this.#parts
    const key = cacheKey(cid)
    const held = memory.get(key)

    if (held != null) {
      residents.hit(held.slot)
      counts.hit('memory', held.bytes.byteLength)
      shareHit(this.#init.shared, this.#parts.disk, held.slot, cid, held.bytes)
      return OneChunk.of(held.bytes)
    }
    const bytes = transit.get(key)

    if (bytes != null) {
      counts.hit('transit', bytes.byteLength)
      return OneChunk.of(bytes)
    }
    const read = this.#writes.arriving(key) == null ? promptHit(this.#parts, this.#init.shared, this.#reads, cid, key) : undefined

    return read == null ? this.#get(cid, key, options?.signal) : OneChunk.of(read)
  }

  async put (cid: CID, bytes: Bytes, options?: AbortOptions): Promise<CID> {
    this.#assertOpen(options)
    const signal = options?.signal
    const gathered = this.#init.puts === 'authored' && bytes instanceof Uint8Array && cid instanceof CID && !this.#fetched.has(bytes) ? this.#writes.gather(cid, bytes, { signal }) : undefined

    if (gathered != null) {
      await (signal == null || typeof gathered === 'boolean' ? gathered : raceSignal(gathered, signal))
      return cid
    }
    const key = cacheKey(cid)
    const fetched = bytes instanceof Uint8Array && this.#fetched.take(bytes)
    let whole = bytes

    if (!(whole instanceof Uint8Array)) {
      whole = await collect(cid, whole, this.#parts.verifier.maxBlockSize, signal)
      // pieces may have taken long to come
      this.#assertOpen(options)
    }
    const kind = fetched ? 'fetched' : this.#init.puts
    // what is fetched stays in memory, and the user's array is the user's, to fill again
    const kept = this.#writes.put({ cid, key, bytes: kind === 'fetched' && !fetched ? new Uint8Array(whole) : whole }, kind, { follows: fetched, signal })

    if (typeof kept !== 'boolean') {
      await raceSignal(kept, signal)
    }
    return cid
  }

  async admit (cid: CID, bytes: Uint8Array, options: AdmitOptions): Promise<boolean> {
    this.#begin(options)
    const keeping = this.#writes.put({ cid, key: cacheKey(cid), bytes }, 'fetched', options)
    const kept = typeof keeping === 'boolean' ? keeping : await raceSignal(keeping, options.signal)
    this.#init.shared?.offer(cid.multihash.bytes, bytes)
    return kept
  }

  fetched (bytes: Uint8Array): void {
    this.#fetched.add(bytes)
  }

  claim (cid: CID, options?: AbortOptions): boolean | Promise<boolean> {
    this.#begin(options)
    const { disk, memory, transit } = this.#parts
    const key = cacheKey(cid)
    const slot = disk.find(cid.multihash.bytes)

    if (slot !== -1) {
      return disk.kind(slot) === 'authored' || raceSignal(this.#writes.claim(cid, key), options?.signal)
    }
    // declined, and readable for a few seconds more
    const bytes = transit.get(key) ?? memory.peek(key)?.bytes ?? this.#writes.arriving(key)
    const kept = bytes instanceof Uint8Array && this.#writes.put({ cid, key, bytes }, 'authored')
    return typeof kept === 'boolean' ? kept : raceSignal(kept, options?.signal)
  }

  missed (cid: CID): void {
    this.#parts.counts.nowhere(this.#parts.disk.hashOf(cid.multihash.bytes))
  }

  async getShared (cid: CID, options?: AbortOptions): Promise<Uint8Array | undefined> {
    this.#begin(options)
    return readShared(this.#init.shared, this.#parts, cid, options)
  }

  async delete (cid: CID, options?: AbortOptions): Promise<void> {
    this.#begin(options)
    await raceSignal(this.#writes.delete(cid, cacheKey(cid)), options?.signal)
  }

  putMany (source: Many<InputPair>, options?: AbortOptions): AsyncGenerator<CID> {
    return each(source, async ({ cid, bytes }) => this.put(cid, bytes, options))
  }

  getMany (source: Many<CID>, options?: AbortOptions): AsyncGenerator<Pair> {
    return each(source, cid => ({ cid, bytes: this.get(cid, options) }))
  }

  deleteMany (source: Many<CID>, options?: AbortOptions): AsyncGenerator<CID> {
    return each(source, async cid => {
      await this.delete(cid, options)
      return cid
    })
  }

  getAll (options?: AbortOptions): AsyncGenerator<Pair> {
    return each(this.ls(options), ({ cid }) => ({ cid, bytes: lazily(() => this.get(cid, options)) }))
  }

  async * ls (options?: AbortOptions): AsyncGenerator<CacheEntry> {
    this.#begin(options)
    const { disk } = this.#parts
    const othersTurn = this.#turns.walk(options?.signal)

    for (const slot of disk.slots()) {
      this.#begin(options)
      const cid = await this.#maintenance.cid(slot)

      if (cid != null) {
        yield { cid, size: disk.size(slot), kind: disk.kind(slot) }
      }
      await othersTurn()
    }
  }

  attachPins (isPinned: (cid: CID) => boolean | Promise<boolean>): void {
    this.#parts.room.pins.attach(isPinned)
  }

  stats (): CacheStats {
    this.#begin()
    return cacheStats(this.#parts, this.#init)
  }

  health (): CacheHealth {
    this.#begin()
    return cacheHealth(this.#parts, this.#init)
  }

  async * verify (options?: AbortOptions): AsyncGenerator<CacheVerifyProgress> {
    this.#begin(options)
    yield * this.#maintenance.verify(options)
  }

  async gc (options?: AbortOptions & ProgressOptions<CacheProgressEvents>): Promise<{ evicted: number, freedBytes: number }> {
    this.#begin(options)
    return this.#maintenance.gc(options)
  }

  async clear (options: AbortOptions & ProgressOptions<CacheProgressEvents> & { authored?: boolean } = {}): Promise<{ removed: number, freedBytes: number }> {
    this.#begin(options)
    return this.#maintenance.clear(options)
  }

  async close (): Promise<void> {
    this.#closing ??= this.#close()
    await this.#closing
  }

  async #close (): Promise<void> {
    const { health, memory, transit } = this.#parts
    this.#writes.flush()
    health.close()
    await this.#writes.close()
    await this.#init.shared?.close()
    memory.clear()
    transit.clear()
    await this.#init.close()
  }

  /** Before whatever looks at what is here */
  #begin (options?: AbortOptions): void {
    this.#assertOpen(options)
    this.#writes.flush()
  }

  #assertOpen (options?: AbortOptions): void {
    if (this.#closing != null) {
      throw new CacheClosedError('the cache was closed')
    }
    options?.signal?.throwIfAborted()
  }

  async * #get (cid: CID, key: CacheKey, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    this.#begin({ signal })
    const { disk, counts, residents } = this.#parts
    const identity = this.#parts.verifier.identity(cid)

    if (identity != null) {
      yield identity
      return
    }
    const arriving = this.#writes.arriving(key)

    if (arriving instanceof Uint8Array) {
      counts.hit('transit', arriving.byteLength)
      yield arriving
      return
    }
    if (arriving != null) {
      await raceSignal(this.#writes.arrival(arriving), signal)
    }
    const bytes = await raceSignal(this.#find(cid, key), signal)

    if (bytes == null) {
      const hash = disk.hashOf(cid.multihash.bytes)
      counts.miss(hash)
      residents.miss(hash)
      throw new NotFoundError([], `the block ${cid} is not in the cache`)
    }
    yield bytes
  }

  /** On disk, or else in the shared tier */
  async #find (cid: CID, key: CacheKey): Promise<Uint8Array | undefined> {
    const { disk, counts, memory, transit } = this.#parts
    const slot = disk.find(cid.multihash.bytes)

    if (slot !== -1) {
      promiseRead(this.#parts, slot)
      const bytes = await this.#reads.read(cid, key, slot)

      if (bytes != null) {
        diskHit(this.#parts, this.#init.shared, cid, slot, bytes)
        return bytes
      }
    }
    // it may have come since, or be here because the disk could not take it
    for (const [tier, held] of [['memory', memory.get(key)?.bytes], ['transit', transit.get(key)]] as const) {
      if (held != null) {
        counts.hit(tier, held.byteLength)
        return held
      }
    }
    return this.getShared(cid)
  }

  /** Whether a block is here that nobody has looked at yet: it is read to find out */
  async #look (cid: CID, key: CacheKey): Promise<boolean> {
    const { disk, transit } = this.#parts
    const arriving = this.#writes.arriving(key)

    if (arriving instanceof Uint8Array) {
      // it may be declined in the end
      if (transit.fits(arriving.byteLength)) {
        transit.hold(key, arriving)
        return true
      }
      await this.#writes.arrival(this.#writes.over(key) ?? Promise.resolve())
    } else if (arriving != null) {
      await this.#writes.arrival(arriving)
    }
    const slot = disk.find(cid.multihash.bytes)

    if (slot !== -1 && (this.#reads.trusts(key, slot) || await this.#reads.read(cid, key, slot) != null)) {
      const now = disk.find(cid.multihash.bytes)
      if (now !== -1) {
        promiseRead(this.#parts, now)
        return true
      }
    }
    const bytes = transit.get(key)

    if (bytes != null) {
      transit.hold(key, bytes)
    }
    return bytes != null
  }
}
