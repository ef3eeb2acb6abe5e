import { KadMessageError } from './kad-message-error.ts'
import { MAX_MESSAGE_SIZE } from './kad-message.ts'
import { MAX_VARINT } from './protobuf.ts'

/** Bytes as streams deliver them: whole, or as a list of pieces */
export type Chunk = Uint8Array | Iterable<Uint8Array>

/** Gathers one message behind its length. Refuses what is too long before a byte of it is kept. Throws a `KadMessageError`. */
export class Frame {
  readonly #pieces: Uint8Array[] = []
  #length = 0
  #lengthBytes = 0
  #known = false
  #held = 0
  #beyond = false

  /** Something came behind the end of the message */
  get beyond (): boolean {
    return this.#beyond
  }

  /** The message as soon as it is complete */
  push (chunk: Chunk): Uint8Array | undefined {
    for (const piece of chunk instanceof Uint8Array ? [chunk] : chunk) {
      this.#push(piece)
    }

    return this.#known && this.#held === this.#length ? this.#joined() : undefined
  }

  #push (piece: Uint8Array): void {
    let at = 0

    while (!this.#known && at < piece.byteLength) {
      this.#digit(piece[at++] as number)
    }

    if (at < piece.byteLength) {
      const wanted = Math.min(this.#length - this.#held, piece.byteLength - at)
      this.#beyond ||= wanted < piece.byteLength - at

      if (wanted > 0) {
        this.#pieces.push(piece.subarray(at, at + wanted))
        this.#held += wanted
      }
    }
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

  #joined (): Uint8Array {
    if (this.#pieces.length === 1) {
      return this.#pieces[0] as Uint8Array
    }

    const result = new Uint8Array(this.#length)
    let at = 0

    for (const piece of this.#pieces) {
      result.set(piece, at)
      at += piece.byteLength
    }
    return result
  }
}
