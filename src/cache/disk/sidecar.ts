import { crc32 } from 'node:zlib'
import { BlockList, ENTRY_BYTES, writeEntry } from './block-list.ts'
import { NONCE_BYTES } from './record.ts'
import type { BlockIndex } from './block-index.ts'
import type { RecordPlace } from './record.ts'
import type { KindNote, Segment, SegmentNotes } from './segment.ts'

/**
 * What a segment holds, so that it need not be read when the store is opened: the
 * blocks that could be read when this was written, and what it says about other
 * segments. Written whole, never changed; when it is missing or damaged it is made
 * again from the segment, so one checksum is enough.
 */
export interface Sidecar extends SegmentNotes {
  /** Of the segment, from its beginning; what follows must be scanned */
  readonly covered: number
  /** What follows is not to be looked at: the rest of a write that failed */
  readonly closed: boolean
  readonly blocks: BlockList
}

/** Records have 32 bytes at least, entries 48 */
export function maxSidecarBytes (segmentBytes: number): number {
  return 2 * segmentBytes + 4_096
}

const MAGIC = 0x31494250 // PBI1
export const SIDECAR_HEADER_BYTES = 40
const PLACE_BYTES = 8
/** Of a change of kind: place, kind and the multihash, a sha2-256 */
const USUAL_KIND_BYTES = PLACE_BYTES + 36
/** Magic, then the check over all that follows it */
const CHECK_AT = 4
const CHECKED_FROM = 8

export interface SidecarInit {
  readonly segment: number
  readonly covered: number
  readonly closed: boolean
  /** Of the blocks, in the order of their offsets */
  readonly slots: readonly number[]
  readonly notes: SegmentNotes
}

/** What that of a segment will take, as the segment is now */
export function sidecarBytes ({ blocks, notes }: Pick<Segment, 'blocks' | 'notes'>): number {
  return SIDECAR_HEADER_BYTES + blocks * ENTRY_BYTES + (notes?.removals.length ?? 0) * PLACE_BYTES + (notes?.kinds.length ?? 0) * USUAL_KIND_BYTES
}

export function encodeSidecar (nonce: Uint8Array, index: BlockIndex, init: SidecarInit): Uint8Array {
  const { slots, notes: { removals, kinds } } = init
  const kindBytes = kinds.reduce((sum, { multihash }) => sum + PLACE_BYTES + 2 + multihash.byteLength, 0)
  const bytes = Buffer.alloc(SIDECAR_HEADER_BYTES + slots.length * ENTRY_BYTES + removals.length * PLACE_BYTES + kindBytes)
  let at = SIDECAR_HEADER_BYTES

  for (const slot of slots) {
    bytes.set(index.key(slot), at)
    writeEntry(bytes, at, index.offset(slot), index.length(slot), index.kind(slot), index.multihashBytes(slot))
    at += ENTRY_BYTES
  }
  for (const place of removals) {
    at = writePlace(bytes, at, place)
  }
  for (const note of kinds) {
    at = writePlace(bytes, at, note)
    bytes[at] = note.kind === 'authored' ? 1 : 0
    bytes[at + 1] = note.multihash.byteLength
    bytes.set(note.multihash, at + 2)
    at += 2 + note.multihash.byteLength
  }
  bytes.writeUInt32LE(MAGIC, 0)
  bytes.set(nonce, 8)
  bytes.writeUInt32LE(init.segment, 16)
  bytes.writeUInt32LE(init.covered, 20)
  bytes.writeUInt32LE(init.closed ? 1 : 0, 24)
  bytes.writeUInt32LE(slots.length, 28)
  bytes.writeUInt32LE(removals.length, 32)
  bytes.writeUInt32LE(kinds.length, 36)
  bytes.writeUInt32LE(crc32(bytes.subarray(CHECKED_FROM)), CHECK_AT)
  return bytes
}

function writePlace (bytes: Buffer, at: number, place: RecordPlace): number {
  bytes.writeUInt32LE(place.segment, at)
  bytes.writeUInt32LE(place.offset, at + 4)
  return at + PLACE_BYTES
}

/** What it begins with, unchecked; undefined when it is none of this store */
export function sidecarHead (bytes: Buffer, nonce: Uint8Array): { segment: number, covered: number, blocks: number } | undefined {
  return bytes.byteLength >= SIDECAR_HEADER_BYTES && bytes.readUInt32LE(0) === MAGIC && bytes.subarray(8, 8 + NONCE_BYTES).equals(nonce)
    ? { segment: bytes.readUInt32LE(16), covered: bytes.readUInt32LE(20), blocks: bytes.readUInt32LE(28) }
    : undefined
}

/** Undefined when it is not the intact sidecar of this segment of this store */
export function decodeSidecar (content: Uint8Array, nonce: Uint8Array, segment: number): Sidecar | undefined {
  const bytes = Buffer.from(content.buffer, content.byteOffset, content.byteLength)

  if (bytes.byteLength < SIDECAR_HEADER_BYTES || bytes.readUInt32LE(0) !== MAGIC || bytes.readUInt32LE(CHECK_AT) !== crc32(bytes.subarray(CHECKED_FROM)) ||
    !bytes.subarray(8, 8 + NONCE_BYTES).equals(nonce) || bytes.readUInt32LE(16) !== segment) {
    return undefined
  }
  const count = bytes.readUInt32LE(28)
  const removalsAt = SIDECAR_HEADER_BYTES + count * ENTRY_BYTES
  const removals = bytes.readUInt32LE(32)
  const kindsAt = removalsAt + removals * PLACE_BYTES

  if (kindsAt > bytes.byteLength) {
    return undefined
  }
  const kinds = readKinds(bytes, kindsAt, bytes.readUInt32LE(36))

  return kinds == null
    ? undefined
    : {
        covered: bytes.readUInt32LE(20),
        closed: bytes.readUInt32LE(24) === 1,
        removals: Array.from({ length: removals }, (_, i) => readPlace(bytes, removalsAt + i * PLACE_BYTES)),
        kinds,
        blocks: new BlockList(bytes.subarray(SIDECAR_HEADER_BYTES, removalsAt))
      }
}

function readPlace (bytes: Buffer, at: number): RecordPlace {
  return { segment: bytes.readUInt32LE(at), offset: bytes.readUInt32LE(at + 4) }
}

function readKinds (bytes: Buffer, from: number, count: number): KindNote[] | undefined {
  const kinds: KindNote[] = []
  let at = from

  for (let i = 0; i < count; i++) {
    const end = at + PLACE_BYTES + 2 + (bytes[at + PLACE_BYTES + 1] ?? 0)
    if (end > bytes.byteLength) {
      return undefined
    }
    kinds.push({
      ...readPlace(bytes, at),
      kind: bytes[at + PLACE_BYTES] === 1 ? 'authored' : 'fetched',
      multihash: Uint8Array.from(bytes.subarray(at + PLACE_BYTES + 2, end))
    })
    at = end
  }
  return at === bytes.byteLength ? kinds : undefined
}
