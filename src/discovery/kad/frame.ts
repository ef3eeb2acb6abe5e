import { KadMessageError } from './kad-message-error.ts'
import { MAX_MESSAGE_SIZE, MAX_READ } from './kad-message.ts'
import { MAX_VARINT } from './protobuf.ts'

/** Bytes as streams deliver them: whole, or as a list of pieces */
export type Chunk = Uint8Array | Iterable<Uint8Array>

/** Bytes that are made room for at first: most answers are smaller */
const FIRST_ROOM = 4_096

/**
 * Gathers one message behind its length, or as much of its beginning as is read.
 * Refuses what is too long before a byte of it is kept, and keeps no more than
 * twice what has come, in however small pieces. Throws a `KadMessageError`.
 */
export class Frame {
  #bytes: Uint8Array = new Uint8Array(0)
  #length = 0
  #lengthBytes = 0
  #known = false
  #held = 0
  #beyond = false

  /** Something came, or is yet to come, behind the end of what is read */
  get beyond (): boolean {
    return this.#beyond
  }

  /** The message as soon as it is complete */
  push (chunk: Chunk): Uint8Array | undefined {
    for (const piece of chunk instanceof Uint8Array ? [chunk] : chunk) {
      this.#push(piece)
    }

    return this.#known && this.#held === this.#wanted ? this.#bytes : undefined
  }

  get #wanted (): number {
    return Math.min(this.#length, MAX_READ)
  }

  #push (piece: Uint8Array): void {
    let at = 0

    while (!this.#known && at < piece.byteLength) {
      this.#digit(piece[at++] as number)
    }

    if (this.#known) {
      const taken = Math.min(this.#wanted - this.#held, piece.byteLength - at)
      this.#beyond ||= this.#length > MAX_READ || taken < piece.byteLength - at
      this.#keep(piece.subarray(at, at + taken))
    }
  }

  #keep (bytes: Uint8Array): void {
    const held = this.#held + bytes.byteLength

    if (held === this.#wanted && this.#held === 0) {
      this.#bytes = bytes
    } else {
      if (held > this.#bytes.byteLength) {
        const grown = new Uint8Array(Math.min(this.#wanted, Math.max(FIRST_ROOM, held, 2 * this.#bytes.byteLength)))
        grown.set(this.#bytes)
        this.#bytes = grown
      }
      this.#bytes.set(bytes, this.#held)
    }
    this.#held = held
  }

  #digit (byte: number): void {
    this.#length += (byte & 0x7f) * 2 ** (7 * this.#lengthBytes)
    this.#lengthBytes++

    if (this.#length > MAX_MESSAGE_SIZE) {
      throw new KadMessageError('too-large', `An answer of ${this.#length} bytes was announced, at most ${MAX_MESSAGE_SIZE} are accepted`)
    }

    if (byte < 0x80) {
      this.#known = true
    } else if (this.#lengthBytes === MAX_VARINT) {
      throw new KadMessageError('varint', `The length of an answer has more than ${MAX_VARINT} bytes`)
    }
  }
}
