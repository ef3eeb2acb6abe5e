import { DamagedBlockError } from '../../interface/errors.ts'
import { readFully } from './files.ts'
import { headerBytes, isIntact, readHeader } from './record.ts'
import type { OpenedStore } from './opened-store.ts'
import type { RecordHeader, RecordPlace } from './record.ts'

/** What a record must be, as it was when the reading began */
export interface ExpectedBlock {
  readonly key: Uint8Array
  readonly multihashBytes: number
  readonly length: number
}

export interface ReadRecord {
  /** The record but for its last padding */
  readonly bytes: Buffer
  readonly header: RecordHeader
}

/** The header of a record if it is that of this block */
export function headerOf ({ mark, index }: Pick<OpenedStore, 'mark' | 'index'>, record: Buffer, expected: ExpectedBlock): RecordHeader | undefined {
  const header = readHeader(record, 0, mark)

  return header?.type === 'block' && header.payloadBytes === expected.length && header.multihash.byteLength === expected.multihashBytes &&
    index.keyEquals(expected.key, header.multihash)
    ? header
    : undefined
}

/** The record as it is on disk, unchecked, as far as the segment goes */
export async function readRaw (store: OpenedStore, { segment: id, offset }: RecordPlace, { multihashBytes, length }: ExpectedBlock): Promise<Buffer> {
  const { blocks, segments, promptReads } = store
  const segment = blocks.segments.get(id)

  if (segment == null) {
    throw new RangeError(`There is no segment ${id}`)
  }
  // of the exact size: the payload is given away as a view of it, and nothing else may live as long as that
  const bytes = Buffer.allocUnsafeSlow(headerBytes(multihashBytes) + length)

  if (promptReads.run(segment, bytes, offset) === bytes.byteLength) {
    promptReads.done(segment, offset, bytes.byteLength)
    return bytes
  }
  segment.users++
  promptReads.begin()
  try {
    const file = segment.file ?? await segments.descriptors.file(segment)
    let read = await file.read(bytes, offset)
    if (read < bytes.byteLength) {
      read += await readFully(file, bytes.subarray(read), offset + read)
    }
    promptReads.done(segment, offset, read)
    return read < bytes.byteLength ? bytes.subarray(0, read) : bytes
  } finally {
    promptReads.end()
    segments.descriptors.leave(segment)
  }
}

/** The multihash of a block by its record's header alone, also when its bytes are damaged */
export async function readMultihash (store: OpenedStore, place: RecordPlace, expected: ExpectedBlock): Promise<Uint8Array> {
  const header = headerOf(store, await readRaw(store, place, { ...expected, length: 0 }), expected)

  if (header == null) {
    throw new DamagedBlockError(`The record at ${place.offset} of segment ${place.segment} is not that of the block`)
  }
  return Uint8Array.from(header.multihash)
}

/** The record, checked: that it is the one, and that its bytes are those that were written */
export async function readRecord (store: OpenedStore, place: RecordPlace, expected: ExpectedBlock): Promise<ReadRecord> {
  const bytes = await readRaw(store, place, expected)
  const header = headerOf(store, bytes, expected)

  if (header == null) {
    throw new DamagedBlockError(`The record at ${place.offset} of segment ${place.segment} is not that of the block`)
  }
  if (!isIntact(store.nonce, header, bytes.subarray(header.headerBytes))) {
    throw new DamagedBlockError(`The bytes at ${place.offset} of segment ${place.segment} do not match their checksum`)
  }
  return { bytes, header }
}
