import { join } from 'node:path'
import { CacheClosedError, DamagedBlockError } from '../../interface/errors.ts'
import { AppendLog } from './append-log.ts'
import { BlockIndex } from './block-index.ts'
import { nodeFiles, readFully } from './files.ts'
import { blockRecord, checksum, headerBytes, kindRecord, readHeader, recordBytes, recordMark, removalRecord } from './record.ts'
import { recover } from './recovery.ts'
import { SEGMENTS } from './segment.ts'
import { Segments } from './segments.ts'
import { LOCK, assertOurs, openFormat } from './store-format.ts'
import { StoredBlocks } from './stored-blocks.ts'
import { Values } from './values.ts'
import type { CacheKind } from '../../interface/cache.ts'
import type { Clock } from '../../interface/clock.ts'
import type { Logger } from '../../interface/logger.ts'
import type { DiskTier, DiskUsage, OpenReport } from './disk-tier.ts'
import type { CacheFiles } from './files.ts'
import type { RecordPlace } from './record.ts'
import type { Segment } from './segment.ts'

export interface DiskTierInit {
  /** A directory for this alone; made when it is missing */
  readonly path: string
  /** Sizes the segments. @default 10 GB */
  readonly maxBytes?: number
  /** @default a 64th of `maxBytes`, within 1 and 64 MiB */
  readonly segmentBytes?: number
  /** @default the machine's */
  readonly files?: CacheFiles
}

export interface DiskTierComponents {
  readonly clock: Clock
  readonly log: Logger
}

const DEFAULT_MAX_BYTES = 10_000_000_000
/** A compaction copies one segment at most, and the files may be larger by that much meanwhile */
const SEGMENTS_PER_STORE = 64
const MIN_SEGMENT_BYTES = 1_048_576
/** Scanned in some 50 ms after a crash */
const MAX_SEGMENT_BYTES = 67_108_864

/** Of one record: 32 KiB of places */
const MAX_PLACES = 4_096

export function diskTier (components: DiskTierComponents, init: DiskTierInit): DiskTier {
  return new SegmentTier(components, init)
}

/** What there is while the tier is open */
interface Opened {
  readonly nonce: Uint8Array
  readonly mark: Uint8Array
  readonly blocks: StoredBlocks
  readonly index: BlockIndex
  readonly segments: Segments
  readonly log: AppendLog
  readonly values: Values
  readonly unlock: () => Promise<void>
}

class SegmentTier implements DiskTier {
  readonly #components: DiskTierComponents
  readonly #path: string
  readonly #files: CacheFiles
  readonly #limit: number
  #opened?: Opened
  #closing?: Promise<void>

  constructor (components: DiskTierComponents, init: DiskTierInit) {
    this.#components = components
    this.#path = init.path
    this.#files = init.files ?? nodeFiles
    this.#limit = init.segmentBytes ?? Math.min(Math.max(Math.floor((init.maxBytes ?? DEFAULT_MAX_BYTES) / SEGMENTS_PER_STORE), MIN_SEGMENT_BYTES), MAX_SEGMENT_BYTES)
  }

