import { CID } from 'multiformats/cid'
import { BitswapMessageError } from './message-error.ts'
import type { BlockPrefix } from './message.ts'

// field numbers and values of https://specs.ipfs.tech/bitswap-protocol/#bitswap-1-2-0-wire-format
export const MESSAGE = { wantlist: 1, blocks: 2, payload: 3, presences: 4, pendingBytes: 5 } as const
export const WANTLIST = { entries: 1, full: 2 } as const
export const ENTRY = { block: 1, priority: 2, cancel: 3, wantType: 4, sendDontHave: 5 } as const
export const PAYLOAD = { prefix: 1, data: 2 } as const
export const PRESENCE = { cid: 1, type: 2 } as const
export const WANT_HAVE = 1
export const DONT_HAVE = 1

export const VARINT = 0
export const FIXED64 = 1
export const LENGTH_DELIMITED = 2
export const FIXED32 = 5

/** Bytes of digest that anybody needs: the longest of the accepted hash functions has 128 (boxo's limit too) */
export const MAX_DIGEST_LENGTH = 128
/** Bytes of a CID: its digest and four numbers, with room to spare */
export const MAX_CID_BYTES = 256
/** Bytes of a number of 64 bits, and of 32 bits that are not negative */
export const MAX_VARINT = 10
const MAX_UINT32_VARINT = 5

const DAG_PB = 0x70
const SHA2_256 = 0x12
const SHA2_256_LENGTH = 32

/** What blocks without a prefix are, as bitswap 1.0.0 sends them */
export const CID_V0_PREFIX: BlockPrefix = { version: 0, codec: DAG_PB, hash: SHA2_256, digestLength: SHA2_256_LENGTH }

/** Walks through the fields of one protobuf message that is in memory whole */
export class Fields {
  readonly #bytes: Uint8Array
  readonly #end: number
  #at: number
  /** Number and wire type of the field that `next` found */
  number = 0
  type = 0

  constructor (bytes: Uint8Array, start = 0, end = bytes.byteLength) {
    this.#bytes = bytes
    this.#at = start
    this.#end = end
  }

  next (): boolean {
    if (this.#at >= this.#end) {
      return false
    }

    const key = this.#number(MAX_UINT32_VARINT)
    this.number = key >>> 3
    this.type = key & 7

    if (this.number === 0) {
      throw new BitswapMessageError('field', 'A field has the number 0')
    }

    return true
  }

  /** The low 32 bits of a number: nothing in bitswap has more, but negative ones are written with 64 */
  int32 (): number {
    this.#demand(VARINT)
    return this.#number(MAX_VARINT) | 0
  }

  /** Anything but 0 is true, however long it is */
  bool (): boolean {
    return this.int32() !== 0
  }

  /** Fields of the message that this field is */
  nested (): Fields {
    const start = this.#span()
    return new Fields(this.#bytes, start, this.#at)
  }

  /** The CID that this field is, in memory of its own: what it came in is large and soon forgotten */
  cid (): CID {
    const start = this.#span()
    return decodeCID(this.#bytes, start, this.#at)
  }

  skip (): void {
    switch (this.type) {
      case VARINT:
        this.#number(MAX_VARINT)
        break
      case LENGTH_DELIMITED:
        this.#span()
        break
      case FIXED64:
        this.#advance(8)
        break
      case FIXED32:
        this.#advance(4)
        break
      default:
        throw unknownType(this.number, this.type)
    }
  }

  #demand (type: number): void {
    if (this.type !== type) {
      throw wrongType(this.number, this.type)
    }
  }

  #span (): number {
    this.#demand(LENGTH_DELIMITED)
    const length = this.#number(MAX_UINT32_VARINT)
    const start = this.#at
    this.#advance(length)
    return start
  }

  #advance (length: number): void {
    if (length > this.#end - this.#at) {
      throw new BitswapMessageError('truncated', `Field ${this.number} claims ${length} bytes, ${this.#end - this.#at} are left`)
    }

