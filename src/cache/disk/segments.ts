import { join } from 'node:path'
import { Descriptors } from './descriptors.ts'
import { writeWhole } from './files.ts'
import { newSegment, segmentName, sidecarName } from './segment.ts'
import { encodeSidecar, sidecarBytes } from './sidecar.ts'
import type { Clock } from '../../interface/clock.ts'
import type { Logger } from '../../interface/logger.ts'
import type { CacheFile, CacheFiles } from './files.ts'
import type { LogComponents } from './append-log.ts'
import type { RecordPlace } from './record.ts'
import type { Segment } from './segment.ts'
import type { StoredBlocks } from './stored-blocks.ts'

export interface SegmentsComponents {
  readonly files: CacheFiles
  readonly blocks: StoredBlocks
  readonly nonce: Uint8Array
  readonly clock: Clock
  readonly log: Logger
}

/** Milliseconds until authored blocks have reached the disk itself: one syncing for all that come until then */
const SYNC_AFTER = 5_000

/** The segment files: which one is written to, what ends it, and how one goes */
export class Segments implements LogComponents {
  readonly descriptors: Descriptors
  readonly limit: number
  readonly #components: SegmentsComponents
  readonly directory: string
  /** Told where whole records may have been left that nobody knows of */
  onLeft: (places: readonly RecordPlace[]) => void = () => {}
  #active?: Segment
  #last = 0
  /** Of all but the active one, and the largest sidecar, until one of them changes: it is asked for with each write, and there may be hundreds */
  #others?: { readonly size: number, readonly sidecar: number }
  /** Under way */
  #syncs = 0
  #cancelSync?: () => void
  /** Sealings and syncings, one after the other: writers do not wait for them */
  #background: Promise<void> = Promise.resolve()

  constructor (components: SegmentsComponents, init: { directory: string, limit: number }) {
    this.#components = components
    this.directory = init.directory
    this.limit = init.limit
    this.descriptors = new Descriptors(components.files, init.directory, err => { components.log.error('a segment did not close: %e', err) })
  }

