import { CacheClosedError } from '../../interface/errors.ts'
import { ENTRY_BYTES } from './block-list.ts'
import { BlockWrites } from './block-writes.ts'
import { nodeFiles } from './files.ts'
import { openStore } from './open-store.ts'
import { placeOf } from './opened-store.ts'
import { Quarantine } from './quarantine.ts'
import { recordBytes } from './record.ts'
import { readBlockNow, readMultihash, readRaw, readRecord } from './record-read.ts'
import { MAX_SEGMENT_BYTES } from './segment.ts'
import { Space } from './space.ts'
import { Values } from './values.ts'
import { DEFAULT_MAX_BYTES } from '../params.ts'
import { within } from '../within.ts'
import type { CacheKind } from '../../interface/cache.ts'
import type { Clock } from '../../interface/clock.ts'
import type { Logger } from '../../interface/logger.ts'
import type { BlockIndex } from './block-index.ts'
import type { BegunWrite, DiskTier, DiskUsage, GatheredWrites, OpenReport } from './disk-tier.ts'
import type { CacheFiles } from './files.ts'
import type { OpenStoreInit, StoreOpening } from './open-store.ts'
import type { OpenedStore } from './opened-store.ts'
import type { RecordPlace } from './record.ts'
import type { ExpectedBlock } from './record-read.ts'
import type { ReclaimOptions } from './space.ts'

export interface DiskTierInit {
  /** A directory for this alone; made when it is missing */
  readonly path: string
  /** Sizes the segments. @default 10 GB */
  readonly maxBytes?: number
  /** @default a 64th of `maxBytes`, within 256 KiB and 64 MiB */
  readonly segmentBytes?: number
  /** @default the machine's */
  readonly files?: CacheFiles
}

export interface DiskTierComponents {
  readonly clock: Clock
  readonly log: Logger
}

/** A compaction copies one segment at most, and the files may be larger by that much meanwhile */
const SEGMENTS_PER_STORE = 64
/** Four blocks of 64 KiB: smaller ones would be as many files as blocks */
const MIN_SEGMENT_BYTES = 262_144

export function diskTier (components: DiskTierComponents, init: DiskTierInit): DiskTier {
  return new SegmentTier(components, init)
}

/** What there is while the tier is open */
interface Opened extends StoreOpening {
  readonly writes: BlockWrites
  readonly space: Space
  readonly values: Values
  readonly quarantine: Quarantine
}

class SegmentTier implements DiskTier {
  readonly #components: DiskTierComponents
  readonly #init: OpenStoreInit
  onGathered: (writes: GatheredWrites) => void = () => {}
  #parts?: Opened
  #opening?: Promise<OpenReport>
  #closing?: Promise<void>

  constructor (components: DiskTierComponents, init: DiskTierInit) {
    const { clock, log: logger } = components
    const { path, files = nodeFiles, maxBytes = DEFAULT_MAX_BYTES } = init

    this.#components = components
    this.#init = { path, files, clock, logger, segmentBytes: init.segmentBytes ?? Math.min(Math.max(Math.floor(maxBytes / SEGMENTS_PER_STORE), MIN_SEGMENT_BYTES), MAX_SEGMENT_BYTES) }
  }

  async open (): Promise<OpenReport> {
    this.#opening ??= this.#start()
    return this.#opening
  }

  async #start (): Promise<OpenReport> {
    const { path, files, logger } = this.#init
    const opening = await openStore(this.#init)
    const { store, notes, repairs } = opening
    try {
      const values = new Values(files, path)
      const quarantine = new Quarantine(files, path, logger)
      await values.open()
      await quarantine.open()
      this.#parts = { ...opening, writes: new BlockWrites(store, notes, writes => { this.onGathered(writes) }), space: new Space(store, notes), values, quarantine }
    } catch (err) {
      await store.segments.close()
      await opening.unlock()
      throw err
    }
    this.#parts.space.tidy()
    return { blocks: store.index.size, authored: store.blocks.authoredBlocks, repairs }
  }

