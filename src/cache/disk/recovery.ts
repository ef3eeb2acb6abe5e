import { join } from 'node:path'
import { KEY_BYTES } from './block-key.ts'
import { BESIDE, errorCode, readWhole } from './files.ts'
import { missing, readOrphan } from './lost-blocks.ts'
import { Marks } from './marks.ts'
import { placeKey } from './opened-store.ts'
import { countNotes, newSegment, parseName, segmentName, sidecarName } from './segment.ts'
import { checkNames } from './segment-names.ts'
import { scanSegment } from './segment-scan.ts'
import { decodeSidecar, maxSidecarBytes } from './sidecar.ts'
import type { CacheKind } from '../../interface/cache.ts'
import type { CacheFiles } from './files.ts'
import type { RecordPlace } from './record.ts'
import type { Segment, SegmentNotes } from './segment.ts'
import type { SegmentScan } from './segment-scan.ts'
import type { Sidecar } from './sidecar.ts'
import type { StoredBlocks } from './stored-blocks.ts'

export interface RecoveryInit {
  readonly files: CacheFiles
  readonly directory: string
  readonly nonce: Uint8Array
  readonly blocks: StoredBlocks
  readonly limit: number
}

/** A second record of a block: a crash came between its copy and the end of its segment */
export interface Duplicate {
  /** Of the record that is in the index */
  readonly slot: number
  /** Of the other one, which is older */
  readonly place: RecordPlace
  readonly kind: CacheKind
}

export interface Recovery {
  readonly segments: readonly Segment[]
  readonly duplicates: readonly Duplicate[]
  /** Segments whose sidecar is to be written anew */
  readonly unwritten: readonly Segment[]
  /** They stood in segments that are gone, and hold all the same: to be said again */
  readonly unsaid: SegmentNotes
  /** Names of files of which nothing is needed any more once that is done */
  readonly litter: readonly string[]
  /** The highest number that any segment had, also one that is gone */
  readonly last: number
  readonly repairs: readonly string[]
}

/**
 * Fills the index from what is on disk. Segments are taken from the last one to the
 * first: what is said about a block stands in the segment of its record or a later
 * one, so whether it is gone is known before it is met.
 */
export async function recover (init: RecoveryInit): Promise<Recovery> {
  const { misfits, repairs: renamed } = await checkNames(init)
  const { present, orphans } = await listSegments(init)
  const lost = new Map<number, Sidecar | undefined>()
  const segments: Segment[] = []
  const duplicates: Duplicate[] = []
  const unwritten: Segment[] = []
  const unsaid: SegmentNotes = { removals: [], kinds: [] }
  const litter: string[] = []
  const repairs = [...renamed]
  const doubtful: Array<() => void> = []

  for (const id of orphans) {
    const { sidecar, isDone } = await readOrphan(init, id, repairs)
    if (sidecar != null || !isDone) {
      lost.set(id, sidecar)
    }
    litter.push(...isDone ? [sidecarName(id)] : [])
  }
  const ids = [...present, ...lost.keys()].sort((a, b) => b - a)
  const marks = new Marks(ids)

  for (const id of ids) {
    const loaded: Loaded = lost.has(id) ? { disbelieved: lost.get(id) } : await load(init, id, id === ids[0], misfits, repairs)
    const { segment, sidecar, scan, disbelieved } = loaded
    let removed: ReadonlySet<number>

    litter.push(...loaded.litter ?? [])
    if (segment == null) {
      keepUnsaid(disbelieved, marks, unsaid)
      removed = marks.take(id).removed
    } else {
      segments.push(segment)
      init.blocks.segments.set(id, segment)
      keepNotes(segment, [sidecar, scan, loaded.isItsOwn === true ? known(id, disbelieved, scan, marks) : undefined], marks)
      removed = enter(init.blocks, segment, sidecar, scan, marks, duplicates)
      if (segment.sealed && scan != null) {
        unwritten.push(segment)
      }
    }
    if (disbelieved != null) {
      doubtful.push(() => { repairs.push(...missing(init.blocks, id, disbelieved.blocks, removed)) })
    }
  }
  // not before all is known: a block may be elsewhere
  doubtful.forEach(say => { say() })
  const isThere = (place: RecordPlace): boolean => init.blocks.segments.has(place.segment)
  for (const { noteBytes } of segments) {
    for (const id of noteBytes.keys()) {
      if (!init.blocks.segments.has(id)) {
        noteBytes.delete(id)
      }
    }
  }
  return {
    segments,
    duplicates,
    unwritten,
    unsaid: { removals: unsaid.removals.filter(isThere), kinds: unsaid.kinds.filter(isThere) },
    // what cannot be read now may say more about it at another start
    litter: segments.some(({ unreadable }) => unreadable) ? [] : litter,
    last: ids[0] ?? 0,
    repairs
  }
}

