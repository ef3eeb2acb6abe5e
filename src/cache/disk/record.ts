import { createCipheriv, createSecretKey } from 'node:crypto'
import { crc32 } from 'node:zlib'
import type { CacheKind } from '../../interface/cache.ts'
import type { KeyObject } from 'node:crypto'

/**
 * What a segment consists of, one after the other, each aligned to 8 bytes:
 *
 * | at | bytes | what |
 * |---|---|---|
 * | 0 | 4 | magic |
 * | 4 | 8 | nonce of this store |
 * | 12 | 1 | type: a block, a removal, a change of kind |
 * | 13 | 1 | kind |
 * | 14 | 1 | length of the multihash |
 * | 15 | 1 | how the payload is checked: 0 CRC-32, 1 GMAC |
 * | 16 | 4 | length of the payload |
 * | 20 | 4 | check of the payload |
 * | 24 | 4 | CRC-32 of the 24 bytes before, and of the multihash |
 * | 28 | n | multihash, then zeros up to the alignment |
 * | | | payload, then zeros up to the alignment |
 *
 * The nonce is secret and random, so no block can contain what looks like a record:
 * after damage the next good one is found by looking for magic and nonce.
 */
export interface RecordHeader {
  readonly type: RecordType
  readonly kind: CacheKind
  readonly multihash: Uint8Array
  readonly payloadBytes: number
  readonly checkType: CheckType
  readonly payloadCheck: number
  /** Multihash and padding included: where the payload begins */
  readonly headerBytes: number
  /** Header, payload and paddings */
  readonly recordBytes: number
}

export type RecordType = 'block' | 'removal' | 'kind'

/** Where a record is: what removals and changes of kind refer to. Segment numbers are never used again while one of those is left */
export interface RecordPlace {
  readonly segment: number
  readonly offset: number
}

export const NONCE_BYTES = 8
/** Length of the multihash is one byte */
export const MAX_MULTIHASH_BYTES = 255

const MAGIC = 0x31524250 // PBR1
const FIXED_BYTES = 28
/** Of those, what the check at their end is about */
const CHECKED_BYTES = 24
/** In a note */
export const PLACE_BYTES = 8
export const RECORD_ALIGNMENT = 8
export const MAX_HEADER_BYTES = align(FIXED_BYTES + MAX_MULTIHASH_BYTES)

const TYPES: readonly RecordType[] = ['block', 'removal', 'kind']

export function align (bytes: number): number {
  return Math.ceil(bytes / RECORD_ALIGNMENT) * RECORD_ALIGNMENT
}

export function headerBytes (multihashBytes: number): number {
  return align(FIXED_BYTES + multihashBytes)
}

export function recordBytes (multihashBytes: number, payloadBytes: number): number {
  return headerBytes(multihashBytes) + align(payloadBytes)
}

type CheckType = 'crc32' | 'gmac'

const CHECK_TYPES: readonly CheckType[] = ['crc32', 'gmac']

/**
 * From here on GMAC costs less than CRC-32 does: 2 us for creating it and 3.5 for 100 KiB, where CRC-32 takes 15, and a
 * quarter of that at 1 MiB (38 to 155). They are even at 18 KB, in a loop that does nothing else.
 */
const GMAC_FROM = 32_768

/** Against damage and not against people: 32 bits of either will do, and a fixed vector */
function checkOf (type: CheckType, nonce: Uint8Array, bytes: Uint8Array): number {
  if (type === 'crc32') {
    return crc32(bytes)
  }
  const gmac = createCipheriv('aes-128-gcm', keyOf(nonce), GMAC_VECTOR).setAAD(bytes)
  gmac.final()
  return gmac.getAuthTag().readUInt32LE(0)
}

const GMAC_VECTOR = new Uint8Array(12)

/** Of each store that is open: a key that is made anew for each record takes 10 us */
const keys = new WeakMap<Uint8Array, KeyObject>()

function keyOf (nonce: Uint8Array): KeyObject {
  let key = keys.get(nonce)

  if (key == null) {
    key = createSecretKey(Buffer.concat([nonce, nonce]))
    keys.set(nonce, key)
  }
  return key
}

function checkTypeOf (length: number): CheckType {
  return length < GMAC_FROM ? 'crc32' : 'gmac'
}

