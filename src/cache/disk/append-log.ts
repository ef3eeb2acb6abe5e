import { writeFully } from './files.ts'
import type { CacheFile } from './files.ts'
import type { Segment } from './segment.ts'

/** One call of the system: larger ones are no faster, and hold a thread of the pool for longer */
const MAX_BATCH_BYTES = 4_194_304
/** Of Linux and most others: IOV_MAX is 1 024 */
const MAX_BATCH_BUFFERS = 1_000

/** What is to be written as one piece */
interface Append {
  readonly buffers: readonly Uint8Array[]
  readonly bytes: number
  /** Called as soon as the operating system has it, in the order of the log */
  readonly placed: (segment: Segment, offset: number) => void
  readonly resolve: () => void
  readonly reject: (err: unknown) => void
}

export interface LogComponents {
  /** The segment to go on with, or a new one when `bytes` do not fit any more */
  active (bytes: number): Promise<{ segment: Segment, file: CacheFile }>
  /** Its tail is broken and cannot be cut off: never to be written to again */
  abandon (segment: Segment, why: unknown): void
}

/**
 * Writes one after the other. What comes while one is under way shares the next
 * call of the system, so that many small blocks cost few calls and nobody waits
 * for company.
 */
export class AppendLog {
  readonly #components: LogComponents
  #queue: Append[] = []
  #running?: Promise<void>

  constructor (components: LogComponents) {
    this.#components = components
  }

  /** Resolves when the operating system has it. A failure leaves no trace of it, and the log as it was */
  async append (buffers: readonly Uint8Array[], placed: Append['placed']): Promise<void> {
    const bytes = buffers.reduce((sum, buffer) => sum + buffer.byteLength, 0)

    return new Promise((resolve, reject) => {
      this.#queue.push({ buffers, bytes, placed, resolve, reject })
      this.#running ??= this.#run()
    })
  }

  /** Resolves when nothing is under way */
  async idle (): Promise<void> {
    while (this.#running != null) {
      await this.#running
    }
  }

  async #run (): Promise<void> {
    while (this.#queue.length > 0) {
      const first = this.#queue[0] as Append
      let target
      try {
        target = await this.#components.active(first.bytes)
      } catch (err) {
        // one by one: each may need less
        this.#queue.shift()
        first.reject(err)
        continue
      }
      const batch = this.#take(target.segment)
      await this.#write(batch, target.segment, target.file)
    }
    this.#running = undefined
  }

  #take (segment: Segment): Append[] {
    let bytes = 0
    let buffers = 0
    let count = 0

    for (const append of this.#queue) {
      bytes += append.bytes
      buffers += append.buffers.length
      if (count > 0 && (bytes > MAX_BATCH_BYTES || buffers > MAX_BATCH_BUFFERS || !this.#fits(segment, bytes))) {
        break
      }
      count++
    }
    return this.#queue.splice(0, count)
  }

  #fits (segment: Segment, bytes: number): boolean {
    return segment.size + bytes <= segment.limit
  }

  async #write (batch: Append[], segment: Segment, file: CacheFile): Promise<void> {
    const progress = { written: 0 }
    let failure: unknown

    segment.synced = false
    try {
      await writeFully(file, batch.length === 1 ? (batch[0] as Append).buffers : batch.flatMap(({ buffers }) => buffers), segment.size, progress)
    } catch (err) {
      failure = err
    }
    let end = 0
    for (const append of batch) {
      end += append.bytes
      if (end > progress.written) {
        break
      }
      const offset = segment.size
      segment.size += append.bytes
      append.placed(segment, offset)
    }
    if (failure != null) {
      await this.#cutTail(segment, file)
    }
    end = 0
    for (const append of batch) {
      end += append.bytes
      if (end <= progress.written) {
        append.resolve()
      } else {
        append.reject(failure)
      }
    }
  }

  /** Half a record must not stay behind what is written next: a scan could find old ones in it that have been removed since */
  async #cutTail (segment: Segment, file: CacheFile): Promise<void> {
    try {
      await file.truncate(segment.size)
    } catch (err) {
      // the failure of the write itself is what the callers are told
      this.#components.abandon(segment, err)
    }
  }
}
