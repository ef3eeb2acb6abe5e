import { KadMessageError } from './kad-message-error.ts'

const VARINT = 0
const FIXED64 = 1
const LENGTH_DELIMITED = 2
const FIXED32 = 5
/** 64 bits, seven at a time */
export const MAX_VARINT = 10

/** Reads fields of a message that is in memory. Nothing is copied: what `bytes` gives are views. Throws a `KadMessageError`. */
export class ProtobufReader {
  readonly #bytes: Uint8Array
  #at = 0
  #wire = 0

  constructor (bytes: Uint8Array) {
    this.#bytes = bytes
  }

  /** Bytes that were read */
  get at (): number {
    return this.#at
  }

  /** Number of the next field, 0 at the end. Its value is to be read or skipped before the next one. */
  next (): number {
    if (this.#at >= this.#bytes.byteLength) {
      return 0
    }

    const tag = this.#varint()
    this.#wire = tag % 8
    const field = Math.floor(tag / 8)

    if (field === 0) {
      throw new KadMessageError('wire-type', 'A field has the number 0')
    }
    return field
  }

  /** Beyond 53 bits it is not exact: there is no field here that uses them */
  number (): number {
    this.#expect(VARINT)
    return this.#varint()
  }

  bytes (): Uint8Array {
    this.#expect(LENGTH_DELIMITED)
    return this.#take(this.#varint())
  }

  skip (): void {
    if (this.#wire === VARINT) {
      this.#varint()
    } else if (this.#wire === LENGTH_DELIMITED) {
      this.#take(this.#varint())
    } else if (this.#wire === FIXED64) {
      this.#take(8)
    } else if (this.#wire === FIXED32) {
      this.#take(4)
    } else {
      throw new KadMessageError('wire-type', `A field is of the wire type ${this.#wire}`)
    }
  }

  #expect (wire: number): void {
    if (this.#wire !== wire) {
      throw new KadMessageError('wire-type', `A field is of the wire type ${this.#wire}, not ${wire}`)
    }
  }

  #take (length: number): Uint8Array {
    const end = this.#at + length

    if (end > this.#bytes.byteLength) {
      throw new KadMessageError('truncated', `A field of ${length} bytes begins ${this.#bytes.byteLength - this.#at} bytes before the end`)
    }

    const taken = this.#bytes.subarray(this.#at, end)
    this.#at = end
    return taken
  }

  #varint (): number {
    let value = 0

    for (let i = 0; i < MAX_VARINT; i++) {
      const byte = this.#bytes[this.#at++]

      if (byte == null) {
        throw new KadMessageError('truncated', 'The message ends in a number')
      }

      value += (byte & 0x7f) * 2 ** (7 * i)

      if (byte < 0x80) {
        return value
      }
    }

    throw new KadMessageError('varint', `A number has more than ${MAX_VARINT} bytes`)
  }
}

export function varint (value: number): Uint8Array {
  const bytes: number[] = []
  let rest = value

  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) {
    bytes.push(rest % 0x80 | 0x80)
  }

  bytes.push(rest)
  return Uint8Array.from(bytes)
}

export function numberField (field: number, value: number): Uint8Array {
  return Uint8Array.of(field << 3 | VARINT, ...varint(value))
}

export function bytesField (field: number, bytes: Uint8Array): Uint8Array {
  const length = varint(bytes.byteLength)
  const result = new Uint8Array(1 + length.byteLength + bytes.byteLength)
  result[0] = field << 3 | LENGTH_DELIMITED
  result.set(length, 1)
  result.set(bytes, 1 + length.byteLength)
  return result
}
