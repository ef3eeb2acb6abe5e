import { KEY_BYTES, writeKey } from './block-key.ts'
import type { CacheKind } from '../../interface/cache.ts'

/** Key, offset and length in the segment, kind, length of the multihash, and two zeros */
export const ENTRY_BYTES = KEY_BYTES + 12

export interface ListedBlock {
  /** A view */
  readonly key: Uint8Array
  readonly multihashBytes: number
  readonly offset: number
  readonly length: number
  readonly kind: CacheKind
}

/** Blocks of one segment, as a sidecar has them: 48 bytes each, where an object would be 300 */
export class BlockList {
  #bytes: Buffer<ArrayBufferLike>
  #count: number

  /** @param bytes - of entries; they are not checked, their container is */
  constructor (bytes: Buffer<ArrayBufferLike> = Buffer.alloc(0)) {
    this.#bytes = bytes
    this.#count = Math.floor(bytes.byteLength / ENTRY_BYTES)
  }

  get count (): number {
    return this.#count
  }

  push (multihash: Uint8Array, offset: number, length: number, kind: CacheKind): void {
    const at = this.#count * ENTRY_BYTES

    if (at + ENTRY_BYTES > this.#bytes.byteLength) {
      const larger = Buffer.alloc(Math.max(this.#bytes.byteLength * 2, 64 * ENTRY_BYTES))
      larger.set(this.#bytes)
      this.#bytes = larger
    }
    writeKey(this.#bytes.subarray(at, at + KEY_BYTES), multihash)
    writeEntry(this.#bytes, at, offset, length, kind, multihash.byteLength)
    this.#count++
  }

  at (i: number): ListedBlock {
    const at = i * ENTRY_BYTES

    return {
      key: this.#bytes.subarray(at, at + KEY_BYTES),
      offset: this.offset(i),
      length: this.length(i),
      kind: this.kind(i),
      multihashBytes: this.multihashBytes(i)
    }
  }

  /** One by one, for whoever goes through a million: an object and a view for each would be 300 MB of garbage */
  copyKey (i: number, target: Uint8Array): void {
    this.#bytes.copy(target, 0, i * ENTRY_BYTES, i * ENTRY_BYTES + KEY_BYTES)
  }

  offset (i: number): number {
    return this.#bytes.readUInt32LE(i * ENTRY_BYTES + KEY_BYTES)
  }

  length (i: number): number {
    return this.#bytes.readUInt32LE(i * ENTRY_BYTES + KEY_BYTES + 4)
  }

  kind (i: number): CacheKind {
    return this.#bytes[i * ENTRY_BYTES + KEY_BYTES + 8] === 1 ? 'authored' : 'fetched'
  }

  multihashBytes (i: number): number {
    return this.#bytes[i * ENTRY_BYTES + KEY_BYTES + 9] ?? 0
  }
}

/** All of an entry but for the key before it */
export function writeEntry (bytes: Buffer, at: number, offset: number, length: number, kind: CacheKind, multihashBytes: number): void {
  bytes.writeUInt32LE(offset, at + KEY_BYTES)
  bytes.writeUInt32LE(length, at + KEY_BYTES + 4)
  bytes[at + KEY_BYTES + 8] = kind === 'authored' ? 1 : 0
  bytes[at + KEY_BYTES + 9] = multihashBytes
}
