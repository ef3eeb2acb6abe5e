import { join } from 'node:path'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import * as Digest from 'multiformats/hashes/digest'
import { KEY_BYTES } from './block-key.ts'
import { BESIDE, errorCode, readWhole } from './files.ts'
import { countNotes, newSegment, parseName, segmentName, sidecarName } from './segment.ts'
import { checkNames } from './segment-names.ts'
import { scanSegment } from './segment-scan.ts'
import { decodeSidecar, maxSidecarBytes } from './sidecar.ts'
import type { CacheKind } from '../../interface/cache.ts'
import type { BlockList, ListedBlock } from './block-list.ts'
import type { CacheFiles } from './files.ts'
import type { RecordPlace } from './record.ts'
import type { Segment } from './segment.ts'
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
  readonly repairs: readonly string[]
}

/**
 * Fills the index from what is on disk. Segments are taken from the last one to the
 * first: what is said about a block stands in the segment of its record or a later
 * one, so whether it is gone is known before it is met.
 */
export async function recover (init: RecoveryInit): Promise<Recovery> {
  const { misfits, repairs: renamed } = await checkNames(init)
  const ids = await listSegments(init)
  const marks = new Marks(ids)
  const segments: Segment[] = []
  const duplicates: Duplicate[] = []
  const unwritten: Segment[] = []
  const repairs = [...renamed]
  const doubtful: Array<() => void> = []

  for (const id of ids) {
    const isLast = id === ids[0]
    const loaded = await load(init, id, isLast, misfits, repairs)
    const { segment, sidecar, scan, disbelieved } = loaded

    segments.push(segment)
    init.blocks.segments.set(id, segment)
    keepNotes(segment, [sidecar, scan], marks)
    const removed = enter(init.blocks, segment, sidecar, scan, marks, duplicates)
    if (disbelieved != null) {
      doubtful.push(() => { repairs.push(...missing(init.blocks, id, disbelieved, removed)) })
    }
    if (segment.sealed && scan != null) {
      unwritten.push(segment)
    }
  }
  // not before all is known: a block may be elsewhere
  doubtful.forEach(say => { say() })
  return { segments, duplicates, unwritten, repairs }
}

async function listSegments ({ files, directory }: RecoveryInit): Promise<number[]> {
  const ids: number[] = []
  const sidecars: number[] = []

  for (const name of await files.list(directory)) {
    const parsed = parseName(name)
    if (parsed?.type === 'seg') {
      ids.push(parsed.id)
    } else if (parsed?.type === 'idx') {
      sidecars.push(parsed.id)
    } else if (name.endsWith(BESIDE) && parseName(name.slice(0, -BESIDE.length))?.type === 'idx') {
      await files.remove(join(directory, name))
    }
  }
  const known = new Set(ids)
  for (const id of sidecars.filter(id => !known.has(id))) {
    await files.remove(join(directory, sidecarName(id)))
  }
  return ids.sort((a, b) => b - a)
}

interface Loaded {
  readonly segment: Segment
  readonly sidecar?: Sidecar
  readonly scan?: SegmentScan
  /** What a sidecar lists that is intact and not that of this segment as it is */
  readonly disbelieved?: BlockList
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

  segment.sidecar = sidecar?.bytes ?? 0
  segment.size = covered
  segment.sealed = !isLast || sidecar?.closed === true || size >= limit
  if (sidecar?.closed === true || size === covered) {
    segment.size = size
    return { segment, sidecar }
  }
  try {
    return { ...await read(init, segment, sidecar, size, isLast, repairs), disbelieved }
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

async function loadSidecar ({ files, directory, nonce }: RecoveryInit, id: number, size: number, isLast: boolean, misfits: ReadonlySet<number>, repairs: string[]): Promise<{ sidecar?: Sidecar & { bytes: number }, disbelieved?: BlockList }> {
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
  return { disbelieved: sidecar?.blocks }
}

/** Named at once: a line of some kilobytes */
const MAX_NAMED = 64

/** Says by name which blocks are gone, of those that a segment should have */
function missing ({ index }: StoredBlocks, id: number, listed: BlockList, removed: ReadonlySet<number>): string[] {
  const names: string[] = []
  let count = 0

  for (let i = 0; i < listed.count; i++) {
    const block = listed.at(i)
    if (!removed.has(block.offset) && index.findKey(block.key, block.multihashBytes) === -1 && count++ < MAX_NAMED) {
      names.push(nameOf(block))
    }
  }
  return count === 0 ? [] : [`segment ${id}: ${count} of the blocks that its sidecar lists are gone: ${names.join(', ')}${count > names.length ? ` and ${count - names.length} more` : ''}`]
}

/** Of a long multihash only a hash is known */
function nameOf ({ key, multihashBytes }: ListedBlock): string {
  return multihashBytes <= key.byteLength
    ? CID.createV1(raw.code, Digest.decode(key.slice(0, multihashBytes))).toString()
    : `a multihash whose SHA-256 is ${Buffer.from(key.subarray(0, 32)).toString('hex')}`
}

/** What later segments say about blocks of earlier ones */
class Marks {
  readonly #ids: ReadonlySet<number>
  readonly #removed = new Map<number, Set<number>>()
  readonly #kinds = new Map<number, Map<number, CacheKind>>()

  constructor (ids: Iterable<number>) {
    this.#ids = new Set(ids)
  }

  has (segment: number): boolean {
    return this.#ids.has(segment)
  }

  remove ({ segment, offset }: RecordPlace): void {
    let offsets = this.#removed.get(segment)
    if (offsets == null) {
      this.#removed.set(segment, offsets = new Set())
    }
    offsets.add(offset)
  }

  /** The last word counts, and is met first */
  setKinds (notes: Iterable<RecordPlace & { kind: CacheKind }>): void {
    const latest = new Map<string, RecordPlace & { kind: CacheKind }>()

    for (const note of notes) {
      latest.set(`${note.segment}:${note.offset}`, note)
    }
    for (const { segment, offset, kind } of latest.values()) {
      let kinds = this.#kinds.get(segment)
      if (kinds == null) {
        this.#kinds.set(segment, kinds = new Map())
      }
      if (!kinds.has(offset)) {
        kinds.set(offset, kind)
      }
    }
  }

  /** Of one segment, which is met only once */
  take (segment: number): { removed: ReadonlySet<number>, kinds: ReadonlyMap<number, CacheKind> } {
    const taken = { removed: this.#removed.get(segment) ?? new Set<number>(), kinds: this.#kinds.get(segment) ?? new Map<number, CacheKind>() }
    this.#removed.delete(segment)
    this.#kinds.delete(segment)
    return taken
  }
}

function keepNotes (segment: Segment, sources: ReadonlyArray<Sidecar | SegmentScan | undefined>, marks: Marks): void {
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
