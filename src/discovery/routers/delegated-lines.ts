/** Characters of one record: a peer with 64 long addresses has 16 KiB */
export const MAX_LINE = 65_536

/** First buffer of a line that came in pieces: records of eight addresses have about 1 KiB */
const FIRST_BUFFER = 2_048

const NEWLINE = 0x0a

/**
 * Cuts a stream of bytes into lines, wherever its chunks end. A line that is too
 * long is passed over up to its end, and counted; what is held is never more than
 * one line of the allowed length.
 */
export class LineSplitter {
  readonly #max: number
  #buffer = new Uint8Array(0)
  #length = 0
  #skipping = false
  /** Lines that were too long */
  oversized = 0

  constructor (max: number = MAX_LINE) {
    this.#max = max
  }

  /** The lines that end in this chunk, without their ends. Each is valid until the next one is taken. */
  * push (chunk: Uint8Array): Generator<Uint8Array, void, undefined> {
    let start = 0

    while (start < chunk.byteLength) {
      const newline = chunk.indexOf(NEWLINE, start)
      const end = newline === -1 ? chunk.byteLength : newline
      const line = this.#take(chunk.subarray(start, end), newline !== -1)
      start = end + 1

      if (line != null) {
        yield line
      }
    }
  }

  /** What stands after the last line end; undefined where that is nothing */
  finish (): Uint8Array | undefined {
    const rest = this.#length === 0 ? undefined : this.#buffer.slice(0, this.#length)
    this.#length = 0
    this.#skipping = false
    return rest
  }

  #take (piece: Uint8Array, ends: boolean): Uint8Array | undefined {
    if (this.#skipping) {
      this.#skipping = !ends
      return undefined
    }

    if (this.#length + piece.byteLength > this.#max) {
      this.oversized++
      this.#length = 0
      this.#skipping = !ends
      return undefined
    }

    if (ends && this.#length === 0) {
      return piece
    }

    this.#append(piece)

    if (!ends) {
      return undefined
    }
    const line = this.#buffer.subarray(0, this.#length)
    this.#length = 0
    return line
  }

  #append (piece: Uint8Array): void {
    const length = this.#length + piece.byteLength

    if (length > this.#buffer.byteLength) {
      const grown = new Uint8Array(Math.min(this.#max, Math.max(FIRST_BUFFER, length * 2)))
      grown.set(this.#buffer.subarray(0, this.#length))
      this.#buffer = grown
    }

    this.#buffer.set(piece, this.#length)
    this.#length = length
  }
}
