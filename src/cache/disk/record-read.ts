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

/**
 * The bytes of the block in a slot, checked, before it returns: where the system has them in memory. Undefined when
 * `readRecord` has to read them, also when something is wrong with them, which it finds out then.
 */
export function readBlockNow ({ blocks, index, mark, nonce, promptReads }: OpenedStore, slot: number): Uint8Array | undefined {
  const segment = blocks.segments.get(index.segment(slot))
  const multihashBytes = index.multihashBytes(slot)
  const head = headerBytes(multihashBytes)
  const length = index.length(slot)
  const offset = index.offset(slot)

  if (segment == null || !promptReads.allows(segment, offset, head + length)) {
    return undefined
  }
  const record = Buffer.allocUnsafeSlow(head + length)

  if (promptReads.run(segment, record, offset) < record.byteLength) {
    return undefined
  }
  const header = headerOf({ mark, index }, record, { key: index.key(slot), multihashBytes, length })
  const bytes = new Uint8Array(record.buffer, head, length)

  if (header == null || !isIntact(nonce, header, bytes)) {
    return undefined
  }
  promptReads.done(segment, offset, record.byteLength)
  return bytes
}