  async close (): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close (): Promise<void> {
    // whoever opened it has the error
    await this.#opening?.catch(() => {})
    const parts = this.#parts

    if (parts != null) {
      this.#parts = undefined
      await within(this.#init.clock, CLOSE_TIMEOUT, finish(parts), () => {
        throw Object.assign(new Error(`The disk did not answer within ${CLOSE_TIMEOUT} ms: what was under way is left to it, and the directory stays locked until the process ends`), { code: 'ETIMEDOUT' })
      })
    }
  }

  find (multihash: Uint8Array): number {
    return this.#index.find(multihash)
  }

  slots (): Iterable<number> {
    return this.#index.slots()
  }

  hash (slot: number): number {
    return this.#index.hash(slot)
  }

  hashOf (multihash: Uint8Array): number {
    return this.#index.hashOf(multihash)
  }

  kind (slot: number): CacheKind {
    return this.#index.kind(slot)
  }

  size (slot: number): number {
    return this.#index.length(slot)
  }

  cost (slot: number): number {
    return this.#open.store.blocks.cost(slot) + ENTRY_BYTES
  }

  costOf (size: number): number {
    return recordBytes(USUAL_MULTIHASH_BYTES, size) + ENTRY_BYTES
  }

  checked (slot: number): boolean {
    return this.#index.checked(slot)
  }

  setChecked (slot: number): void {
    this.#index.setChecked(slot)
  }

  promisedUntil (slot: number): number {
    return this.#index.promisedUntil(slot)
  }

  promise (slot: number, until: number): void {
    this.#index.promise(slot, until)
  }

  multihash (slot: number): Uint8Array | Promise<Uint8Array> {
    return this.#index.multihash(slot) ?? this.#readMultihash(slot)
  }

  async read (slot: number): Promise<Uint8Array> {
    const { store } = this.#open
    // of one that is still to be hashed, or that several wait for, the system may have it in memory all the same
    const now = readBlockNow(store, slot)
    if (now != null) {
      return now
    }
    const { bytes, header } = await readRecord(store, this.#placeOf(slot), expected(store, slot))
    return new Uint8Array(bytes.buffer, bytes.byteOffset + header.headerBytes, header.payloadBytes)
  }

  readNow (slot: number): Uint8Array | undefined {
    return this.#parts == null ? undefined : readBlockNow(this.#parts.store, slot)
  }

  async write (multihash: Uint8Array, bytes: Uint8Array, kind: CacheKind): Promise<number> {
    return this.#open.writes.write(multihash, bytes, kind)
  }

  begin (multihash: Uint8Array, bytes: Uint8Array, kind: CacheKind): BegunWrite | undefined {
    return this.#open.writes.begin(multihash, bytes, kind)
  }

  writeNow (multihash: Uint8Array, bytes: Uint8Array, kind: CacheKind): number {
    return this.#open.writes.writeNow(multihash, bytes, kind)
  }

  gather (multihash: Uint8Array, bytes: Uint8Array, kind: CacheKind): boolean {
    return this.#open.writes.gather(multihash, bytes, kind)
  }

  flush (): void {
    this.#parts?.writes.flush()
  }

  async setKind (slot: number, kind: CacheKind): Promise<void> {
    const { notes, store } = this.#open
    this.#placeOf(slot)
    await notes.setKind(await this.multihash(slot), kind)
    if (kind === 'authored') {
      store.segments.syncSoon()
    }
  }

  async remove (slots: readonly number[]): Promise<void> {
    const { notes, space } = this.#open
    const removed = notes.remove(slots)
    space.tidy()
    await removed
  }

  async settle (): Promise<void> {
    await this.#open.notes.settle()
  }

  async quarantine (slot: number, why: string): Promise<void> {
    const { store, quarantine } = this.#open
    const place = this.#placeOf(slot)
    const block = expected(store, slot)

    this.#components.log('the block at %d of segment %d is quarantined: %s', place.offset, place.segment, why)
    const raw = readRaw(store, place, block)
    const removed = this.remove([slot])
    try {
      await quarantine.keep(block.key.subarray(0, block.multihashBytes), await raw)
    } catch (err) {
      this.#components.log.error('the bytes of a damaged block cannot be read: %e', err)
    }
    await removed
  }

  async compact (options: ReclaimOptions = {}): Promise<{ freedBytes: number }> {
    const { space } = this.#open
    return { freedBytes: await space.reclaim(() => this.#bytesOfFiles(), options) }
  }

  usage (): DiskUsage {
    const { blocks } = this.#open.store
    return {
      files: this.#bytesOfFiles(),
      headroom: this.#open.store.segments.headroom,
      live: blocks.live + blocks.index.size * ENTRY_BYTES,
      blocks: blocks.index.size,
      authoredBlocks: blocks.authoredBlocks,
      authoredBytes: blocks.authoredBytes,
      fetchedBytes: blocks.fetchedBytes
    }
  }

  async saveNote (name: string, value: Uint8Array): Promise<void> {
    await this.#open.values.save(name, value)
  }

  async loadNote (name: string): Promise<Uint8Array | undefined> {
    return this.#open.values.load(name)
  }

  get #open (): Opened {
    if (this.#parts == null) {
      throw new CacheClosedError('The disk tier is not open')
    }
    return this.#parts
  }

  get #index (): BlockIndex {
    return this.#open.store.index
  }

  #bytesOfFiles (): number {
    const { store, values, quarantine } = this.#open
    return FIXED_BYTES + store.segments.size + store.reserve.bytes + values.size + quarantine.size
  }

  /** For what asks about one block: a slot that is free is a mistake of the caller */
  #placeOf (slot: number): RecordPlace {
    if (!this.#index.has(slot)) {
      throw new RangeError(`There is no block in slot ${slot}`)
    }
    return placeOf(this.#index, slot)
  }

  async #readMultihash (slot: number): Promise<Uint8Array> {
    const { store } = this.#open
    return readMultihash(store, this.#placeOf(slot), expected(store, slot))
  }
}

/** What is under way first. The lock goes last: a write that hangs may still arrive, and must not meet another process there */
async function finish ({ space, store, notes, values, unlock }: Opened): Promise<void> {
  await space.close()
  await notes.settle().catch((err: unknown) => {
    store.logger.error('some of what was removed could not be written down, and may be back at the next start: %e', err)
  })
  await store.log.idle()
  await values.idle()
  await store.segments.close()
  await unlock()
}

/** Milliseconds: syncing a segment on a slow disk takes two or three seconds */
const CLOSE_TIMEOUT = 10_000

/** As it is now: the slot may be another block's before the bytes are there */
function expected ({ index }: OpenedStore, slot: number): ExpectedBlock {
  return { key: index.key(slot).slice(), multihashBytes: index.multihashBytes(slot), length: index.length(slot) }
}

/** sha2-256 */
const USUAL_MULTIHASH_BYTES = 34
/** The format and the lock, rounded up to pages */
const FIXED_BYTES = 32_768
