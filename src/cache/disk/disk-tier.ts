import type { CacheKind } from '../../interface/cache.ts'

/** What opening found, and what it repaired */
export interface OpenReport {
  readonly blocks: number
  readonly authored: number
  /** In words, for the log: what was dropped or rebuilt, and why. Empty after a clean stop */
  readonly repairs: readonly string[]
}

export interface DiskUsage {
  /** All files of the tier, in bytes: what is bounded */
  readonly files: number
  /** What giving back space may take besides, for a moment: whoever bounds `files` leaves that much free */
  readonly headroom: number
  /** Of the files, what the blocks that can be read take */
  readonly live: number
  readonly blocks: number
  readonly authoredBlocks: number
  /** Bytes of blocks, without what records cost besides */
  readonly authoredBytes: number
  readonly fetchedBytes: number
}

/** A block that is being written while somebody looks at it. In the turn in which it was begun one of the two is called */
export interface BegunWrite {
  /** It is right: as `write`. What it is held against when it is read is computed before this returns */
  finish (): Promise<number>
  /** It is wrong. Resolves when nothing of it is left */
  drop (): Promise<void>
}

/** What became of all that was gathered, in that order */
export type GatheredWrites =
  /** The operating system has them */
  | { readonly slots: readonly number[], readonly left?: undefined }
  /** They were not written, and `write` has to do it: copies of their bytes, the caller's own */
  | { readonly slots?: undefined, readonly left: readonly Uint8Array[] }

/**
 * Blocks on disk. Decides nothing: keeps what it is given until it is told to drop
 * it, and says truly what it has. A block is known by its *slot*, from `write` or
 * `find` until it is removed; slots are used again after that.
 *
 * Bytes that do not match their record never leave: `read` throws `DamagedBlockError`
 * and the block is quarantined. Whether bytes match the CID is for the caller to say.
 */
export interface DiskTier {
  /** Until this has resolved nothing else may be called: an index that is not complete must not say "absent" */
  open (): Promise<OpenReport>
  /** Idempotent. What is under way is finished first */
  close (): Promise<void>
  /** @returns the slot, or -1 */
  find (multihash: Uint8Array): number
  /** Slots of all blocks; one that is removed meanwhile may be missing */
  slots (): Iterable<number>
  /** 32 bits that tell keys apart well, for the policy */
  hash (slot: number): number
  hashOf (multihash: Uint8Array): number
  kind (slot: number): CacheKind
  /** Bytes of the block */
  size (slot: number): number
  /** Bytes that it takes on disk: its record, and its entry in a sidecar */
  cost (slot: number): number
  /** What a block of `size` bytes would take */
  costOf (size: number): number
  /** Whether the bytes were hashed in this process: set after the write or a verified read */
  checked (slot: number): boolean
  setChecked (slot: number): void
  /** Readable until then whatever the policy says; ms of the caller's clock */
  promisedUntil (slot: number): number
  promise (slot: number, until: number): void
  /** A long one is read, which fails as `read` does */
  multihash (slot: number): Uint8Array | Promise<Uint8Array>
  /** The bytes as they are when it is called, even if the block is removed while they are read */
  read (slot: number): Promise<Uint8Array>
  /**
   * As `read`, before it returns, where the system has the bytes in memory. Only in short runs.
   *
   * @returns undefined when `read` has to do it, also when something is wrong with them: it says what
   */
  readNow (slot: number): Uint8Array | undefined
  /**
   * Resolves when the operating system has the bytes, with the slot; concurrent writes share a system call.
   * The caller has one write per block at a time. Fewer bytes than `COPY_BELOW` are copied before this returns; what more
   * of them are held against when they are read is computed before that.
   */
  write (multihash: Uint8Array, bytes: Uint8Array, kind: CacheKind): Promise<number>
  /**
   * As `write` of a small block that is not there, before it returns. Only in short runs, while the disk is prompt and
   * nothing else is under way.
   *
   * @returns the slot; -1 when it was not done, and `write` has to do it
   */
  writeNow (multihash: Uint8Array, bytes: Uint8Array, kind: CacheKind): number
  /**
   * As `writeNow`, by one call of the system for all that come in the same turn: `onGathered` says of all of them together
   * what became of them, when this turn is over, when anything else is written, or with `flush`. The bytes are copied
   * before this returns.
   *
   * @returns whether it was: not when there is no room beside the others, or one of them is the same block; `flush` and
   * try again, or `write` has to do it
   */
  gather (multihash: Uint8Array, bytes: Uint8Array, kind: CacheKind): boolean
  /** Writes what was gathered, before it returns */
  flush (): void
  onGathered: (writes: GatheredWrites) => void
  /**
   * Begins to write a large block that is not there, before anybody knows whether it is right, as long as nothing else
   * is under way: it is no block before `finish`, whatever happens.
   *
   * @returns undefined when it was not begun, and `write` has to do it
   */
  begin (multihash: Uint8Array, bytes: Uint8Array, kind: CacheKind): BegunWrite | undefined
  /** Resolves when the operating system has it */
  setKind (slot: number, kind: CacheKind): Promise<void>
  /** Gone at once for `find`; resolves when it stays gone after a crash. Space is given back in the background */
  remove (slots: readonly number[]): Promise<void>
  /** Resolves when everything that was removed stays gone after a crash, also what `remove` could not write down; rejects while that fails */
  settle (): Promise<void>
  /** Damaged: removed, with the bytes kept aside for whoever wants to look (bounded) */
  quarantine (slot: number, why: string): Promise<void>
  /**
   * Gives back the space of what is gone now, and not when it pays: until `usage().files` is at most `target`,
   * or all of it. Rejects when a fault of the disk kept something from being given back
   *
   * `least`: a file of which less than that part is gone is left as it is
   */
  compact (options?: { signal?: AbortSignal, target?: number, least?: number }): Promise<{ freedBytes: number }>
  usage (): DiskUsage
  /** A small value that outlives restarts, such as what the policy learnt */
  saveNote (name: string, value: Uint8Array): Promise<void>
  loadNote (name: string): Promise<Uint8Array | undefined>
}