  /** In bytes, sidecars included, those too that are to come: of small blocks they are nearly as large as the segments */
  get size (): number {
    const { size } = this.#others ??= this.#addUp()
    return size + (this.#active == null ? 0 : sizeOf(this.#active))
  }

  /** What copying one of them takes before it goes, with the sidecar of the one that is copied to */
  get headroom (): number {
    const { sidecar } = this.#others ??= this.#addUp()
    return this.limit + Math.max(sidecar, this.#active == null ? 0 : sidecarBytes(this.#active))
  }

  #addUp (): { size: number, sidecar: number } {
    let size = 0
    let sidecar = 0
    for (const segment of this.#components.blocks.segments.values()) {
      if (segment !== this.#active) {
        size += sizeOf(segment)
        sidecar = Math.max(sidecar, segment.sidecar, sidecarBytes(segment))
      }
    }
    return { size, sidecar }
  }

  /** The segment that is written to, if there is one */
  get current (): Segment | undefined {
    return this.#active
  }

  /** What is written next begins a new segment. Not while something is being written */
  endCurrent (): void {
    const current = this.#active

    if (current != null && current.size > 0) {
      this.#activate(undefined)
      this.#seal(current, false)
    }
  }

  /** Takes over what opening found; the last one is written on if there is room in it */
  adopt (segments: readonly Segment[], last: number): void {
    this.#last = last
    for (const segment of segments) {
      if (!segment.sealed) {
        this.#active = segment
        // never closed while it is written to
        segment.users++
      }
    }
    this.#others = undefined
  }

  async active (bytes: number): Promise<{ segment: Segment, file: CacheFile }> {
    const current = this.#active

    if (current != null && (current.size === 0 || current.size + bytes <= current.limit) && current.unsyncable == null) {
      return { segment: current, file: await this.descriptors.file(current) }
    }
    // a number is never used again, not even that of a file that could not be made
    const segment = newSegment(++this.#last, this.limit)
    const file = await this.descriptors.relieved(async () => this.#components.files.open(join(this.directory, segmentName(segment.id)), 'create'))

    segment.notes = { removals: [], kinds: [] }
    segment.users++
    this.#components.blocks.segments.set(segment.id, segment)
    this.#activate(segment)
    this.descriptors.adopt(segment, file)
    if (current != null) {
      this.#seal(current, false)
    }
    return { segment, file }
  }

  activeOpen (bytes: number): { segment: Segment, file: CacheFile } | undefined {
    const current = this.#active

    return current?.file == null || current.size + bytes > current.limit || current.unsyncable != null
      ? undefined
      : { segment: current, file: current.file }
  }

  activeNow (bytes: number): { segment: Segment, file: CacheFile } | undefined {
    // a disk that hangs is first seen by what waits for it: a syncing that does not end
    return this.#syncs > 0 ? undefined : this.activeOpen(bytes)
  }

  abandon (segment: Segment, why: unknown, offsets: readonly number[]): void {
    this.onLeft(offsets.map(offset => ({ segment: segment.id, offset })))
    this.#components.log.error('segment %d is not written on, its end is damaged: %e', segment.id, why)
    if (segment === this.#active) {
      this.#activate(undefined)
      this.#seal(segment, true)
    }
  }

  /** Resolves when all that was written so far has reached the disk itself */
  async sync (segment: Segment): Promise<void> {
    while (segment.syncing != null) {
      await segment.syncing
    }
    if (segment.unsyncable != null) {
      throw segment.unsyncable
    }
    if (!segment.synced) {
      segment.syncing = this.#sync(segment)
      await segment.syncing
    }
  }

  async #sync (segment: Segment): Promise<void> {
    segment.users++
    this.#syncs++
    try {
      const file = await this.descriptors.file(segment)
      segment.synced = true
      await file.sync()
    } catch (err) {
      segment.synced = false
      segment.unsyncable = err as Error
      throw err
    } finally {
      segment.syncing = undefined
      this.#syncs--
      this.descriptors.leave(segment)
    }
  }

  /** For what should survive a loss of power though nobody waits for that */
  syncSoon (): void {
    this.#cancelSync ??= this.#components.clock.schedule(SYNC_AFTER, () => {
      this.#cancelSync = undefined
      const active = this.#active
      if (active != null) {
        this.#background = this.#background.then(async () => this.sync(active)).catch((err: unknown) => {
          this.#components.log.error('segment %d is not synced: %e', active.id, err)
        })
      }
    })
  }

  /**
   * So that the next opening need not read the segment. A failure costs that time and nothing else. Not before all that it
   * lists has reached the disk: a loss of power could leave a sidecar of what is not there.
   */
  async writeSidecar (segment: Segment, closed: boolean): Promise<void> {
    try {
      await this.sync(segment)
    } catch (err) {
      this.#components.log.error('segment %d is not synced and has no sidecar, the next start reads it: %e', segment.id, err)
      return
    }
    await this.#listBlocks(segment, closed)
  }

  async #listBlocks (segment: Segment, closed: boolean): Promise<void> {
    const { blocks, files, nonce, log } = this.#components
    const bytes = encodeSidecar(nonce, blocks.index, {
      segment: segment.id,
      covered: segment.size,
      closed,
      slots: blocks.index.inSegment(segment.id),
      notes: segment.notes ?? { removals: [], kinds: [] }
    })
    try {
      await writeWhole(files, this.directory, sidecarName(segment.id), bytes)
      segment.sidecar = bytes.byteLength
      if (segment.sealed) {
        segment.notes = undefined
      }
      this.#others = undefined
    } catch (err) {
      log.error('the sidecar of segment %d is not written, the next start reads the segment: %e', segment.id, err)
    }
  }

  /**
   * Nothing in it is alive any more: unlinks it when the last reader has left. Its sidecar goes first: one that is left
   * alone says what was lost.
   */
  async retire (segment: Segment): Promise<void> {
    const { blocks, files } = this.#components

    if (segment.users > 0) {
      await new Promise<void>(resolve => { segment.onIdle = resolve })
    }
    await this.descriptors.close(segment)
    await files.remove(join(this.directory, sidecarName(segment.id)))
    await files.remove(join(this.directory, segmentName(segment.id)))
    // not before it is gone: what others say about it must not be forgotten while it could be read again
    blocks.segments.delete(segment.id)
    this.#others = undefined
    for (const other of blocks.segments.values()) {
      other.noteBytes.delete(segment.id)
    }
  }

  /** Resolves when what was full has been sealed */
  async settled (): Promise<void> {
    await this.#background
  }

  /** Writes down what the active segment holds, so that the next opening reads nothing but sidecars */
  async close (): Promise<void> {
    const active = this.#active

    this.#cancelSync?.()
    await this.#background
    if (active != null && active.size > 0) {
      await this.writeSidecar(active, false)
    }
    await this.descriptors.closeAll()
  }

  #activate (segment: Segment | undefined): void {
    this.#active = segment
    this.#others = undefined
  }

  #seal (segment: Segment, closed: boolean): void {
    segment.sealed = true
    this.#background = this.#background.then(async () => {
      try {
        await this.#components.files.syncDirectory(this.directory)
      } catch (err) {
        this.#components.log.error('the directory of segment %d is not synced: %e', segment.id, err)
      }
      await this.writeSidecar(segment, closed)
      segment.notes = undefined
      this.#others = undefined
      this.descriptors.leave(segment)
    })
  }
}

/** An old sidecar is there until the new one is whole */
function sizeOf (segment: Segment): number {
  const hasLast = segment.notes == null && segment.sidecar > 0
  return segment.size + segment.sidecar + (hasLast ? 0 : sidecarBytes(segment))
}
