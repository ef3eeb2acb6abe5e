import { blockKey } from '../block/key.ts'
import { FeedPlan } from './feed-plan.ts'
import type { Arrival, Place } from './feed-plan.ts'
import type { Block } from '../interface/fetcher.ts'
import type { BlockKey } from '../interface/provider.ts'

/** Bytes of the file between what has come and what may be waited for: the largest window of a reader, and a quarter more */
export const MAX_AHEAD = 20_971_520

/** Blocks remembered as sought elsewhere: more than all readers of a stream can have asked for ahead of it */
const MAX_ELSEWHERE = 4_096

/** The share of the window for blocks that somebody took already: whoever reads right behind, or looked a moment before, takes them too */
const KEPT_SHARE = 0.25

interface Waiter {
  /** Where in the file the block begins, as far as anybody knows */
  readonly at: number
  settle (bytes: Uint8Array | undefined): void
}

export interface FeedBufferInit {
  readonly root: BlockKey
  /** First byte of the file that was asked for, and the last */
  readonly from?: number
  readonly to?: number
  /** The block that the reader lacked: the nodes that come before it are on the way to it and were read already */
  readonly first?: BlockKey
  /** A DAG, in which bytes have no place. @default false */
  readonly whole?: boolean
  /** Bytes that may wait for readers now */
  window (): number
  /** Blocks that may be kept track of now. @default 65_536 */
  maxKeys? (): number
}

/**
 * What a stream of a file has brought and what it will bring: blocks wait here
 * for their readers, readers for their blocks. Knows from the nodes that came
 * where in the file each block belongs, so nobody waits for what has been
 * passed or is far away. Synchronous; knows neither wire nor clock.
 */
export class FeedBuffer {
  readonly #init: FeedBufferInit
  readonly #from: number
  readonly #to: number
  readonly #plan: FeedPlan
  /** Came and not yet asked for */
  readonly #blocks = new Map<BlockKey, Uint8Array>()
  /** Taken a moment ago, oldest first */
  readonly #kept = new Map<BlockKey, Uint8Array>()
  readonly #waiters = new Map<BlockKey, Set<Waiter>>()
  /** To come, and sought elsewhere meanwhile: nobody will ask for them */
  readonly #elsewhere = new Set<BlockKey>()
  /** Before this byte everything has come that will */
  #position: number
  #passed = false
  #onTheWay: boolean
  #bytes = 0
  #keptBytes = 0
  #taken = 0
  #ended = false
  /** There is room again */
  onRoom: () => void = () => {}

  constructor (init: FeedBufferInit) {
    this.#init = init
    this.#from = init.from ?? 0
    this.#to = init.to ?? Infinity
    this.#position = this.#from
    this.#onTheWay = init.first != null && init.first !== init.root
    this.#plan = new FeedPlan(init.root, this.#from, this.#to, init.maxKeys, init.whole)
  }

  /** Bytes that came and that nobody has asked for yet */
  get bytes (): number {
    return this.#bytes
  }

  /** Blocks that came */
  get count (): number {
    return this.#plan.count
  }

  /** Times that a block was given to somebody */
  get taken (): number {
    return this.#taken
  }

  /** How far into the file it has come */
  get position (): number {
    return this.#position
  }

  get hasRoom (): boolean {
    return this.#bytes < this.#init.window()
  }

  /** Nothing more of what was asked for is to come */
  get complete (): boolean {
    return this.#plan.complete
  }

  /** The first block that somebody waits for */
  get front (): { readonly key: BlockKey, readonly at: number } | undefined {
    let front: { key: BlockKey, at: number } | undefined

    for (const [key, waiters] of this.#waiters) {
      for (const { at } of waiters) {
        front = front == null || at < front.at ? { key, at } : front
      }
    }

    return front
  }

  /** Before the hash: is this a block that may come now? */
  judge (block: Block): Arrival {
    return this.#plan.judge(block)
  }