/** @returns the numbers of segments, and of sidecars without one */
async function listSegments ({ files, directory }: RecoveryInit): Promise<{ present: ReadonlySet<number>, orphans: ReadonlySet<number> }> {
  const present = new Set<number>()
  const orphans = new Set<number>()

  for (const name of await files.list(directory)) {
    const parsed = parseName(name)
    if (parsed != null) {
      (parsed.type === 'seg' ? present : orphans).add(parsed.id)
    } else if (name.endsWith(BESIDE) && parseName(name.slice(0, -BESIDE.length))?.type === 'idx') {
      await files.remove(join(directory, name))
    }
  }
  present.forEach(id => { orphans.delete(id) })
  return { present, orphans }
}

interface Loaded {
  /** Unless there is nothing of it left */
  readonly segment?: Segment
  readonly sidecar?: Sidecar
  readonly scan?: SegmentScan
  /** A sidecar that is intact and not that of this segment as it is */
  readonly disbelieved?: Sidecar
  /** It is that of this segment as it was */
  readonly isItsOwn?: boolean
  readonly litter?: readonly string[]
}

async function load (init: RecoveryInit, id: number, isLast: boolean, misfits: ReadonlySet<number>, repairs: string[]): Promise<Loaded> {
  const { files, directory, limit } = init
  const path = join(directory, segmentName(id))
  const size = await files.size(path)
  const segment = newSegment(id, limit)
  const found = await loadSidecar(init, id, size, isLast, misfits, repairs)
  const { disbelieved } = found
  const sidecar = disbelieved == null ? found.sidecar : undefined
  const covered = sidecar?.covered ?? 0

  if (size === 0 && sidecar == null && (!isLast || disbelieved != null)) {
    repairs.push(`segment ${id}: its file was empty, and has been removed`)
    return { disbelieved, litter: [segmentName(id), sidecarName(id)] }
  }
  segment.sidecar = sidecar?.bytes ?? 0
  segment.size = covered
  // grown past what it does not hold any more, it would make that sidecar look right
  segment.sealed = !isLast || sidecar?.closed === true || size >= limit || disbelieved != null
  if (sidecar?.closed === true || size === covered) {
    segment.size = size
    return { segment, sidecar }
  }
  try {
    return { ...await read(init, segment, sidecar, size, isLast, repairs), disbelieved, isItsOwn: !misfits.has(id) }
  } catch (err) {
    if (errorCode(err) !== 'EIO') {
      throw err
    }
    repairs.push(`segment ${id} cannot be read (${(err as Error).message}): it is left alone, and tried again at the next start`)
    return { segment: Object.assign(segment, { size, sealed: true, unreadable: true }), sidecar }
  }
}

/** Without a sidecar, or beyond it */
async function read (init: RecoveryInit, segment: Segment, sidecar: Sidecar | undefined, size: number, isLast: boolean, repairs: string[]): Promise<Loaded> {
  const { id } = segment
  const file = await init.files.open(join(init.directory, segmentName(id)), isLast ? 'edit' : 'read')
  try {
    const scan = await scanSegment(file, sidecar?.covered ?? 0, size, init.nonce)

    for (const { from, to } of scan.damaged) {
      repairs.push(`segment ${id}: ${to - from} bytes at ${from} are damaged and were skipped`)
    }
    segment.size = scan.end
    // written by a process that is gone
    segment.synced = false
    if (scan.end < size) {
      if (isLast) {
        await file.truncate(scan.end)
        repairs.push(`segment ${id}: the last ${size - scan.end} bytes were no whole record and have been cut off`)
      } else {
        segment.size = size
        repairs.push(`segment ${id}: the last ${size - scan.end} bytes are damaged and were skipped`)
      }
    }
    return { segment, sidecar, scan }
  } finally {
    await file.close()
  }
}

