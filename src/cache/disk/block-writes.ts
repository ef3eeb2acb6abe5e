import { COPY_BELOW, MAX_MULTIHASH_BYTES, blockHead, blockRecord, headerBytes, headlessRecord, recordBytes, writeBlockRecord } from './record.ts'
import { KEY_BYTES } from './block-key.ts'
import { RecordBuffers } from './record-buffers.ts'
import type { CacheKind } from '../../interface/cache.ts'
import type { BegunWrite, DiskTier, GatheredWrites } from './disk-tier.ts'
import type { Placed } from './log-entries.ts'
import type { Notes } from './notes.ts'
import type { OpenedStore } from './opened-store.ts'
import type { RecordPlace } from './record.ts'
import type { Segment } from './segment.ts'

interface GatheredBlock {
  readonly multihash: Uint8Array
  /** As the index computes it */
  readonly hash: number
  /** Where its record begins among the others */
  readonly at: number
  readonly length: number
  readonly kind: CacheKind
}

/** The ways in which a block comes into the log, and from there into the index */
export class BlockWrites implements Pick<DiskTier, 'write' | 'begin' | 'writeNow' | 'gather' | 'flush'> {
  readonly #store: OpenedStore
  readonly #notes: Notes
  /** What `writeNow` hands over: the system has copied it when that returns */
  #record = Buffer.alloc(0)
  readonly #buffers = new RecordBuffers()
  #gathered: GatheredBlock[] = []
  readonly #onGathered: (writes: GatheredWrites) => void

  constructor (store: OpenedStore, notes: Notes, onGathered: (writes: GatheredWrites) => void) {
    this.#store = store
    this.#notes = notes
    this.#onGathered = onGathered
    store.log.onGathered = (segment, offset) => { this.#landed(segment, offset) }
  }

  async write (multihash: Uint8Array, bytes: Uint8Array, kind: CacheKind): Promise<number> {
    const { log, nonce, reserve } = this.#store

    if (!isKept(multihash)) {
      throw new RangeError(`A multihash has 1 to ${MAX_MULTIHASH_BYTES} bytes, got ${multihash.byteLength}`)
    }
    // before anything is waited for: the array may be filled again
    const length = bytes.byteLength
    const buffer = length < COPY_BELOW ? this.#buffers.lend(recordBytes(multihash.byteLength, length)) : undefined
    const record = blockRecord(nonce, multihash, bytes, kind, buffer)

    try {
      if (reserve.size === 0) {
        await reserve.restore()
      }
      return await this.#write(multihash, length, kind, async placed => log.append(record, placed))
    } finally {
      this.#buffers.giveBack(buffer)
    }
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
    writeBlockRecord(this.#record, 0, nonce, multihash, bytes, kind)
    log.appendNow(this.#record, (segment, offset) => {
      written = blocks.add(multihash, segment, offset, bytes.byteLength, kind)
      index.setChecked(written)
    })
    if (written !== -1 && kind === 'authored') {
      segments.syncSoon()
    }
    return written
  }

  gather (multihash: Uint8Array, bytes: Uint8Array, kind: CacheKind): boolean {
    const { log, index, nonce, reserve } = this.#store

    if (reserve.size === 0 || multihash.byteLength === 0 || multihash.byteLength > KEY_BYTES) {
      return false
    }
    const hash = index.hashOf(multihash)
    if (index.findHashed(hash, multihash) !== -1 || this.#gathered.some(each => each.hash === hash)) {
      return false
    }
    const length = bytes.byteLength
    const at = log.gather(recordBytes(multihash.byteLength, length))

    if (at === -1) {
      return false
    }
    writeBlockRecord(log.gathering, at, nonce, multihash, bytes, kind)
    this.#gathered.push({ multihash, hash, at, length, kind })
    return true
  }

  flush (): void {
    this.#store.log.flush()
  }

  #landed (segment?: Segment, offset = 0): void {
    const { log, blocks, index, segments } = this.#store
    const gathered = this.#gathered
    this.#gathered = []

    if (segment == null) {
      this.#onGathered({ left: gathered.map(({ multihash, at, length }) => payloadOf(log.gathering, at, multihash, length)) })
      return
    }
    const slots = gathered.map(({ hash, multihash, at, length, kind }) => {
      const slot = blocks.addHashed(hash, multihash, segment, offset + at, length, kind)
      index.setChecked(slot)
      return slot
    })
    if (gathered.some(({ kind }) => kind === 'authored')) {
      segments.syncSoon()
    }
    this.#onGathered({ slots })
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

/** A copy of the bytes of a block, from its record */
function payloadOf (records: Buffer, at: number, multihash: Uint8Array, length: number): Uint8Array {
  const begin = at + headerBytes(multihash.byteLength)
  return new Uint8Array(records.subarray(begin, begin + length))
}

function isKept (multihash: Uint8Array): boolean {
  return multihash.byteLength > 0 && multihash.byteLength <= MAX_MULTIHASH_BYTES
}
