import { blockKey } from '../block/key.ts'
import { IDENTITY_CODE } from '../block/hashes.ts'
import { linksOf } from '../block/links.ts'
import type { Block } from '../interface/fetcher.ts'
import type { BlockKey } from '../interface/provider.ts'

/**
 * Keys of blocks that are still to come, and of those that came: 65 536 blocks
 * of 256 KiB are 16 GiB, more than one stream will survive; beyond it a new
 * stream goes on where this one ended.
 */
const MAX_KEYS = 65_536

/** Blocks sent again although none were asked for twice: a server whose memory is short may lose count of a few */
const MAX_DUPLICATES = 256

/** Bytes that duplicates may cost */
const MAX_DUPLICATE_BYTES = 16_777_216

/** What to make of a block that came */
export type Arrival = 'wanted' | 'duplicate' | 'too-many-duplicates' | 'foreign' | 'full'

interface Waiter {
  readonly signal?: AbortSignal
  settle (bytes: Uint8Array | undefined): void
}

/**
 * What a stream of a DAG has brought and what it will bring: blocks wait here
 * for their readers, readers for their blocks. Synchronous; knows neither wire
 * nor clock.
 */
export class FeedBuffer {
  readonly #window: number
  readonly #expected = new Set<BlockKey>()
  readonly #arrived = new Set<BlockKey>()
  /** Verified, not yet asked for */
  readonly #blocks = new Map<BlockKey, Uint8Array>()
  readonly #waiters = new Map<BlockKey, Set<Waiter>>()
  #bytes = 0
  #duplicates = 0
  #duplicateBytes = 0
  #ended = false
  /** There is room again */
  onRoom: () => void = () => {}

  /** @param window bytes that may wait for readers */
  constructor (root: BlockKey, window: number) {
    this.#window = window
    this.#expected.add(root)
  }

  /** Bytes that came and that nobody has asked for yet */
  get bytes (): number {
    return this.#bytes
  }

  /** Blocks that came */
  get count (): number {
    return this.#arrived.size
  }

  get hasRoom (): boolean {
    return this.#bytes < this.#window
  }

  /** Nothing more of the DAG is to come */
  get complete (): boolean {
    return this.#expected.size === 0
  }

  /** Before the hash: is this a block that may come now? */
  judge ({ cid, bytes }: Block): Arrival {
    const key = blockKey(cid)

    if (cid.multihash.code === IDENTITY_CODE) {
      return this.#duplicate(bytes)
    }

    if (this.#expected.has(key)) {
      return 'wanted'
    }

    if (!this.#arrived.has(key)) {
      return this.#expected.size + this.#arrived.size >= MAX_KEYS ? 'full' : 'foreign'
    }

    return this.#duplicate(bytes)
  }

  /** A block that was judged `wanted`, now verified: its links may come next */
  add (block: Block): void {
    const key = blockKey(block.cid)
    this.#expected.delete(key)
    this.#arrived.add(key)
    this.expect(block)

    const waiters = this.#take(key)

    if (waiters.length > 0) {
      waiters.forEach(waiter => { waiter.settle(block.bytes) })
    } else {
      this.#blocks.set(key, block.bytes)
      this.#bytes += block.bytes.byteLength
      if (!this.hasRoom) {
        // they ask for what is further away than what may wait here
        this.#release()
      }
    }
  }

  /** A block of the DAG that was read elsewhere: what it links to may come */
  expect ({ cid, bytes }: Block): void {
    for (const { cid: child } of linksOf(cid, bytes)) {
      const key = blockKey(child)

      // an identity CID carries its block: whether a stream repeats it is the sender's choice
      if (child.multihash.code !== IDENTITY_CODE && !this.#arrived.has(key) && this.#expected.size + this.#arrived.size < MAX_KEYS) {
        this.#expected.add(key)
      }
    }
  }

  /** The block, when it came or will come; undefined when it has to be sought elsewhere, now or as soon as that is known */
  wait (key: BlockKey, signal?: AbortSignal): Promise<Uint8Array | undefined> | undefined {
    const bytes = this.#blocks.get(key)

    if (bytes != null) {
      this.#blocks.delete(key)
      this.#bytes -= bytes.byteLength
      this.onRoom()
      return Promise.resolve(bytes)
    }

    if (this.#ended || !this.hasRoom || !this.#expected.has(key)) {
      return undefined
    }

    return new Promise(resolve => {
      const waiters = this.#waiters.get(key) ?? new Set()
      const leave = (): void => {
        waiters.delete(waiter)
        if (waiters.size === 0 && this.#waiters.get(key) === waiters) {
          this.#waiters.delete(key)
        }
        waiter.settle(undefined)
      }
      const waiter: Waiter = {
        signal,
        settle: bytes => {
          signal?.removeEventListener('abort', leave)
          resolve(bytes)
        }
      }
      waiters.add(waiter)
      this.#waiters.set(key, waiters)
      signal?.addEventListener('abort', leave, { once: true })
      if (signal?.aborted === true) {
        leave()
      }
    })
  }

  /** Nothing more will come: whoever waits seeks elsewhere; what came stays to be taken */
  end (): void {
    this.#ended = true
    this.#release()
  }

  clear (): void {
    this.end()
    this.#blocks.clear()
    this.#bytes = 0
  }

  #duplicate (bytes: Uint8Array): Arrival {
    this.#duplicateBytes += bytes.byteLength
    return ++this.#duplicates > MAX_DUPLICATES || this.#duplicateBytes > MAX_DUPLICATE_BYTES ? 'too-many-duplicates' : 'duplicate'
  }

  #release (): void {
    for (const key of [...this.#waiters.keys()]) {
      this.#take(key).forEach(waiter => { waiter.settle(undefined) })
    }
  }

  #take (key: BlockKey): Waiter[] {
    const waiters = [...this.#waiters.get(key) ?? []]
    this.#waiters.delete(key)
    return waiters
  }
}