  /** A block that was judged `wanted`, now verified: its links may come next */
  add (block: Block): void {
    const key = blockKey(block.cid)
    const { place, leaf } = this.#plan.arrive(block)
    this.#onTheWay &&= !leaf && key !== this.#init.first

    const waiters = this.#take(key)
    const elsewhere = this.#elsewhere.delete(key)

    if (waiters.length > 0) {
      this.#taken += waiters.length
      waiters.forEach(waiter => { waiter.settle(block.bytes) })
    }

    if (waiters.length > 0 || elsewhere || this.#onTheWay) {
      this.#keep(key, block.bytes)
    } else {
      this.#blocks.set(key, block.bytes)
      this.#bytes += block.bytes.byteLength
    }

    if (leaf) {
      this.#pass(place)
    }

    if (!this.hasRoom) {
      // those who wait here ask for what is further away than what may wait
      this.#release(() => true)
    }
  }

  /**
   * The block, when it came or will come; undefined when it has to be sought elsewhere, now or as soon as that is known
   *
   * @param at where in the file it begins, if the reader knows: it may come although nothing that came links to it yet
   */
  wait (key: BlockKey, at?: number, signal?: AbortSignal): Promise<Uint8Array | undefined> | undefined {
    const bytes = this.#blocks.get(key)

    if (bytes != null) {
      this.#blocks.delete(key)
      this.#bytes -= bytes.byteLength
      this.#taken++
      this.#keep(key, bytes)
      this.onRoom()
      return Promise.resolve(bytes)
    }

    const kept = this.#kept.get(key)

    if (kept != null) {
      this.#taken++
      return Promise.resolve(kept)
    }

    const place = this.#plan.begin(key) ?? (this.#plan.has(key) || (at ?? 0) < this.#from ? undefined : at)
    return place == null || this.#ended || !this.hasRoom || !this.reaches(place) ? undefined : this.#queue(key, place, signal)
  }

  /** It came, and can be taken */
  has (key: BlockKey): boolean {
    return this.#blocks.has(key) || this.#kept.has(key)
  }

  /** Is this byte of the file still to come, and soon? */
  reaches (at: number): boolean {
    // before the first leaf comes the way to it
    return at <= this.#to && (at >= this.#position || !this.#passed) && at - this.#position <= MAX_AHEAD
  }

  /** Bytes of the file that come before this block has, it included */
  distance (key: BlockKey, size: number): number {
    const [waiter] = this.#waiters.get(key) ?? []
    return Math.max(0, (waiter?.at ?? this.#position) - this.#position) + size
  }

  /** Somebody else brought it */
  skip (key: BlockKey): void {
    const bytes = this.#blocks.get(key)

    if (bytes != null) {
      this.#blocks.delete(key)
      this.#bytes -= bytes.byteLength
      this.onRoom()
    } else if (!this.#plan.has(key)) {
      this.#seekElsewhere(key)
    }
  }

  /** Nothing more will come: whoever waits seeks elsewhere; what came stays to be taken */
  end (): void {
    this.#ended = true
    this.#release(() => true)
    this.#elsewhere.clear()
  }

  clear (): void {
    this.end()
    this.#blocks.clear()
    this.#kept.clear()
    this.#bytes = 0
    this.#keptBytes = 0
  }

  #queue (key: BlockKey, at: number, signal?: AbortSignal): Promise<Uint8Array | undefined> {
    this.#elsewhere.delete(key)

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
        at,
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

  /** A leaf came: what was to come before it will not */
  #pass ({ from, to }: Place): void {
    this.#passed = true
    this.#position = Math.max(this.#position, Math.min(Number.isFinite(to) ? to : from, this.#to + 1))
    this.#release(({ at }) => at < from)
  }

  #release (which: (waiter: Waiter) => boolean): void {
    for (const [key, waiters] of [...this.#waiters]) {
      if ([...waiters].some(which)) {
        this.#take(key).forEach(waiter => { waiter.settle(undefined) })
        this.#seekElsewhere(key)
      }
    }
  }

  #seekElsewhere (key: BlockKey): void {
    if (this.#elsewhere.size < MAX_ELSEWHERE) {
      this.#elsewhere.add(key)
    }
  }

  #keep (key: BlockKey, bytes: Uint8Array): void {
    this.#kept.set(key, bytes)
    this.#keptBytes += bytes.byteLength

    for (const [oldest, { byteLength }] of this.#kept) {
      if (this.#keptBytes <= KEPT_SHARE * this.#init.window()) {
        return
      }
      this.#kept.delete(oldest)
      this.#keptBytes -= byteLength
    }
  }

  #take (key: BlockKey): Waiter[] {
    const waiters = [...this.#waiters.get(key) ?? []]
    this.#waiters.delete(key)
    return waiters
  }
}
