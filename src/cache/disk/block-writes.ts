import { MAX_MULTIHASH_BYTES, blockHead, blockRecord, headlessRecord, recordBytes, writeBlockRecord } from './record.ts'
import type { CacheKind } from '../../interface/cache.ts'
import type { Placed } from './append-log.ts'
import type { BegunWrite, DiskTier } from './disk-tier.ts'
import type { Notes } from './notes.ts'
import type { OpenedStore } from './opened-store.ts'
import type { RecordPlace } from './record.ts'

/** The ways in which a block comes into the log, and from there into the index */
export class BlockWrites implements Pick<DiskTier, 'write' | 'begin' | 'writeNow'> {
  readonly #store: OpenedStore
  readonly #notes: Notes
  /** What `writeNow` hands over: the system has copied it when that returns */
  #record = Buffer.alloc(0)

  constructor (store: OpenedStore, notes: Notes) {
    this.#store = store
    this.#notes = notes
  }

  async write (multihash: Uint8Array, bytes: Uint8Array, kind: CacheKind): Promise<number> {
    const { log, nonce, reserve } = this.#store

    if (!isKept(multihash)) {
      throw new RangeError(`A multihash has 1 to ${MAX_MULTIHASH_BYTES} bytes, got ${multihash.byteLength}`)
    }
    if (reserve.size === 0) {
      await reserve.restore()
    }
    return this.#write(multihash, bytes.byteLength, kind, async placed => log.append(blockRecord(nonce, multihash, bytes, kind), placed))
  }

  begin (multihash: Uint8Array, bytes: Uint8Array, kind: CacheKind): BegunWrite | undefined {
    const { log, index, nonce, reserve } = this.#store

    if (reserve.size === 0 || !isKept(multihash) || index.find(multihash) !== -1) {
      return undefined
    }
    const begun = log.begin(headlessRecord(multihash.byteLength, bytes))
    return begun == null
      ? undefined
      : {
          finish: async () => this.#write(multihash, bytes.byteLength, kind, async placed => begun.finish(blockHead(nonce, multihash, bytes, kind), placed)),
          drop: async () => begun.drop()
        }
  }

  writeNow (multihash: Uint8Array, bytes: Uint8Array, kind: CacheKind): number {
    const { log, blocks, index, nonce, reserve, segments } = this.#store
    const length = recordBytes(multihash.byteLength, bytes.byteLength)
    let written = -1

    if (reserve.size === 0 || !log.isPrompt(length) || !isKept(multihash) || index.find(multihash) !== -1) {
      return written
    }
    if (this.#record.byteLength !== length) {
      // most are as long as the one before; a view of what there is costs less than a buffer
      this.#record = this.#record.buffer.byteLength < length ? Buffer.allocUnsafeSlow(length) : Buffer.from(this.#record.buffer, 0, length)
    }
    log.appendNow(writeBlockRecord(this.#record, nonce, multihash, bytes, kind), (segment, offset) => {
      written = blocks.add(multihash, segment, offset, bytes.byteLength, kind)
      index.setChecked(written)
    })
    if (written !== -1 && kind === 'authored') {
      segments.syncSoon()
    }
    return written
  }

  async #write (multihash: Uint8Array, length: number, kind: CacheKind, write: (placed: Placed) => Promise<void>): Promise<number> {
    const { blocks, index, segments, logger } = this.#store
    const notes = this.#notes
    let written = -1
    let replaced: RecordPlace[] = []

    await write((segment, offset) => {
      const old = index.find(multihash)
      if (old !== -1) {
        replaced = notes.detach([old])
      }
      written = blocks.add(multihash, segment, offset, length, kind)
      index.setChecked(written)
    })
    if (kind === 'authored') {
      segments.syncSoon()
    }
    if (replaced.length > 0) {
      await notes.removed(replaced)
    } else if (notes.owes) {
      // it works again, for all that is known; whoever removed those blocks was told that it did not
      notes.settle().catch((err: unknown) => { logger.trace('what was removed is not written down yet: %e', err) })
    }
    return written
  }
}

function isKept (multihash: Uint8Array): boolean {
  return multihash.byteLength > 0 && multihash.byteLength <= MAX_MULTIHASH_BYTES
}