    this.#at += length
  }

  #number (max: number): number {
    let low = 0

    for (let i = 0; i < max; i++) {
      if (this.#at >= this.#end) {
        throw new BitswapMessageError('truncated', 'A number ends before it is complete')
      }

      const byte = this.#bytes[this.#at++] ?? 0

      if (i < MAX_UINT32_VARINT) {
        low = (low | ((byte & 0x7f) << (7 * i))) >>> 0
      }

      if (byte < 0x80) {
        return low
      }
    }

    throw new BitswapMessageError('varint', `A number has more than ${max} bytes`)
  }
}

/** Throws when a field of a message, or of a block in it, is not what it should be */
export function checkField (field: number, type: number, inPayload: boolean): void {
  if (field === 0) {
    throw new BitswapMessageError('field', 'A field has the number 0')
  }

  const known = inPayload ? field <= PAYLOAD.data : field <= MESSAGE.pendingBytes
  const expected = !inPayload && field === MESSAGE.pendingBytes ? VARINT : LENGTH_DELIMITED

  if (known && type !== expected) {
    throw wrongType(field, type)
  }
}

function wrongType (field: number, type: number): BitswapMessageError {
  return new BitswapMessageError('wire-type', `Field ${field} has wire type ${type}, which is not its own`)
}

export function unknownType (field: number, type: number): BitswapMessageError {
  return new BitswapMessageError('wire-type', `Field ${field} has wire type ${type}, which nobody uses`)
}

function decodeCID (bytes: Uint8Array, start: number, end: number): CID {
  if (end - start > MAX_CID_BYTES) {
    throw new BitswapMessageError('cid', `A CID has ${end - start} bytes, at most ${MAX_CID_BYTES} are read`)
  }

  let cid: CID

  try {
    cid = CID.decode(bytes.slice(start, end))
  } catch (err) {
    throw new BitswapMessageError('cid', `${end - start} bytes where a CID should be are none`, { cause: err })
  }

  if (cid.multihash.digest.byteLength > MAX_DIGEST_LENGTH) {
    throw new BitswapMessageError('cid', `A CID has a digest of ${cid.multihash.digest.byteLength} bytes, at most ${MAX_DIGEST_LENGTH} are accepted`)
  }

  if (!Number.isSafeInteger(cid.code) || !Number.isSafeInteger(cid.multihash.code)) {
    throw new BitswapMessageError('cid', 'A CID has a codec or hash code that is larger than any that exists')
  }

  return cid
}

/** Bytes of a prefix: version, codec, hash function and length, none larger than 32 bits */
export const MAX_PREFIX_BYTES = 20

export function decodePrefix (bytes: Uint8Array): BlockPrefix {
  const numbers: number[] = []
  let value = 0
  let scale = 1

  for (const byte of bytes) {
    value += (byte & 0x7f) * scale
    scale *= 0x80

    if (value > 0xffff_ffff) {
      throw new BitswapMessageError('prefix', 'A block prefix has a number of more than 32 bits')
    }

    if (byte < 0x80) {
      numbers.push(value)
      value = 0
      scale = 1
    }
  }

  const [version, codec, hash, digestLength] = numbers

  if (scale !== 1 || numbers.length !== 4 || codec === undefined || hash === undefined || digestLength === undefined || (version !== 0 && version !== 1)) {
    throw new BitswapMessageError('prefix', `A block prefix is version, codec, hash function and digest length of a CID, got ${numbers.length} numbers, version ${version ?? 'missing'}`)
  }

  if (digestLength > MAX_DIGEST_LENGTH) {
    throw new BitswapMessageError('prefix', `A block prefix asks for a digest of ${digestLength} bytes, at most ${MAX_DIGEST_LENGTH} are accepted`)
  }

  return { version, codec, hash, digestLength }
}
