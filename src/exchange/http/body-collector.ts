/**
 * What may be allocated on the strength of a promise alone: a file's usual block of
 * 256 KiB with its UnixFS framing, so that it needs one buffer and one copy. Beyond
 * it a buffer is at most twice what has arrived, so a lying Content-Length costs the liar bytes.
 */
export const TRUSTED_ALLOCATION = 266_240

/** First buffer of a body that announced nothing: small answers fit, nothing is wasted on them */
const UNANNOUNCED_ALLOCATION = 4096

/** Why a body cannot be the block that was announced */
export class BodyLengthError extends Error {
  static override name = 'BodyLengthError'
  override name = 'BodyLengthError'
}

/**
 * Gathers a body into one buffer of its own: what it returns shares no memory
 * with the chunks, so a small block in a cache does not pin a socket's slab.
 */
export class BodyCollector {
  readonly #maxBytes: number
  readonly #announced?: number
  #buffer: Uint8Array<ArrayBuffer> = new Uint8Array(0)
  #length = 0

  /**
   * @param maxBytes the most that is accepted
   * @param announced the exact length, where one was announced
   */
  constructor (maxBytes: number, announced?: number) {
    this.#maxBytes = maxBytes
    this.#announced = announced
  }

  /** Bytes so far */
  get length (): number {
    return this.#length
  }

  /** Bytes allocated: never more than the larger of 260 KiB and twice what arrived */
  get allocated (): number {
    return this.#buffer.byteLength
  }

  /** Throws a BodyLengthError on the first byte too many */
  push (chunk: Uint8Array): void {
    const length = this.#length + chunk.byteLength

    if (this.#announced !== undefined && length > this.#announced) {
      throw new BodyLengthError(`a body longer than the ${this.#announced} bytes it announced`)
    }

    if (length > this.#maxBytes) {
      throw new BodyLengthError(`a body of more than the ${this.#maxBytes} bytes allowed`)
    }

    if (length > this.#buffer.byteLength) {
      this.#grow(length)
    }

    this.#buffer.set(chunk, this.#length)
    this.#length = length
  }

  /** The body's bytes. Throws a BodyLengthError when some are missing. */
  finish (): Uint8Array {
    if (this.#announced !== undefined && this.#length < this.#announced) {
      throw new BodyLengthError(`a truncated body: ${this.#length} of the ${this.#announced} bytes it announced`)
    }

    return this.#length === this.#buffer.byteLength ? this.#buffer : this.#buffer.slice(0, this.#length)
  }

  #grow (needed: number): void {
    const capacity = this.#announced === undefined
      ? Math.min(Math.max(UNANNOUNCED_ALLOCATION, needed * 2), this.#maxBytes)
      : Math.min(Math.max(TRUSTED_ALLOCATION, needed * 2), this.#announced)
    const buffer = new Uint8Array(capacity)
    buffer.set(this.#buffer.subarray(0, this.#length))
    this.#buffer = buffer
  }
}
