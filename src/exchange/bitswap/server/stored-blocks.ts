import { raceSignal } from '../../../clock/race-signal.ts'
import type { LocalStore } from '../../../interface/cache.ts'
import type { Clock } from '../../../interface/clock.ts'
import type { CID } from 'multiformats/cid'

/** What the store holds under this CID cannot be served */
export class UnservableBlockError extends Error {
  static override name = 'UnservableBlockError'
  override name = 'UnservableBlockError'
}

/** The raw store, asked within a time; what it answers at once is returned at once */
export class StoredBlocks {
  readonly #store: LocalStore
  readonly #clock: Clock
  readonly #timeout: number
  readonly #signal: AbortSignal

  constructor (store: LocalStore, clock: Clock, timeout: number, signal: AbortSignal) {
    this.#store = store
    this.#clock = clock
    this.#timeout = timeout
    this.#signal = signal
  }

  has (cid: CID): boolean | Promise<boolean> {
    const answer = this.#store.has(cid, { signal: this.#signal })
    return typeof answer === 'boolean' ? answer : this.#within(answer)
  }

  /** Throws or rejects when the block is not here, is larger than `limit`, or cannot be read in time */
  read (cid: CID, limit: number): Uint8Array | Promise<Uint8Array> {
    const chunks = this.#store.get(cid, { signal: this.#signal })

    if (Symbol.iterator in chunks) {
      return joined([...chunks], limit)
    }

    return this.#within(gather(chunks, limit))
  }

  async #within<T> (work: Promise<T>): Promise<T> {
    const cancel = { timer: () => {} }
    const late = new Promise<never>((_resolve, reject) => {
      cancel.timer = this.#clock.schedule(this.#timeout, () => {
        reject(new UnservableBlockError(`the store did not answer within ${this.#timeout} ms`))
      })
    })

    try {
      return await Promise.race([raceSignal(work, this.#signal), late])
    } finally {
      cancel.timer()
    }
  }
}

async function gather (chunks: AsyncIterable<Uint8Array>, limit: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  let size = 0

  for await (const chunk of chunks) {
    size += chunk.byteLength
    parts.push(chunk)

    if (size > limit) {
      break
    }
  }

  return joined(parts, limit)
}

function joined (parts: readonly Uint8Array[], limit: number): Uint8Array {
  const size = parts.reduce((sum, part) => sum + part.byteLength, 0)

  if (size > limit) {
    throw new UnservableBlockError(`the block is larger than the ${limit} bytes that may be served`)
  }

  if (parts.length === 1) {
    return parts[0] as Uint8Array
  }

  const bytes = new Uint8Array(size)
  let offset = 0

  for (const part of parts) {
    bytes.set(part, offset)
    offset += part.byteLength
  }

  return bytes
}
