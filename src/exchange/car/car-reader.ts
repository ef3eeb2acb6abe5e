import { decode as decodeCbor } from '@ipld/dag-cbor'
import { varint } from 'multiformats'
import { CID } from 'multiformats/cid'
import * as Digest from 'multiformats/hashes/digest'
import { blockKey } from '../../block/key.ts'
import { quote } from '../../interface/quote.ts'
import { ChunkQueue } from './chunk-queue.ts'
import type { Block } from '../../interface/fetcher.ts'

/** Bytes of a header: one root takes 58, and who asks for one DAG gets one root; 64 of the longest CIDs fit */
const MAX_HEADER_LENGTH = 16_384

/** Bytes of a digest: the longest that blocks are verified by (blake3) */
const MAX_DIGEST_LENGTH = 128

/** Bytes of a CID: four varints of nine bytes at most, and the digest */
const MAX_CID_BYTES = 4 * 9 + MAX_DIGEST_LENGTH

/** Bytes of a varint that says a length: four reach 256 MiB, more than any section may have */
const MAX_LENGTH_BYTES = 4

const SHA2_256 = 0x12
const SHA2_256_LENGTH = 32

/** What came is not a CAR, or breaks a limit */
export class CarError extends Error {
  static override name = 'CarError'
  override name = 'CarError'
}

export interface ReadCarInit {
  /** What was asked for: a header that names other roots, and not this one, is refused. @default whatever the header says */
  readonly root?: CID
  /** Largest block accepted, in bytes */
  readonly maxBlockBytes: number
}

/**
 * The blocks of a CAR (version 1) in the order in which they come, each as soon
 * as it is whole and in memory of its own. Hashes nothing. No more than one
 * section is held, and no more memory than has arrived; throws a `CarError`, or
 * what the source throws.
 */
export async function * readCar (source: AsyncIterable<Uint8Array>, init: ReadCarInit): AsyncGenerator<Block, void, undefined> {
  const queue = new ChunkQueue(source)

  try {
    checkHeader(await section(queue, 'header', MAX_HEADER_LENGTH), init.root)

    while (true) {
      const bytes = await section(queue, 'section', MAX_CID_BYTES + init.maxBlockBytes)

      if (bytes == null) {
        return
      }

      const [cid, length] = readCID(bytes)

      if (bytes.byteLength - length > init.maxBlockBytes) {
        throw new CarError(`a block of ${bytes.byteLength - length} bytes, at most ${init.maxBlockBytes} are accepted`)
      }

      yield { cid, bytes: bytes.subarray(length) }
    }
  } finally {
    await queue.close()
  }
}

/** What stands between two lengths; undefined when the source ended where one could begin */
async function section (queue: ChunkQueue, what: string, max: number): Promise<Uint8Array | undefined> {
  const length = await sectionLength(queue, what)

  if (length === undefined) {
    return undefined
  }

  if (length === 0) {
    throw new CarError(`an empty ${what}`)
  }

  if (length > max) {
    throw new CarError(`a ${what} that claims ${length} bytes, at most ${max} are accepted`)
  }

  // most often it is here already, and waiting costs more than reading a small block
  if (queue.length < length && !await queue.fill(length)) {
    throw new CarError(`a ${what} of ${length} bytes that breaks off after ${queue.length}`)
  }

  return queue.take(length)
}

async function sectionLength (queue: ChunkQueue, what: string): Promise<number | undefined> {
  let length = 0

  for (let i = 0; i < MAX_LENGTH_BYTES; i++) {
    if (queue.length === 0 && !await queue.fill(1)) {
      if (i === 0) {
        return undefined
      }
      throw new CarError(`a length that breaks off before a ${what}`)
    }

    const byte = queue.byte()
    length |= (byte & 0x7f) << (7 * i)

    if (byte < 0x80) {
      if (byte === 0 && i > 0) {
        throw new CarError(`a length before a ${what} that is padded with zeroes`)
      }
      return length
    }
  }

  throw new CarError(`a ${what} that claims ${2 ** (7 * MAX_LENGTH_BYTES)} bytes or more`)
}

function checkHeader (bytes: Uint8Array | undefined, root: CID | undefined): void {
  if (bytes == null) {
    throw new CarError('nothing, not even a header')
  }

  let header: { version?: unknown, roots?: unknown } | undefined

  try {
    header = decodeCbor(bytes)
  } catch (err) {
    throw new CarError('a header that is not dag-cbor', { cause: err })
  }

  if (header === null || typeof header !== 'object' || header.version !== 1) {
    throw new CarError(`a header of version ${quote(header?.version)}, only version 1 is read`)
  }

  const roots: unknown[] | undefined = Array.isArray(header.roots) ? header.roots : undefined

  if (roots?.every(each => CID.asCID(each as CID) != null) !== true) {
    throw new CarError('a header without a list of roots')
  }

  // no roots at all is how a stream begins whose maker does not know them yet
  if (root != null && roots.length > 0 && !roots.some(each => blockKey(each as CID) === blockKey(root))) {
    throw new CarError(`a header with the root ${quote(roots[0])} instead of ${quote(root)}`)
  }
}

/** The CID that a section begins with, and its length */
function readCID (bytes: Uint8Array): [CID, number] {
  if (bytes[0] === SHA2_256 && bytes[1] === SHA2_256_LENGTH) {
    const length = 2 + SHA2_256_LENGTH

    if (bytes.byteLength < length) {
      throw new CarError('a section that ends within its CID')
    }

    return [CID.createV0(Digest.decode(bytes.slice(0, length)) as Parameters<typeof CID.createV0>[0]), length]
  }

  const fields: number[] = []
  let at = 0

  for (let i = 0; i < 4; i++) {
    try {
      const [value, length] = varint.decode(bytes, at)
      at += length
      fields.push(value)
    } catch (err) {
      throw new CarError('a section that does not begin with a CID', { cause: err })
    }
  }

  const [version, codec = 0, code = 0, digestLength = 0] = fields

  if (version !== 1) {
    throw new CarError(`a CID of version ${quote(version)}`)
  }

  if (digestLength > MAX_DIGEST_LENGTH) {
    throw new CarError(`a CID with a digest of ${digestLength} bytes, at most ${MAX_DIGEST_LENGTH} are accepted`)
  }

  const length = at + digestLength

  if (bytes.byteLength < length) {
    throw new CarError('a section that ends within its CID')
  }

  return [CID.createV1(codec, Digest.create(code, bytes.slice(at, length))), length]
}
