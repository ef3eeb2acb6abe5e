export interface QueuedWrite {
  readonly key: string
  readonly multihash: Uint8Array
  readonly bytes: Uint8Array
}

/** Hot blocks come by one at a time: this many at once are a burst that nobody would miss the end of */
const MAX_QUEUED = 256
/** In bytes; what a stalled server may keep of this process's memory */
const MAX_QUEUED_BYTES = 4_194_304

/** Blocks on their way out, in order, each once. Full: the newest is turned away. */
export class WriteQueue {
  readonly #writes = new Map<string, QueuedWrite>()
  #bytes = 0

  get size (): number {
    return this.#writes.size
  }

  get bytes (): number {
    return this.#bytes
  }

  /** @returns false when there is no room */
  add (write: QueuedWrite): boolean {
    if (this.#writes.has(write.key)) {
      return true
    }
    if (this.#writes.size >= MAX_QUEUED || this.#bytes + write.bytes.byteLength > MAX_QUEUED_BYTES) {
      return false
    }
    this.#writes.set(write.key, write)
    this.#bytes += write.bytes.byteLength
    return true
  }

  next (): QueuedWrite | undefined {
    const write = this.#writes.values().next().value
    if (write != null) {
      this.#writes.delete(write.key)
      this.#bytes -= write.bytes.byteLength
    }
    return write
  }

  /** @returns how many were dropped */
  clear (): number {
    const count = this.#writes.size
    this.#writes.clear()
    this.#bytes = 0
    return count
  }
}