  async open (): Promise<OpenReport> {
    const files = this.#files
    const path = this.#path
    const directory = join(path, SEGMENTS)

    await assertOurs(files, path)
    await files.makeDirectory(path)
    const unlock = await files.lock(join(path, LOCK))
    try {
      const format = await openFormat(files, path)
      await files.makeDirectory(directory)
      const index = new BlockIndex(format.nonce)
      const blocks = new StoredBlocks(index)
      const segments = new Segments({ files, blocks, nonce: format.nonce, log: this.#components.log }, { directory, limit: this.#limit })
      const recovery = await recover({ files, directory, nonce: format.nonce, blocks, limit: this.#limit })
      segments.adopt(recovery.segments)
      const values = new Values(files, path)
      await values.open()
      this.#opened = { nonce: format.nonce, mark: recordMark(format.nonce), blocks, index, segments, log: new AppendLog(segments), values, unlock }
      return { blocks: index.size, authored: blocks.authoredBlocks, repairs: [...format.repairs, ...recovery.repairs] }
    } catch (err) {
      await unlock()
      throw err
    }
  }

  async close (): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close (): Promise<void> {
    const opened = this.#opened

    if (opened != null) {
      await opened.log.idle()
      this.#opened = undefined
      await opened.segments.close()
      await opened.unlock()
    }
  }

  find (multihash: Uint8Array): number {
    return this.#open.index.find(multihash)
  }

  slots (): Iterable<number> {
    return this.#open.index.slots()
  }

  hash (slot: number): number {
    return this.#open.index.hash(slot)
  }

  hashOf (multihash: Uint8Array): number {
    return this.#open.index.hashOf(multihash)
  }

  kind (slot: number): CacheKind {
    return this.#open.index.kind(slot)
  }

  size (slot: number): number {
    return this.#open.index.length(slot)
  }

  cost (slot: number): number {
    return this.#open.blocks.cost(slot)
  }

  costOf (size: number): number {
    return recordBytes(USUAL_MULTIHASH_BYTES, size)
  }

  checked (slot: number): boolean {
    return this.#open.index.checked(slot)
  }

  setChecked (slot: number): void {
    this.#open.index.setChecked(slot)
  }

  promisedUntil (slot: number): number {
    return this.#open.index.promisedUntil(slot)
  }

  promise (slot: number, until: number): void {
    this.#open.index.promise(slot, until)
  }

  multihash (slot: number): Uint8Array | Promise<Uint8Array> {
    return this.#open.index.multihash(slot) ?? this.#readMultihash(slot)
  }

  async read (slot: number): Promise<Uint8Array> {
    const { record, head } = await this.#record(slot)
    return new Uint8Array(record.buffer, record.byteOffset + head, record.byteLength - head)
  }

  async write (multihash: Uint8Array, bytes: Uint8Array, kind: CacheKind): Promise<number> {
    const { log, blocks, index, nonce } = this.#open
    let slot = -1
    let replaced: RecordPlace | undefined

    await log.append(blockRecord(nonce, multihash, bytes, kind), (segment, offset) => {
      const old = index.find(multihash)
      if (old !== -1) {
        replaced = { segment: index.segment(old), offset: index.offset(old) }
        blocks.remove(old)
      }
      slot = blocks.add(multihash, segment, offset, bytes.byteLength, kind)
      index.setChecked(slot)
    })
    if (replaced != null) {
      await this.#noteRemoved([replaced])
    }
    return slot
  }

  async setKind (slot: number, kind: CacheKind): Promise<void> {
    const { log, blocks, index, nonce } = this.#open
    const multihash = await this.multihash(slot)
    const place = { segment: index.segment(slot), offset: index.offset(slot) }

    await log.append([kindRecord(nonce, multihash, kind, [place])], segment => {
      this.#note(segment, [place])
      segment.notes?.kinds.push({ ...place, multihash, kind })
      if (blocks.isAt(slot, place.segment, place.offset)) {
        blocks.setKind(slot, kind)
      }
    })
  }

  async remove (slots: readonly number[]): Promise<void> {
    const { blocks, index } = this.#open
    const places: RecordPlace[] = []

    for (const slot of slots) {
      if (index.has(slot)) {
        places.push({ segment: index.segment(slot), offset: index.offset(slot) })
        blocks.remove(slot)
      }
    }
    await this.#noteRemoved(places)
  }

  async quarantine (slot: number): Promise<void> {
    await this.remove([slot])
  }

  async compact (): Promise<{ freedBytes: number }> {
    return { freedBytes: 0 }
  }

  usage (): DiskUsage {
    const { blocks, index, segments } = this.#open
    return {
      files: segments.size,
      live: blocks.live,
      blocks: index.size,
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
    if (this.#opened == null) {
      throw new CacheClosedError('The disk tier is not open')
    }
    return this.#opened
  }

  async #noteRemoved (places: readonly RecordPlace[]): Promise<void> {
    const { log, nonce } = this.#open
    const writes: Array<Promise<void>> = []

    for (let i = 0; i < places.length; i += MAX_PLACES) {
      const some = places.slice(i, i + MAX_PLACES)
      writes.push(log.append([removalRecord(nonce, some)], segment => {
        this.#note(segment, some)
        segment.notes?.removals.push(...some.filter(place => place.segment !== segment.id))
      }))
    }
    await Promise.all(writes)
  }

  #note (segment: Segment, places: readonly RecordPlace[]): void {
    for (const place of places) {
      if (place.segment !== segment.id) {
        segment.noteBytes.set(place.segment, (segment.noteBytes.get(place.segment) ?? 0) + 8)
      }
    }
  }

  async #readMultihash (slot: number): Promise<Uint8Array> {
    const { record } = await this.#record(slot)
    return Uint8Array.from(readHeader(record, 0, this.#open.mark)?.multihash ?? [])
  }

  /** The whole record but for its last padding, checked */
  async #record (slot: number): Promise<{ record: Buffer, head: number }> {
    const { index, blocks, segments, mark } = this.#open
    const segment = blocks.segments.get(index.segment(slot)) as Segment
    const offset = index.offset(slot)
    const length = index.length(slot)
    const multihashBytes = index.multihashBytes(slot)
    const hash = index.hash(slot)
    const head = headerBytes(multihashBytes)
    const record = Buffer.allocUnsafeSlow(head + length)

    segment.users++
    try {
      const file = segment.file ?? await segments.descriptors.file(segment)
      const read = await file.read(record, offset)
      if (read < record.byteLength && read + await readFully(file, record.subarray(read), offset + read) < record.byteLength) {
        throw new DamagedBlockError(`The segment ${segment.id} ends within the record at ${offset}`)
      }
    } finally {
      segments.descriptors.leave(segment)
    }
    const header = readHeader(record, 0, mark)
    if (header?.type !== 'block' || header.payloadBytes !== length || header.multihash.byteLength !== multihashBytes || index.hashOf(header.multihash) !== hash) {
      throw new DamagedBlockError(`The record at ${offset} of segment ${segment.id} is not that of the block`)
    }
    if (checksum(record.subarray(head)) !== header.payloadCheck) {
      throw new DamagedBlockError(`The bytes at ${offset} of segment ${segment.id} do not match their checksum`)
    }
    return { record, head }
  }
}

/** sha2-256: 34 */
const USUAL_MULTIHASH_BYTES = 34
