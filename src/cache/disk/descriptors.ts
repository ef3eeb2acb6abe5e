import { join } from 'node:path'
import { errorCode } from './files.ts'
import { segmentName } from './segment.ts'
import type { CacheFile, CacheFiles } from './files.ts'
import type { Segment } from './segment.ts'

/** Of the 1 024 that a process has by default, sockets and other stores want most */
const DEFAULT_MAX_DESCRIPTORS = 192

/** Open files of segments: as many as allowed, those read last, and always those in use */
export class Descriptors {
  readonly #files: CacheFiles
  readonly #directory: string
  readonly #max: number
  /** In the order they were opened: the oldest goes first */
  readonly #open = new Set<Segment>()
  readonly #closing = new Set<Promise<void>>()
  readonly #onProblem: (err: unknown) => void

  constructor (files: CacheFiles, directory: string, onProblem: (err: unknown) => void, max = DEFAULT_MAX_DESCRIPTORS) {
    this.#files = files
    this.#directory = directory
    this.#onProblem = onProblem
    this.#max = max
  }

  /**
   * The file of a segment, for a user who has counted himself in `segment.users`
   * before and says `leave` afterwards: until then it is neither closed nor unlinked.
   */
  async file (segment: Segment): Promise<CacheFile> {
    if (segment.file != null) {
      return segment.file
    }
    segment.opening ??= this.#openSegment(segment)
    return segment.opening
  }

  leave (segment: Segment): void {
    if (--segment.users === 0) {
      segment.onIdle?.()
      // of many that were read at once
      this.#trim()
    }
  }

  /** Hands over the file of a new segment */
  adopt (segment: Segment, file: CacheFile): void {
    segment.file = file
    this.#open.add(segment)
    this.#trim()
  }

  /** Runs what opens a file; when there are too many, once more with fewer */
  async relieved<T> (open: () => Promise<T>): Promise<T> {
    try {
      return await open()
    } catch (err) {
      const code = errorCode(err)
      if (code !== 'EMFILE' && code !== 'ENFILE') {
        throw err
      }
      await this.#closeIdle(0)
      return open()
    }
  }

  /** Closes the file of a segment that nobody uses */
  async close (segment: Segment): Promise<void> {
    const { file } = segment

    this.#open.delete(segment)
    segment.file = undefined
    if (file != null) {
      const closing = file.close().catch(this.#onProblem)
      this.#closing.add(closing)
      await closing
      this.#closing.delete(closing)
    }
  }

  async closeAll (): Promise<void> {
    await Promise.all([...this.#open].map(async segment => this.close(segment)))
    await Promise.all(this.#closing)
  }

  async #openSegment (segment: Segment): Promise<CacheFile> {
    try {
      const file = await this.relieved(async () => this.#files.open(join(this.#directory, segmentName(segment.id)), segment.sealed ? 'read' : 'edit'))
      this.adopt(segment, file)
      return file
    } finally {
      segment.opening = undefined
    }
  }

  #trim (): void {
    if (this.#open.size > this.#max) {
      void this.#closeIdle(this.#max)
    }
  }

  async #closeIdle (keep: number): Promise<void> {
    const closing: Array<Promise<void>> = []

    for (const segment of this.#open) {
      if (this.#open.size <= keep) {
        break
      }
      if (segment.users === 0) {
        closing.push(this.close(segment))
      }
    }
    // also those that somebody else has begun to close: they make room, too
    await Promise.all([...closing, ...this.#closing])
  }
}
