import { CacheClosedError } from '../interface/errors.ts'
import type { AdmitOptions, BlockCache, CacheEntry, CacheHealth, CacheProgressEvents, CacheStats, CacheVerifyProgress } from '../interface/cache.ts'
import type { AbortOptions } from '@libp2p/interface'
import type { InputPair, Pair } from 'interface-blockstore'
import type { CID } from 'multiformats/cid'
import type { ProgressOptions } from 'progress-events'

type Bytes = Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>
type Chunks = Generator<Uint8Array> | AsyncGenerator<Uint8Array>

/** Of a cache that was not open yet */
const NO_STATS: CacheStats = {
  maxBytes: 0,
  diskBytes: 0,
  memoryBytes: 0,
  transitBytes: 0,
  blocks: { authored: 0, fetched: 0 },
  bytes: { authored: 0, fetched: 0 },
  pinnedBytes: 0,
  hits: { memory: 0, disk: 0, shared: 0, transit: 0 },
  hitBytes: { memory: 0, disk: 0, shared: 0, transit: 0 },
  misses: 0,
  admitted: 0,
  declined: 0,
  joined: 0,
  evicted: 0,
  evictedBytes: 0,
  deleted: 0,
  quarantined: 0,
  skippedWrites: 0,
  slowedWrites: 0,
  leader: 'recent',
  windowBytes: 0
}

/** The cache of a node that is made before it is started, stopped and started again: closed in between */
export class NodeCache implements BlockCache {
  readonly #open: () => Promise<BlockCache>
  #cache?: BlockCache
  #last: CacheStats = NO_STATS
  #isPinned?: (cid: CID) => boolean | Promise<boolean>

  constructor (open: () => Promise<BlockCache>) {
    this.#open = open
  }

  async open (): Promise<void> {
    this.#cache = await this.#open()
    if (this.#isPinned != null) {
      this.#cache.attachPins(this.#isPinned)
    }
  }

  async close (): Promise<void> {
    const cache = this.#cache
    this.#last = this.stats()
    this.#cache = undefined
    await cache?.close()
  }

  attachPins (isPinned: (cid: CID) => boolean | Promise<boolean>): void {
    this.#isPinned = isPinned
    this.#cache?.attachPins(isPinned)
  }

  has (cid: CID, options?: AbortOptions): boolean | Promise<boolean> {
    return this.#use.has(cid, options)
  }

  get (cid: CID, options?: AbortOptions): Chunks {
    return this.#use.get(cid, options)
  }

  put (cid: CID, bytes: Bytes, options?: AbortOptions): CID | Promise<CID> {
    return this.#use.put(cid, bytes, options)
  }

  async admit (cid: CID, bytes: Uint8Array, options: AdmitOptions): Promise<boolean> {
    return this.#use.admit(cid, bytes, options)
  }

  fetched (bytes: Uint8Array): void {
    this.#use.fetched(bytes)
  }

  claim (cid: CID, options?: AbortOptions): boolean | Promise<boolean> {
    return this.#use.claim(cid, options)
  }

  missed (cid: CID): void {
    this.#cache?.missed(cid)
  }

  async getShared (cid: CID, options?: AbortOptions): Promise<Uint8Array | undefined> {
    return this.#use.getShared(cid, options)
  }

  delete (cid: CID, options?: AbortOptions): void | Promise<void> {
    return this.#use.delete(cid, options)
  }

  putMany (source: Iterable<InputPair> | AsyncIterable<InputPair>, options?: AbortOptions): Generator<CID> | AsyncGenerator<CID> {
    return this.#use.putMany(source, options)
  }

  getMany (source: Iterable<CID> | AsyncIterable<CID>, options?: AbortOptions): Generator<Pair> | AsyncGenerator<Pair> {
    return this.#use.getMany(source, options)
  }

  deleteMany (source: Iterable<CID> | AsyncIterable<CID>, options?: AbortOptions): Generator<CID> | AsyncGenerator<CID> {
    return this.#use.deleteMany(source, options)
  }

  getAll (options?: AbortOptions): Generator<Pair> | AsyncGenerator<Pair> {
    return this.#use.getAll(options)
  }

  ls (options?: AbortOptions): AsyncIterable<CacheEntry> {
    return this.#use.ls(options)
  }

  verify (options?: AbortOptions): AsyncIterable<CacheVerifyProgress> {
    return this.#use.verify(options)
  }

  async gc (options?: AbortOptions & ProgressOptions<CacheProgressEvents>): Promise<{ evicted: number, freedBytes: number }> {
    return this.#use.gc(options)
  }

  async clear (options?: AbortOptions & ProgressOptions<CacheProgressEvents> & { authored?: boolean }): Promise<{ removed: number, freedBytes: number }> {
    return this.#use.clear(options)
  }

  /** Of the last time it was open, when it is closed: metrics are read at any time */
  stats (): CacheStats {
    return this.#cache?.stats() ?? this.#last
  }

  health (): CacheHealth {
    return this.#cache?.health() ?? { state: 'degraded', reason: 'the cache is closed' }
  }

  get #use (): BlockCache {
    if (this.#cache == null) {
      throw new CacheClosedError('the cache of the node is closed: start the node')
    }
    return this.#cache
  }
}