async function loadSidecar ({ files, directory, nonce }: RecoveryInit, id: number, size: number, isLast: boolean, misfits: ReadonlySet<number>, repairs: string[]): Promise<{ sidecar?: Sidecar & { bytes: number }, disbelieved?: Sidecar }> {
  const content = await readWhole(files, join(directory, sidecarName(id)), maxSidecarBytes(size)).catch((err: unknown) => {
    if (errorCode(err) !== 'EIO') {
      throw err
    }
    return new Uint8Array()
  })
  const sidecar = content == null ? undefined : decodeSidecar(content, nonce, id)

  if (content != null && sidecar != null && sidecar.covered <= size && !misfits.has(id)) {
    return { sidecar: { ...sidecar, bytes: content.byteLength } }
  }
  if (content != null) {
    repairs.push(`segment ${id}: its sidecar was ${sidecar == null ? 'damaged' : sidecar.covered <= size ? 'for other blocks' : 'for a longer segment'}; the segment was read instead`)
  } else if (!isLast) {
    repairs.push(`segment ${id}: it had no sidecar and was read instead`)
  }
  return { disbelieved: sidecar }
}

/** What a segment that is gone said about others */
function keepUnsaid (sidecar: Sidecar | undefined, marks: Marks, unsaid: SegmentNotes): void {
  const removals = sidecar?.removals.filter(place => marks.has(place.segment) && !marks.isRemoved(place)) ?? []
  const kinds = sidecar?.kinds.filter(place => marks.has(place.segment)) ?? []

  removals.forEach(place => { marks.remove(place) })
  marks.setKinds(kinds)
  unsaid.removals.push(...removals)
  unsaid.kinds.push(...kinds)
}

/**
 * What the sidecar of a segment that lost its end knows of the rest: what was said in that end, about blocks before it
 * and in other segments.
 *
 * @returns notes about others that the segment itself does not have any more
 */
function known (id: number, sidecar: Sidecar | undefined, scan: SegmentScan | undefined, marks: Marks): SegmentNotes | undefined {
  if (sidecar == null || scan == null) {
    return undefined
  }
  const listed = new Map<number, CacheKind>()
  const kinds: Array<RecordPlace & { kind: CacheKind }> = []

  for (let i = 0; i < sidecar.blocks.count; i++) {
    listed.set(sidecar.blocks.offset(i), sidecar.blocks.kind(i))
  }
  for (let i = 0; i < scan.blocks.count; i++) {
    const place = { segment: id, offset: scan.blocks.offset(i) }
    const kind = listed.get(place.offset)

    if (kind == null) {
      marks.remove(place)
    } else {
      kinds.push({ ...place, kind })
    }
  }
  marks.setKinds(kinds)
  const said = new Set(scan.removals.map(placeKey))
  const lastKinds = new Map(scan.kinds.map(note => [placeKey(note), note.kind]))
  return {
    removals: sidecar.removals.filter(place => !said.has(placeKey(place))),
    kinds: sidecar.kinds.filter(note => lastKinds.get(placeKey(note)) !== note.kind)
  }
}

function keepNotes (segment: Segment, sources: ReadonlyArray<SegmentNotes | undefined>, marks: Marks): void {
  const removals = sources.flatMap(source => source?.removals ?? []).filter(place => marks.has(place.segment))
  const kinds = sources.flatMap(source => source?.kinds ?? []).filter(place => marks.has(place.segment))
  removals.forEach(place => { marks.remove(place) })
  marks.setKinds(kinds)
  const others = { removals: countNotes(segment, removals), kinds: countNotes(segment, kinds) }
  // those of a sealed one stand in its sidecar, if it has one
  if (!segment.sealed || segment.sidecar === 0 || sources[1] != null) {
    segment.notes = others
  }
}

/** @returns the offsets of what was removed */
function enter (blocks: StoredBlocks, segment: Segment, sidecar: Sidecar | undefined, scan: SegmentScan | undefined, marks: Marks, duplicates: Duplicate[]): ReadonlySet<number> {
  const { index } = blocks
  const { removed, kinds } = marks.take(segment.id)

  const key = new Uint8Array(KEY_BYTES)

  // of two records of a block the later one counts
  for (const list of [scan?.blocks, sidecar?.blocks]) {
    if (list == null) {
      continue
    }
    index.reserve(index.size + list.count)
    for (let i = list.count - 1; i >= 0; i--) {
      const offset = list.offset(i)
      if (removed.has(offset)) {
        continue
      }
      const kind = kinds.get(offset) ?? list.kind(i)
      list.copyKey(i, key)
      const slot = index.findKey(key, list.multihashBytes(i))

      if (slot === -1) {
        blocks.addKey(key, list.multihashBytes(i), segment, offset, list.length(i), kind)
      } else {
        duplicates.push({ slot, place: { segment: segment.id, offset }, kind })
      }
    }
  }
  return removed
}
