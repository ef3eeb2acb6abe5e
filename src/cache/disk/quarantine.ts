import { join } from 'node:path'
import { errorCode, writeWhole } from './files.ts'
import { notADirectory } from './store-format.ts'
import type { Logger } from '../../interface/logger.ts'
import type { CacheFiles } from './files.ts'

export const QUARANTINE = 'quarantine'
/** Enough to see what kind of damage it is */
const MAX_FILES = 64
const MAX_BYTES = 67_108_864
const NAME = /^(\d{10})-[0-9a-f]{1,64}\.bad$/

interface Kept {
  readonly name: string
  readonly size: number
}

/** Damaged bytes, aside, for whoever wants to look: the newest ones */
export class Quarantine {
  readonly #files: CacheFiles
  readonly #path: string
  readonly #log: Logger
  #kept: Kept[] = []
  #next = 0

  constructor (files: CacheFiles, path: string, log: Logger) {
    this.#files = files
    this.#path = join(path, QUARANTINE)
    this.#log = log
  }

  get size (): number {
    return this.#kept.reduce((sum, { size }) => sum + size, 0)
  }

  async open (): Promise<void> {
    let names: string[] = []
    try {
      names = await this.#files.list(this.#path)
      // which throws for a link, where others' files would be removed
      await this.#files.makeDirectory(this.#path)
    } catch (err) {
      if (errorCode(err) !== 'ENOENT') {
        throw errorCode(err) === 'ENOTDIR' ? notADirectory(this.#path, err) : err
      }
    }
    for (const name of names.sort()) {
      const match = NAME.exec(name)
      if (match != null) {
        this.#next = Number(match[1]) + 1
        this.#kept.push({ name, size: await this.#files.size(join(this.#path, name)) })
      }
    }
  }

  /** Keeps bytes aside if it can: they are of no use to the cache */
  async keep (multihash: Uint8Array, bytes: Uint8Array): Promise<void> {
    try {
      const name = `${String(this.#next++).padStart(10, '0')}-${Buffer.from(multihash).toString('hex').slice(0, 64)}.bad`

      await this.#files.makeDirectory(this.#path)
      while (this.#kept.length > 0 && (this.#kept.length >= MAX_FILES || this.size + bytes.byteLength > MAX_BYTES)) {
        await this.#files.remove(join(this.#path, (this.#kept.shift() as Kept).name))
      }
      if (bytes.byteLength <= MAX_BYTES) {
        await writeWhole(this.#files, this.#path, name, bytes)
        this.#kept.push({ name, size: bytes.byteLength })
      }
    } catch (err) {
      this.#log.error('damaged bytes are not kept aside: %e', err)
    }
  }
}
