import { join } from 'node:path'
import { errorCode, writeWhole } from './files.ts'
import type { Logger } from '../../interface/logger.ts'
import type { CacheFiles } from './files.ts'

export const RESERVE = 'reserve'
/** The lock needs some 20 KB to be taken, a removal some 40 bytes */
const MIN_RESERVE_BYTES = 65_536
/** Segments with less than this alive can be given back on a full disk, and make room for the others */
const MAX_RESERVE_BYTES = 1_048_576
/** Of a segment */
const RESERVE_SHARE = 1 / 16

/**
 * Space that is given up when the disk is full: to take the lock, to write down
 * what was removed, to copy what is left of a segment. Without it a full disk could
 * never be emptied.
 */
export class Reserve {
  readonly #files: CacheFiles
  readonly #path: string
  readonly #log: Logger
  readonly #bytes: number
  #held = false
  #making?: Promise<void>
  /** Why there is none */
  #lack?: unknown

  constructor (files: CacheFiles, path: string, segmentBytes: number, log: Logger) {
    this.#bytes = Math.min(Math.max(Math.floor(segmentBytes * RESERVE_SHARE), MIN_RESERVE_BYTES), MAX_RESERVE_BYTES)
    this.#files = files
    this.#path = path
    this.#log = log
  }

  /** As it is now */
  get size (): number {
    return this.#held ? this.#bytes : 0
  }

  /** As it is as soon as there is room for it: that is kept free of everything else */
  get bytes (): number {
    return this.#bytes
  }

  /** As long as there is room for it */
  async make (): Promise<void> {
    this.#making ??= this.#make().finally(() => { this.#making = undefined })
    await this.#making
  }

  /** Before what does not make room: what was given up so that blocks can be removed is not for others */
  async restore (): Promise<void> {
    await this.make()
    if (!this.#held && isFull(this.#lack)) {
      throw this.#lack
    }
  }

  /**
   * For copying what is left of a segment. When that is more than half of what can be given up, nothing is: a copy that
   * is not finished gives back nothing, and then not even what was removed could be written down.
   */
  async lend (bytes: number): Promise<<T>(run: () => Promise<T>) => Promise<T>> {
    if (bytes <= this.#bytes / 2) {
      return async run => this.spend(run)
    }
    if (!this.#held) {
      await this.restore()
    }
    return async run => run()
  }

  async #make (): Promise<void> {
    this.#lack = undefined
    try {
      this.#held = (await this.#files.list(this.#path)).includes(RESERVE)
      if (!this.#held) {
        // bytes of no pattern, for file systems that keep none for zeros
        const bytes = Buffer.alloc(this.#bytes - this.#bytes % 4)
        for (let i = 0; i < bytes.byteLength; i += 4) {
          bytes.writeInt32LE(Math.imul(i, 0x9e3779b1), i)
        }
        await writeWhole(this.#files, this.#path, RESERVE, bytes)
        this.#held = true
      }
    } catch (err) {
      this.#lack = err
      this.#log.trace('no space is held in reserve: %e', err)
    }
  }

  /** Runs what needs a little space; once more without the reserve when there is none */
  async spend<T> (run: () => Promise<T>): Promise<T> {
    try {
      return await run()
    } catch (err) {
      if (!isFull(err)) {
        throw err
      }
      this.#held = false
      await this.#files.remove(join(this.#path, RESERVE))
      return run()
    }
  }
}

/** No room on the disk, or in what of it may be used */
export function isFull (err: unknown): boolean {
  const code = errorCode(err)
  return code === 'ENOSPC' || code === 'EDQUOT'
}
