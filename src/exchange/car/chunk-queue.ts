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
  #gathering?: { readonly buffer: Uint8Array, used: number }

  constructor (source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]()
  }

  /** Bytes that have arrived and were not taken */
  get length (): number {
    return this.#length
  }

  /** The next byte; undefined at the end */
  async byte (): Promise<number | undefined> {
    if (this.#length === 0 && !await this.#fill(1)) {
      return undefined
    }

    const [first] = this.#chunks
    const byte = first?.[this.#from]
    this.#drop(1)
    return byte
  }

  /** The next bytes, copied once into memory of their own; undefined when the source ends before them */
  async take (length: number): Promise<Uint8Array | undefined> {
    if (this.#length < length && !await this.#fill(length)) {
      return undefined
    }

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

  async #fill (length: number): Promise<boolean> {
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

  #push (chunk: Uint8Array): void {
    this.#length += chunk.byteLength

    if (chunk.byteLength >= SMALL_CHUNK) {
      this.#gathering = undefined
      this.#chunks.push(chunk)
    } else if (chunk.byteLength > 0) {
      this.#gather(chunk)
    }
  }

  #gather (chunk: Uint8Array): void {
    const current = this.#gathering
    const last = this.#chunks.at(-1)

    if (current != null && last != null && current.used + chunk.byteLength <= GATHERED) {
      current.buffer.set(chunk, current.used)
      current.used += chunk.byteLength
      this.#chunks[this.#chunks.length - 1] = current.buffer.subarray(last.byteOffset, current.used)
    } else {
      const buffer = new Uint8Array(GATHERED)
      buffer.set(chunk)
      this.#gathering = { buffer, used: chunk.byteLength }
      this.#chunks.push(buffer.subarray(0, chunk.byteLength))
    }
  }
}
