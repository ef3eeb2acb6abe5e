import { UnixFSError } from '../interface/errors.ts'
import type { BlockLoader } from '../interface/unixfs.ts'
import type { CID } from 'multiformats/cid'

/**
 * Nodes that may wait to be visited. The widest honest node has about 55 000
 * links (2 MiB of links of 38 bytes), and honest DAGs have few wide levels;
 * at some 300 bytes each this stays below 100 MB for a hostile one.
 */
const MAX_PENDING = 262_144

/** A block to be loaded */
export interface Branch {
  readonly cid: CID
  /** The expected size of the block, if its parent tells: passed on to the loader */
  readonly size?: number
  /** What the block will take of the window, in bytes: it is not loaded before there is room for that */
  readonly cost: number
  /**
   * What all that is behind it will take. Until the block is open that much is
   * reserved, so that an inner node does not let its siblings, and theirs, load
   * before its own leaves.
   */
  readonly reach: number
}

/** What a block turns out to hold: more blocks, or values with what they take of the window until they are read */
export type Step<B extends Branch, T> =
  | { readonly branch: B }
  | { readonly value: T, readonly bytes: number, readonly blocks: number }

export interface OrderedWalkInit<B extends Branch, T> {
  root: B
  load: BlockLoader
  open (branch: B, block: Uint8Array): Iterable<Step<B, T>>
  /** Bytes in flight and waiting to be read */
  windowBytes: number
  /** Blocks in flight and waiting to be read */
  windowBlocks: number
  signal: AbortSignal
}

type Item<B extends Branch, T> =
  | { readonly state: 'waiting', readonly branch: B }
  | { readonly state: 'loading' }
  | { readonly state: 'opened' }
  | { readonly state: 'ready', readonly value: T, readonly bytes: number, readonly blocks: number }
  | { readonly state: 'failed', readonly error: unknown }

/** One place in the output: a list, since an opened block is replaced by what it holds */
interface Segment<B extends Branch, T> {
  item: Item<B, T>
  next?: Segment<B, T>
}

/**
 * Walks a DAG depth first and yields what its blocks hold, in order. Blocks are
 * loaded ahead of the reader as far as the window reaches, and no further: the
 * block at the front is the only one that may exceed it.
 */
export async function * orderedWalk<B extends Branch, T> (init: OrderedWalkInit<B, T>): AsyncGenerator<T, void, undefined> {
  const { signal } = init
  const ahead = new ReadAhead(init)
  const onAbort = (): void => { ahead.wake() }

  signal.addEventListener('abort', onAbort)

  try {
    while (true) {
      signal.throwIfAborted()
      ahead.fill()

      const item = ahead.front()

      if (item == null) {
        return
      } else if (item.state === 'failed') {
        throw item.error
      } else if (item.state === 'ready') {
        ahead.shift()
        ahead.fill()
        yield item.value
      } else if (item.state === 'opened') {
        ahead.shift()
      } else {
        await ahead.changed()
      }
    }
  } finally {
    signal.removeEventListener('abort', onAbort)
    ahead.stop()
  }
}

class ReadAhead<B extends Branch, T> {
  readonly #init: OrderedWalkInit<B, T>
  #head?: Segment<B, T>
  /** No segment before this one is waiting */
  #cursor?: Segment<B, T>
  #segments = 1
  #bytes = 0
  #blocks = 0
  #wake?: () => void

  constructor (init: OrderedWalkInit<B, T>) {
    this.#init = init
    this.#head = { item: { state: 'waiting', branch: init.root } }
    this.#cursor = this.#head
  }

  front (): Item<B, T> | undefined {
    return this.#head?.item
  }

  shift (): void {
    const head = this.#head

    if (head == null) {
      return
    }

    if (head.item.state === 'ready') {
      this.#bytes -= head.item.bytes
      this.#blocks -= head.item.blocks
    }

    if (this.#cursor === head) {
      this.#cursor = head.next
    }

    this.#head = head.next
    this.#segments--
  }

  /** Starts loads, in order, until the window is full */
  fill (): void {
    while (this.#cursor != null) {
      const { item } = this.#cursor

      if (item.state === 'failed') {
        return
      }

      if (item.state === 'waiting') {
        const fits = this.#bytes + item.branch.cost <= this.#init.windowBytes && this.#blocks < this.#init.windowBlocks

        if (!fits && this.#cursor !== this.#head) {
          return
        }

        void this.#open(this.#cursor, item.branch)
      }

      this.#cursor = this.#cursor.next
    }
  }

  async changed (): Promise<void> {
    return new Promise(resolve => { this.#wake = resolve })
  }

  wake (): void {
    this.#wake?.()
    this.#wake = undefined
  }

  stop (): void {
    this.#head = undefined
    this.#cursor = undefined
  }

  async #open (segment: Segment<B, T>, branch: B): Promise<void> {
    segment.item = { state: 'loading' }
    this.#bytes += branch.reach
    this.#blocks++

    try {
      const block = await this.#init.load(branch.cid, { signal: this.#init.signal, size: branch.size })

      if (this.#head != null) {
        this.#replace(segment, this.#init.open(branch, block))
      }
    } catch (error) {
      segment.item = { state: 'failed', error }
    }

    this.#bytes -= branch.reach
    this.#blocks--
    // What was opened may wait anywhere behind the front
    this.#cursor = this.#head
    this.fill()
    this.wake()
  }

  #replace (segment: Segment<B, T>, steps: Iterable<Step<B, T>>): void {
    const before: Segment<B, T> = { item: { state: 'opened' } }
    let last = before
    let bytes = 0
    let blocks = 0
    let added = 0

    for (const step of steps) {
      if (++added + this.#segments > MAX_PENDING) {
        throw new UnixFSError('too-large', `More than ${MAX_PENDING} links are waiting to be read`)
      }

      if ('branch' in step) {
        last.next = { item: { state: 'waiting', branch: step.branch } }
      } else {
        last.next = { item: { state: 'ready', ...step } }
        bytes += step.bytes
        blocks += step.blocks
      }

      last = last.next
    }

    last.next = segment.next
    segment.item = before.item
    segment.next = before.next
    this.#segments += added
    this.#bytes += bytes
    this.#blocks += blocks
  }
}
