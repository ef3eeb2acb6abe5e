/** Chunks below this many bytes are gathered: each kept as it came costs a hundred bytes of its own */
const SMALL_CHUNK = 1_024
const GATHERED = 16_384

/** Takes a stream of chunks apart where its reader wants it: holds what has arrived and no more */
export class ChunkQueue {
  readonly #source: AsyncIterator<Uint8Array>
  /** Whole chunks, the first of them from `#from` on */
  #chunks: Uint8Array[] = []
  #from = 0
  #length = 0
  #ended = false
  /** Where small chunks are gathered, and how much of it is used; its used part ends the last chunk */
  #gathering?: { buffer: Uint8Array, used: number }

  constructor (source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]()
  }

  /** Bytes that have arrived and were not taken */
  get length (): number {
    return this.#length
  }

  /** Waits until so many bytes have arrived; false when the source ends before */
  async fill (length: number): Promise<boolean> {
    while (this.#length < length) {
      if (this.#ended) {
        return false
      }

      const next = await this.#source.next()

      if (next.done === true) {
        this.#ended = true
        return false
      }

      this.#push(next.value)
    }

    return true
  }

  /** The next byte of those that have arrived */
  byte (): number {
    const byte = this.#chunks[0]?.[this.#from]

    if (byte === undefined) {
      throw new RangeError('the queue is empty')
    }

    this.#drop(1)
    return byte
  }

  /** The next bytes of those that have arrived, copied once into memory of their own */
  take (length: number): Uint8Array {
    const bytes = new Uint8Array(length)
    let at = 0

    while (at < length) {
      const [first] = this.#chunks

      if (first == null) {
        throw new RangeError('the queue holds less than it counts')
      }

      const part = first.subarray(this.#from, this.#from + length - at)
      bytes.set(part, at)
      at += part.byteLength
      this.#drop(part.byteLength)
    }

    return bytes
  }

  /** Ends the source */
  async close (): Promise<void> {
    this.#chunks = []
    this.#length = 0

    if (!this.#ended) {
      this.#ended = true
      await this.#source.return?.()
    }
  }

  #drop (count: number): void {
    this.#from += count
    this.#length -= count

    if (this.#from === this.#chunks[0]?.byteLength) {
      this.#chunks.shift()
      this.#from = 0
    }
  }

  #push (chunk: Uint8Array): void {
    this.#length += chunk.byteLength

    if (chunk.byteLength >= SMALL_CHUNK) {
      this.#gathering = undefined
      this.#chunks.push(chunk)
    } else if (chunk.byteLength > 0) {
      this.#gather(chunk)
    }
  }

  /** What stands alone between larger ones, as the head of a block does, gets no more than it needs */
  #gather (chunk: Uint8Array): void {
    const current = this.#gathering
    const used = (current?.used ?? 0) + chunk.byteLength

    if (current == null || this.#chunks.length === 0 || used > GATHERED) {
      const buffer = new Uint8Array(chunk)
      this.#gathering = { buffer, used: buffer.byteLength }
      this.#chunks.push(buffer)
      return
    }

    if (used > current.buffer.byteLength) {
      const { buffer } = current
      current.buffer = new Uint8Array(GATHERED)
      current.buffer.set(buffer)
    }

    current.buffer.set(chunk, current.used)
    current.used = used
    this.#chunks[this.#chunks.length - 1] = current.buffer.subarray(0, used)
  }
}
