import type { AbortOptions } from '@libp2p/interface'
import type { Blockstore } from 'interface-blockstore'
import type { CID } from 'multiformats/cid'
import type { ProgressEvent, ProgressOptions } from 'progress-events'

/** Where a block that was not authored here came from */
export interface AdmitOptions extends AbortOptions {
  /** Who fetched it, for statistics: `retrieval`, `prefetch`, the name of a broker */
  readonly origin: string
  /** For whom; counts towards that client's share of the cache. @default nobody's */
  readonly client?: string
  /**
   * `false`: whoever brings it has it and does not count on reading it here. Where it could be kept or held only by
   * making its writer wait for room, it is not, and nothing is promised. @default true
   */
  readonly wait?: boolean
}

/**
 * The part of a blockstore that retrieval uses: the raw store under Helia, never
 * `helia.blockstore` (it holds a process-wide lock through the fetch).
 */
export interface LocalStore {
  has (cid: CID, options?: AbortOptions): boolean | Promise<boolean>
  get (cid: CID, options?: AbortOptions): Generator<Uint8Array> | AsyncGenerator<Uint8Array>
  put (cid: CID, bytes: Uint8Array, options?: AbortOptions): CID | Promise<CID>
  /**
   * A cache that tells fetched blocks from authored ones. Resolves when the block can
   * be read, and has reached the operating system if it was kept. May decline: then
   * it can be read for some seconds, as after a `put` of Helia's own, unless `wait` is `false`.
   *
   * @returns whether it was kept
   */
  admit? (cid: CID, bytes: Uint8Array, options: AdmitOptions): Promise<boolean>
  /**
   * These very bytes came from the network: a `put` of this very array that follows is
   * not the user's. Holds for one `put`.
   */
  fetched? (bytes: Uint8Array): void
  /**
   * The block from a level that is shared with other nodes, which learns of the question: for reads. `has` and what
   * hangs on it (puts, answers to peers) know only what is here. Undefined: it is not there, or cannot be asked now.
   */
  getShared? (cid: CID, options?: AbortOptions): Promise<Uint8Array | undefined>
  /**
   * A user put this block, and Helia did not pass it on because `has` was true: if it is here as fetched, it is the
   * user's from now on.
   *
   * @returns whether it is here and the user's
   */
  claim? (cid: CID, options?: AbortOptions): boolean | Promise<boolean>
  /**
   * Somebody read this block, it was not here, and nobody else delivered it: of all other misses a cache hears when the
   * block comes. To be counted and nothing else, since anybody may ask for what does not exist.
   */
  missed? (cid: CID): void
}

/** `authored` is the user's, and stays until it is deleted; `fetched` can be had again */
export type CacheKind = 'authored' | 'fetched'

export type CacheTier = 'memory' | 'disk' | 'shared'

/** Policies that decide what goes: least recent, least worth its bytes, least frequent, longest between two requests, learnt to come again least for its bytes */
export type CacheExpert = 'recent' | 'worthy' | 'frequent' | 'interval' | 'learned'

export interface CacheEntry {
  /** With the codec `raw`, whatever the block was put with: blocks are kept by their multihash, which is that of its other CIDs, too */
  readonly cid: CID
  readonly size: number
  readonly kind: CacheKind
}

/** Counters of a cache that several nodes share, since it was opened */
export interface SharedStats {
  /** Commands that named a block and were sent, or may have been */
  readonly asked: number
  readonly hits: number
  readonly misses: number
  /** Reads that did not ask: it was slow, down, or had too many of ours already */
  readonly bypassed: number
  /** Reads that asked and went on without an answer */
  readonly late: number
  readonly written: number
  /** Hot blocks that were not written: no room in the queue, or it did not take them */
  readonly dropped: number
  /** Values that were not their block: deleted there, and read as a miss */
  readonly damaged: number
  /** Times that it was given up for a while */
  readonly outages: number
}

