import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { readWhole, writeWhole } from './files.ts'
import type { CacheFiles } from './files.ts'

export const VALUES = 'values'
const CHECK_BYTES = 4
/** What a policy learnt about millions of blocks is a few MiB */
const MAX_VALUE_BYTES = 67_108_864
const NAME = /^[a-z0-9][a-z0-9-]{0,63}$/

/** Small values in files of their own, whole or not there */
export class Values {
  readonly #files: CacheFiles
  readonly #directory: string
  /** Of values that were saved or loaded: bytes by name */
  readonly #sizes = new Map<string, number>()
  #saving: Promise<void> = Promise.resolve()
  /** Bytes of what is being saved: the old value is there until the new one is whole */
  #coming = 0

  constructor (files: CacheFiles, path: string) {
    this.#files = files
    this.#directory = join(path, VALUES)
  }

  /** In bytes */
  get size (): number {
    let size = this.#coming
    for (const each of this.#sizes.values()) {
      size += each
    }
    return size
  }

  async open (): Promise<void> {
    await this.#files.makeDirectory(this.#directory)
    for (const name of await this.#files.list(this.#directory)) {
      this.#sizes.set(name, await this.#files.size(join(this.#directory, name)))
    }
  }

  /** Resolves when nothing is being saved */
  async idle (): Promise<void> {
    // whoever saved it has the error
    await this.#saving.catch(() => {})
  }

  async save (name: string, value: Uint8Array): Promise<void> {
    assertName(name)
    const bytes = Buffer.allocUnsafe(CHECK_BYTES + value.byteLength)
    bytes.writeUInt32LE(crc32(value), 0)
    bytes.set(value, CHECK_BYTES)

    // one after the other: they share the name of the half-made file; whoever saved the one before has its error
    const saving = this.#saving.catch(() => {}).then(async () => {
      this.#coming = bytes.byteLength
      try {
        await writeWhole(this.#files, this.#directory, name, bytes)
        this.#sizes.set(name, bytes.byteLength)
      } finally {
        this.#coming = 0
      }
    })
    this.#saving = saving
    return saving
  }

  /** Undefined when there is none, or none that is intact */
  async load (name: string): Promise<Uint8Array | undefined> {
    assertName(name)
    const bytes = await readWhole(this.#files, join(this.#directory, name), MAX_VALUE_BYTES)

    if (bytes == null || bytes.byteLength < CHECK_BYTES) {
      return undefined
    }
    const value = bytes.subarray(CHECK_BYTES)
    return Buffer.from(bytes.buffer, bytes.byteOffset, CHECK_BYTES).readUInt32LE(0) === crc32(value) ? value : undefined
  }
}

function assertName (name: string): void {
  if (!NAME.test(name)) {
    throw new RangeError(`A note is named by up to 64 of a-z, 0-9 and -, got ${JSON.stringify(name)}`)
  }
}
