import { join } from 'node:path'
import { readFully, readWhole } from './files.ts'
import { placeKey } from './opened-store.ts'
import { writeHeader } from './record.ts'
import { headerOf } from './record-read.ts'
import { carriedBytes, sidecarName } from './segment.ts'
import { scanSegment } from './segment-scan.ts'
import { decodeSidecar, maxSidecarBytes } from './sidecar.ts'
import type { CacheKind } from '../../interface/cache.ts'
import type { Notes } from './notes.ts'
import type { OpenedStore } from './opened-store.ts'
import type { RecordPlace } from './record.ts'
import type { Segment, SegmentNotes } from './segment.ts'

/** Read and written at once */
const RUN_BYTES = 1_048_576
/** Dead bytes between two records that are cheaper to read than a second call of the system */
const MAX_GAP_BYTES = 16_384

interface Run {
  readonly slots: number[]
  readonly from: number
  to: number
}

/**
 * Gives back a segment: what is alive in it is copied to the end of the log, what it
 * says about others is said again, and when all that has reached the disk the file
 * goes. Until then it counts as before, so that a crash at any moment loses nothing
 * and brings nothing back.
 *
 * Bytes are copied as they are, with their checksum: what is damaged stays damaged
 * and is found out when it is read.
 *
 * @param paused - called between two steps, with the bytes of the last one
 */
export async function compactSegment (store: OpenedStore, notes: Notes, segment: Segment, paused: (bytes: number) => Promise<void>): Promise<void> {
  const { segments } = store
  const targets = new Set<Segment>()
  const spend = await store.reserve.lend(segment.live)

  segment.users++
  try {
    for (const run of runs(store, segment)) {
      const bytes = Buffer.allocUnsafeSlow(run.to - run.from)
      const file = await segments.descriptors.file(segment)
      const read = bytes.subarray(0, await readFully(file, bytes, run.from))

      await allDone(run.slots.flatMap(slot => copyBlock({ ...store, spend }, notes, segment, slot, read, run.from, targets)))
      await paused(bytes.byteLength)
    }
    await carryNotes(store, notes, segment)
  } finally {
    segments.descriptors.leave(segment)
  }
  if (segments.current != null) {
    // where its notes went
    targets.add(segments.current)
  }
  for (const target of targets) {
    await segments.sync(target)
  }
  if (segment.live > 0) {
    throw new Error(`Segment ${segment.id} ends before some of its records: it stays until they are read and given up`)
  }
  await segments.retire(segment)
  notes.forget(segment.id)
}

function * runs ({ index, blocks }: OpenedStore, { id }: Segment): Generator<Run> {
  let run: Run | undefined

  for (const slot of index.inSegment(id)) {
    // removed, and perhaps used again, while the run before was copied
    if (!index.has(slot) || index.segment(slot) !== id) {
      continue
    }
    const from = index.offset(slot)
    const to = from + blocks.cost(slot)

    if (run != null && (from - run.to > MAX_GAP_BYTES || to - run.from > RUN_BYTES)) {
      yield run
      run = undefined
    }
    run ??= { slots: [], from, to }
    run.slots.push(slot)
    run.to = to
  }
  if (run != null) {
    yield run
  }
}

interface Lent {
  /** Runs what may need the space that is held in reserve */
  readonly spend: <T>(run: () => Promise<T>) => Promise<T>
}

/** @returns what to wait for; whether the block is still there is looked at in the turn in which its copy is handed over */
function copyBlock (store: OpenedStore & Lent, notes: Notes, segment: Segment, slot: number, bytes: Buffer, from: number, targets: Set<Segment>): Array<Promise<void>> {
  const { index, blocks, log, spend } = store
  const old: RecordPlace = { segment: segment.id, offset: index.offset(slot) }

  if (!blocks.isAt(slot, segment.id, old.offset) || old.offset < from) {
    return []
  }
  const copy = renewed(store, slot, bytes.subarray(old.offset - from))
  if (copy == null) {
    return []
  }
  const { buffers, multihash, kind } = copy
  let orphan: RecordPlace | undefined
  let copied: RecordPlace | undefined

  const written = spend(async () => log.append(buffers, (target, offset) => {
    targets.add(target)
    if (blocks.isAt(slot, old.segment, old.offset)) {
      blocks.move(slot, target, offset)
      copied = { segment: target.id, offset }
      notes.originals.set(placeKey(copied), old)
    } else {
      orphan = { segment: target.id, offset }
    }
  }))
  // whoever removes the block meanwhile waits for this; a copy that failed is none of his concerns
  const known = written.then(async () => {
    if (orphan != null) {
      await notes.removed([orphan])
    } else if (multihash != null && copied != null) {
      await notes.keepKind(multihash, copied, kind)
    }
  }, () => {}).finally(() => { notes.copying.delete(placeKey(old)) })

  notes.copying.set(placeKey(old), known)
  return [written, known]
}

interface Copy {
  readonly buffers: Uint8Array[]
  readonly multihash?: Uint8Array
  readonly kind: CacheKind
}

/** The record with its kind as it is now; undefined when it is not there to the end */
function renewed ({ mark, nonce, index, blocks }: OpenedStore, slot: number, bytes: Buffer): Copy | undefined {
  const kind = index.kind(slot)
  const record = bytes.subarray(0, blocks.cost(slot))

  if (record.byteLength < blocks.cost(slot)) {
    return undefined
  }
  const header = headerOf({ mark, index }, record, { key: index.key(slot), multihashBytes: index.multihashBytes(slot), length: index.length(slot) })
  if (header == null) {
    return { buffers: [record], kind }
  }
  const head = Buffer.allocUnsafe(header.headerBytes)
  writeHeader(head, nonce, { ...header, kind })
  return { buffers: [head, record.subarray(header.headerBytes)], multihash: Uint8Array.from(header.multihash), kind }
}

async function carryNotes (store: OpenedStore, notes: Notes, segment: Segment): Promise<void> {
  const { blocks } = store
  if (carriedBytes(segment) === 0) {
    return
  }
  const { removals, kinds } = await notesOf(store, segment)
  const isElsewhere = (place: RecordPlace): boolean => place.segment !== segment.id && blocks.segments.has(place.segment)

  await notes.removed(removals.filter(isElsewhere))
  for (const note of kinds.filter(isElsewhere)) {
    await notes.keepKind(note.multihash, note)
  }
}

async function notesOf ({ files, segments, nonce }: OpenedStore, segment: Segment): Promise<SegmentNotes> {
  if (segment.notes != null) {
    return segment.notes
  }
  const content = await readWhole(files, join(segments.directory, sidecarName(segment.id)), maxSidecarBytes(segment.size))
  const sidecar = content == null ? undefined : decodeSidecar(content, nonce, segment.id)
  if (sidecar != null && sidecar.covered === segment.size) {
    return sidecar
  }
  return scanSegment(await segments.descriptors.file(segment), 0, segment.size, nonce)
}

/** Waits for all, then throws what the first of them threw */
async function allDone (promises: ReadonlyArray<Promise<void>>): Promise<void> {
  await Promise.allSettled(promises)
  await Promise.all(promises)
}