/** Counters since the cache was opened, and how things are now */
export interface CacheStats {
  readonly maxBytes: number
  /** On disk, everything included: what `maxBytes` bounds */
  readonly diskBytes: number
  readonly memoryBytes: number
  /** In memory because they were put or declined seconds ago */
  readonly transitBytes: number
  readonly blocks: { readonly authored: number, readonly fetched: number }
  readonly bytes: { readonly authored: number, readonly fetched: number }
  /** Of fetched blocks that would have gone if they were not pinned, on disk, records included */
  readonly pinnedBytes: number
  readonly hits: Readonly<Record<CacheTier | 'transit', number>>
  readonly hitBytes: Readonly<Record<CacheTier | 'transit', number>>
  /** Reads of blocks that were not here, fetched afterwards or not; those that wait for one retrieval together are one */
  readonly misses: number
  /** Hits of all reads; absent before the first read */
  readonly hitRatio?: number
  /** Blocks whose size is not known count as an average one; absent before the first block whose size is */
  readonly byteHitRatio?: number
  /** What each tier adds to `hitRatio`; absent with it */
  readonly hitRatios?: Readonly<Record<CacheTier | 'transit', number>>
  /** What each tier adds to `byteHitRatio`; absent with it */
  readonly byteHitRatios?: Readonly<Record<CacheTier | 'transit', number>>
  readonly admitted: number
  readonly declined: number
  readonly joined: number
  readonly evicted: number
  readonly evictedBytes: number
  readonly deleted: number
  /** Bytes that did not match their record or their CID; never served */
  readonly quarantined: number
  /** Writes that a fault of the disk cost */
  readonly skippedWrites: number
  /** Writers that waited for room */
  readonly slowedWrites: number
  /** Whom the policy follows now */
  readonly leader: CacheExpert
  /** Where that one lets newcomers in without asking what they are worth: all there is for fetched blocks, or its window */
  readonly windowBytes: number
  /** Absent without a shared level */
  readonly shared?: SharedStats
}

/** `ok`; `degraded`: reads go on, and what is fetched is not kept, or not shared, because of `reason` */
export interface CacheHealth {
  readonly state: 'ok' | 'degraded'
  readonly reason?: string
}

/** How far it is; the last one has the totals */
export interface CacheVerifyProgress {
  readonly blocks: number
  readonly bytes: number
  readonly totalBlocks: number
  /** Quarantined since the progress before: each block is named once */
  readonly damaged: readonly CID[]
  /** Quarantined so far, those among them whose name is damaged, too */
  readonly damagedBlocks: number
  /** Blocks so far that the disk did not give, or not in time: nobody knows how they are, and they stay */
  readonly unreadBlocks: number
}

/**
 * How far `gc` or `clear` is: first blocks go (`evict`), then the files that they leave half empty (`compact`). Totals
 * are as they look by then.
 */
export type CacheProgress =
  { readonly phase: 'evict', readonly blocks: number, readonly totalBlocks: number } |
  { readonly phase: 'compact', readonly bytes: number, readonly totalBytes: number }

export type CacheProgressEvents = ProgressEvent<'portolan:cache:evict' | 'portolan:cache:compact', CacheProgress>

/** What the commands, the control endpoint and whoever composes a node need of a cache, besides the blockstore that it is */
export interface BlockCache extends Blockstore, Required<Pick<LocalStore, 'admit' | 'fetched' | 'claim' | 'getShared' | 'missed'>> {
  /** Blocks that must not be evicted, though nobody authored them here: asked before an eviction */
  attachPins (isPinned: (cid: CID) => boolean | Promise<boolean>): void
  stats (): CacheStats
  health (): CacheHealth
  /** All blocks, as CIDs with the codec `raw`: compare multihashes to find one, or ask `has` */
  ls (options?: AbortOptions): AsyncIterable<CacheEntry>
  /** Reads and hashes everything; what is damaged is quarantined */
  verify (options?: AbortOptions): AsyncIterable<CacheVerifyProgress>
  /** Gives back the disk space of what is gone, and evicts down to the low-water mark */
  gc (options?: AbortOptions & ProgressOptions<CacheProgressEvents>): Promise<{ evicted: number, freedBytes: number }>
  /** Drops all fetched blocks that are not pinned; authored ones too when told so */
  clear (options?: AbortOptions & ProgressOptions<CacheProgressEvents> & { authored?: boolean }): Promise<{ removed: number, freedBytes: number }>
  /** Idempotent. Whoever opened the cache closes it: a node that was given one does not */
  close (): Promise<void>
}