function payloadCheck (nonce: Uint8Array, bytes: Uint8Array): Pick<RecordHeader, 'checkType' | 'payloadBytes' | 'payloadCheck'> {
  const checkType = checkTypeOf(bytes.byteLength)
  return { checkType, payloadBytes: bytes.byteLength, payloadCheck: checkOf(checkType, nonce, bytes) }
}

/** Whether these are the bytes that were written behind this header */
export function isIntact (nonce: Uint8Array, header: RecordHeader, payload: Uint8Array): boolean {
  return payload.byteLength === header.payloadBytes && checkOf(header.checkType, nonce, payload) === header.payloadCheck
}

/** What every record of this store begins with, for the search after damage */
export function recordMark (nonce: Uint8Array): Uint8Array {
  const mark = Buffer.alloc(4 + NONCE_BYTES)
  mark.writeUInt32LE(MAGIC, 0)
  mark.set(nonce, 4)
  return mark
}

export type HeaderInit = Omit<RecordHeader, 'headerBytes' | 'recordBytes'>

/** Into the beginning of `target`, padding included */
export function writeHeader (target: Buffer, nonce: Uint8Array, { type, kind, multihash, checkType, payloadBytes, payloadCheck }: HeaderInit): void {
  writeHeaderAt(target, 0, nonce, type, kind, multihash, checkType, payloadBytes, payloadCheck)
}

/** Small blocks come by the hundred thousand: no object for each */
function writeHeaderAt (target: Buffer, at: number, nonce: Uint8Array, type: RecordType, kind: CacheKind, multihash: Uint8Array, checkType: CheckType, payloadBytes: number, payloadCheck: number): void {
  const length = multihash.byteLength

  target.writeUInt32LE(MAGIC, at)
  target.set(nonce, at + 4)
  target[at + 12] = TYPES.indexOf(type) + 1
  target[at + 13] = kind === 'authored' ? 1 : 0
  target[at + 14] = length
  target[at + 15] = CHECK_TYPES.indexOf(checkType)
  target.writeUInt32LE(payloadBytes, at + 16)
  target.writeUInt32LE(payloadCheck, at + 20)
  // beside what it is checked with, for a moment: one call
  target.set(multihash, at + CHECKED_BYTES)
  target.writeUInt32LE(crc32(target.subarray(at, at + CHECKED_BYTES + length)), at + CHECKED_BYTES)
  target.set(multihash, at + FIXED_BYTES)
  pad(target, at + FIXED_BYTES + length, at + headerBytes(length))
}

/** A few bytes, for which `fill` takes longer */
function pad (target: Buffer, from: number, to: number): void {
  for (let i = from; i < to; i++) {
    target[i] = 0
  }
}

/** Undefined when there is no intact header. `multihash` is a view of `buffer` */
export function readHeader (buffer: Buffer, at: number, mark: Uint8Array): RecordHeader | undefined {
  if (at + FIXED_BYTES > buffer.byteLength || buffer.compare(mark, 0, mark.byteLength, at, at + mark.byteLength) !== 0) {
    return undefined
  }
  const type = TYPES[(buffer[at + 12] ?? 0) - 1]
  const kind = buffer[at + 13] ?? 0
  const multihashBytes = buffer[at + 14] ?? 0
  const checkType = CHECK_TYPES[buffer[at + 15] ?? 0]
  const end = at + FIXED_BYTES + multihashBytes

  if (type == null || kind > 1 || checkType == null || end > buffer.byteLength) {
    return undefined
  }
  const multihash = buffer.subarray(at + FIXED_BYTES, end)

  if (crc32(multihash, crc32(buffer.subarray(at, at + 24))) !== buffer.readUInt32LE(at + 24)) {
    return undefined
  }
  const payloadBytes = buffer.readUInt32LE(at + 16)

  return {
    type,
    kind: kind === 1 ? 'authored' : 'fetched',
    multihash,
    payloadBytes,
    checkType,
    payloadCheck: buffer.readUInt32LE(at + 20),
    headerBytes: headerBytes(multihashBytes),
    recordBytes: recordBytes(multihashBytes, payloadBytes)
  }
}

