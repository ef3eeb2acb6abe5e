import { BitswapMessageError } from './message-error.ts'
import { MessageParser } from './message-parser.ts'
import { MAX_MESSAGE_SIZE } from './message.ts'
import type { MessageEvents } from './message-events.ts'
import type { BitswapMessage } from './message.ts'

/** 28 bits say 256 MiB, 64 times what a message may have: whoever needs more bytes lies or is not speaking bitswap */
const MAX_LENGTH_BYTES = 4

/** Bytes as streams deliver them: whole, or as a list of pieces */
export type Chunk = Uint8Array | Iterable<Uint8Array>

export interface FrameReaderInit extends MessageEvents {
  /** Largest message accepted, in bytes. @default 4_194_304 */
  maxSize?: number
}

/**
 * Cuts a stream into messages. Refuses what is too long before a byte of it is
 * kept; a stream that it has thrown at is beyond repair.
 */
export class FrameReader {
  readonly #init: FrameReaderInit
  readonly #maxSize: number
  #length = 0
  #lengthBytes = 0
  #parser: MessageParser | undefined

  constructor (init: FrameReaderInit = {}) {
    this.#init = init
    this.#maxSize = init.maxSize ?? MAX_MESSAGE_SIZE
  }

  /** Something has begun and is not complete */
  get partial (): boolean {
    return this.#lengthBytes > 0 || this.#parser != null
  }

  /** Bytes in memory of what has begun, besides blocks that were accepted */
  get held (): number {
    return this.#parser?.held ?? 0
  }

  /** Forgets the accepted block that is being read; returns how many bytes of it are still to come */
  drop (): number {
    return this.#parser?.drop() ?? 0
  }

  /** Throws a `BitswapMessageError`. Messages without content are left out. */
  push (chunk: Chunk, onMessage: (message: BitswapMessage) => void): void {
    if (chunk instanceof Uint8Array) {
      this.#push(chunk, onMessage)
      return
    }

    for (const piece of chunk) {
      this.#push(piece, onMessage)
    }
  }

  /** The stream has ended: throws when that was in the middle of a message */
  end (): void {
    if (this.partial) {
      throw new BitswapMessageError('truncated', `The stream ends ${this.#parser == null ? 'in a length' : `${this.#parser.left} bytes before its message`}`)
    }
  }

  #push (chunk: Uint8Array, onMessage: (message: BitswapMessage) => void): void {
    let offset = 0

    while (offset < chunk.byteLength) {
      if (this.#parser == null) {
        this.#digit(chunk[offset++] ?? 0)
        continue
      }

      offset = this.#parser.push(chunk, offset)

      if (this.#parser.left === 0) {
        const message = this.#parser.finish()
        this.#parser = undefined
        onMessage(message)
      }
    }
  }

  #digit (byte: number): void {
    this.#length += (byte & 0x7f) * 2 ** (7 * this.#lengthBytes)
    this.#lengthBytes++

    if (byte >= 0x80) {
      if (this.#lengthBytes >= MAX_LENGTH_BYTES) {
        throw new BitswapMessageError('length', `The length of a message has more than ${MAX_LENGTH_BYTES} bytes`)
      }
      return
    }

    if (byte === 0 && this.#lengthBytes > 1) {
      throw new BitswapMessageError('length', 'The length of a message is written longer than it must be')
    }

    if (this.#length > this.#maxSize) {
      throw new BitswapMessageError('too-large', `A message of ${this.#length} bytes was announced, at most ${this.#maxSize} are accepted`)
    }

    this.#parser = this.#length === 0 ? undefined : new MessageParser(this.#length, this.#init)
    this.#length = 0
    this.#lengthBytes = 0
  }
}

/** Reads a message that is in memory whole, without its length. Throws a `BitswapMessageError`. */
export function decodeMessage (bytes: Uint8Array, events: MessageEvents = {}): BitswapMessage {
  if (bytes.byteLength > MAX_MESSAGE_SIZE) {
    throw new BitswapMessageError('too-large', `A message has ${bytes.byteLength} bytes, at most ${MAX_MESSAGE_SIZE} are accepted`)
  }

  const parser = new MessageParser(bytes.byteLength, events)
  parser.push(bytes, 0)
  return parser.finish()
}
