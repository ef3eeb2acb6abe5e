import { PLACE_BYTES } from './record.ts'
import type { CacheKind } from '../../interface/cache.ts'
import type { CacheFile } from './files.ts'
import type { RecordPlace } from './record.ts'

/** What was said in a segment about blocks in others */
export interface SegmentNotes {
  readonly removals: RecordPlace[]
  readonly kinds: KindNote[]
}

export interface KindNote extends RecordPlace {
  readonly multihash: Uint8Array
  readonly kind: CacheKind
}

/** One file of records. What is written once is never changed, but for a tail that was not written whole */
export interface Segment {
  readonly id: number
  /** Bytes of records, all of them whole */
  size: number
  /** Of those, what blocks take that can be read */
  live: number
  /** How many those are */
  blocks: number
  /** Bytes of its sidecar, 0 when it has none */
  sidecar: number
  /** Readers and writers that need the file to stay */
  users: number
  file?: CacheFile
  /** How much had been read of the whole store when its parts were read last: see `PromptReads` */
  warm?: Float32Array
  /** The one opening that everybody waits for */
  opening?: Promise<CacheFile>
  /** Waits for the last user */
  onIdle?: () => void
  /** All that was written to it has reached the disk itself */
  synced: boolean
  /** The one syncing that everybody waits for */
  syncing?: Promise<void>
  /** What came of it when it failed: the system may have dropped what it could not write, so that the next one would lie */
  unsyncable?: Error
  /** Nothing more is written to it */
  sealed: boolean
  /** It could not be read when the store was opened: what is in it is not known, so it stays */
  unreadable: boolean
  /** When it is full; a record longer than that has a segment of its own */
  readonly limit: number
  /** Removals and changes of kind in it that are about other segments: bytes, by the number of that segment */
  readonly noteBytes: Map<number, number>
  /** Those notes themselves, until it has a sidecar that has them and is sealed */
  notes?: SegmentNotes
}

export const SEGMENTS = 'segments'
/** Scanned in some 50 ms after a crash */
export const MAX_SEGMENT_BYTES = 67_108_864
const SEGMENT_NAME = /^(\d{8,15})\.(seg|idx)$/

export function newSegment (id: number, limit: number): Segment {
  return { id, size: 0, live: 0, blocks: 0, sidecar: 0, users: 0, synced: true, sealed: false, unreadable: false, limit, noteBytes: new Map() }
}

export function segmentName (id: number): string {
  return `${String(id).padStart(8, '0')}.seg`
}

export function sidecarName (id: number): string {
  return `${String(id).padStart(8, '0')}.idx`
}

export function parseName (name: string): { id: number, type: 'seg' | 'idx' } | undefined {
  const match = SEGMENT_NAME.exec(name)
  const id = Number(match?.[1])
  return match == null || id > MAX_SEGMENT ? undefined : { id, type: match[2] as 'seg' | 'idx' }
}

/** Numbers fit into a note, and those after it do, too: no store gets so far */
const MAX_SEGMENT = 0xf000_0000

/** Bytes in it that must be carried on when it goes: notes about segments that are still there */
export function carriedBytes (segment: Segment): number {
  let bytes = 0
  for (const each of segment.noteBytes.values()) {
    bytes += each
  }
  return bytes
}

/**
 * Takes down that a segment says something about these places.
 *
 * @returns those in other segments, which outlive it
 */
export function countNotes<T extends RecordPlace> (segment: Segment, places: readonly T[]): T[] {
  const others = places.filter(place => place.segment !== segment.id)

  for (const place of others) {
    segment.noteBytes.set(place.segment, (segment.noteBytes.get(place.segment) ?? 0) + PLACE_BYTES)
  }
  return others
}