/**
 * A record of a block as it goes to the disk. Of fewer bytes than `COPY_BELOW` there is a copy in it; longer ones are
 * not copied, and what is done to them before they are written is seen by their check.
 *
 * @param buffer - for the copy
 */
export function blockRecord (nonce: Uint8Array, multihash: Uint8Array, bytes: Uint8Array, kind: CacheKind, buffer?: Buffer): Uint8Array[] {
  if (bytes.byteLength < COPY_BELOW) {
    const length = recordBytes(multihash.byteLength, bytes.byteLength)
    const record = buffer?.subarray(0, length) ?? Buffer.allocUnsafe(length)
    writeBlockRecord(record, 0, nonce, multihash, bytes, kind)
    return [record]
  }
  return behind(blockHead(nonce, multihash, bytes, kind), bytes)
}

/** The head of such a record alone */
export function blockHead (nonce: Uint8Array, multihash: Uint8Array, bytes: Uint8Array, kind: CacheKind): Buffer {
  const head = Buffer.allocUnsafe(headerBytes(multihash.byteLength))

  writeHeader(head, nonce, { type: 'block', kind, multihash, ...payloadCheck(nonce, bytes) })
  return head
}

/** Such a record without its head, in whose place there are zeros: no record */
export function headlessRecord (multihashBytes: number, bytes: Uint8Array): Uint8Array[] {
  return behind(BLANK.subarray(0, headerBytes(multihashBytes)), bytes)
}

function behind (head: Uint8Array, bytes: Uint8Array): Uint8Array[] {
  const padding = align(bytes.byteLength) - bytes.byteLength
  return padding === 0 ? [head, bytes] : [head, bytes, PADDING.subarray(0, padding)]
}

/** A record of a block in one piece, at `at` */
export function writeBlockRecord (target: Buffer, at: number, nonce: Uint8Array, multihash: Uint8Array, bytes: Uint8Array, kind: CacheKind): void {
  const length = bytes.byteLength
  const payload = at + headerBytes(multihash.byteLength)
  const checkType = checkTypeOf(length)

  writeHeaderAt(target, at, nonce, 'block', kind, multihash, checkType, length, checkOf(checkType, nonce, bytes))
  target.set(bytes, payload)
  pad(target, payload + length, payload + align(length))
}

/**
 * The array of a block may be filled again before it is written. A copy of 100 KiB takes 10 us, beside 55 of hashing it;
 * from here on it costs more than the way to a thread and back, and the write may have begun before there is a check
 */
export const COPY_BELOW = 262_144
const PADDING = new Uint8Array(RECORD_ALIGNMENT)
const BLANK = new Uint8Array(MAX_HEADER_BYTES)
const NO_MULTIHASH = new Uint8Array()

/** Says that the blocks at these places are gone */
export function removalRecord (nonce: Uint8Array, places: readonly RecordPlace[]): Uint8Array {
  return noteRecord(nonce, 'removal', 'fetched', NO_MULTIHASH, places)
}

/** Says of what kind the block at this place is now; named by its multihash, so that the note can be carried on */
export function kindRecord (nonce: Uint8Array, multihash: Uint8Array, kind: CacheKind, places: readonly RecordPlace[]): Uint8Array {
  return noteRecord(nonce, 'kind', kind, multihash, places)
}

function noteRecord (nonce: Uint8Array, type: RecordType, kind: CacheKind, multihash: Uint8Array, places: readonly RecordPlace[]): Uint8Array {
  const head = headerBytes(multihash.byteLength)
  const record = Buffer.allocUnsafe(head + places.length * PLACE_BYTES)

  places.forEach((place, i) => {
    record.writeUInt32LE(place.segment, head + i * PLACE_BYTES)
    record.writeUInt32LE(place.offset, head + i * PLACE_BYTES + 4)
  })
  const payload = record.subarray(head)
  writeHeader(record, nonce, { type, kind, multihash, ...payloadCheck(nonce, payload) })
  return record
}

/** The places that a removal or a change of kind names */
export function readPlaces (payload: Buffer): RecordPlace[] {
  const places: RecordPlace[] = []

  for (let at = 0; at + PLACE_BYTES <= payload.byteLength; at += PLACE_BYTES) {
    places.push({ segment: payload.readUInt32LE(at), offset: payload.readUInt32LE(at + 4) })
  }
  return places
}
