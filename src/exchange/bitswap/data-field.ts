/** Memory given to a field on its word alone; what is longer grows with what arrives */
export const TRUSTED_ALLOCATION = 4_096

/** The same of a block that was asked for: most blocks are no longer than this */
export const WANTED_ALLOCATION = 262_144
/** A block that has come so far is probably meant: a longer one is moved once, not twice */
const BLOCK_GROWTH = 4

/** One field of bytes, in whatever pieces it comes */
export class DataField {
  readonly #length: number
  readonly #own: boolean
  #at = 0
  #bytes: Uint8Array | undefined

  /**
   * @param allowance - bytes that may be allocated at once; without it, nothing is kept
   * @param own - whether its bytes must be memory of their own
   */
  constructor (length: number, allowance: number | undefined, own: boolean) {
    this.#length = length
    this.#own = own
    this.#bytes = allowance == null ? undefined : new Uint8Array(Math.min(length, allowance))
  }

  /** Bytes that are still to come */
  get left (): number {
    return this.#length - this.#at
  }

  /** Bytes of memory taken for it */
  get held (): number {
    return this.#bytes?.byteLength ?? 0
  }

  /** All of it, once nothing is left; undefined when it is skipped */
  get bytes (): Uint8Array | undefined {
    return this.#bytes
  }

  /** Forgets what came, and skips the rest; returns how many bytes that is */
  drop (): number {
    this.#bytes = undefined
    return this.left
  }

  /** Takes what is there of it; returns how many bytes those were */
  take (chunk: Uint8Array, offset: number, end: number): number {
    const length = Math.min(this.left, end - offset)
    const at = this.#at
    this.#at += length

    if (this.#bytes == null) {
      return length
    }

    const piece = length === chunk.byteLength ? chunk : chunk.subarray(offset, offset + length)

    if (!this.#own && length === this.#length) {
      this.#bytes = piece
      return length
    }

    if (this.#at > this.#bytes.byteLength) {
      const larger = new Uint8Array(Math.min(this.#length, (this.#own ? BLOCK_GROWTH : 2) * this.#at))
      larger.set(this.#bytes.subarray(0, at))
      this.#bytes = larger
    }

    this.#bytes.set(piece, at)
    return length
  }
}
