import { ReadAhead } from './read-ahead.ts'
import type { ReadAccount } from '../block/read-budget.ts'
import type { ReadWindow } from '../block/read-window.ts'
import type { BlockLoader } from '../interface/unixfs.ts'
import type { WantedPart } from '../interface/routing.ts'
import type { CID } from 'multiformats/cid'

/** A block to be loaded */
export interface Branch {
  readonly cid: CID
  /** The expected size of the block, if its parent tells: passed on to the loader */
  readonly size?: number
  /** What of the whole is wanted from here on: passed on to the loader */
  readonly part?: WantedPart
  /** What the block will take of the window, in bytes: it is not loaded before there is room for that */
  readonly cost: number
  /**
   * What all that is behind it will take. Until the block is open that much is
   * reserved, so that an inner node does not let its siblings, and theirs, load
   * before its own leaves.
   */
  readonly reach: number
}

/** A value, and what it takes of the window until it is read */
export interface Value<T> {
  readonly value: T
  readonly bytes: number
  readonly blocks: number
}

/** What follows in a node: one more block, or a value */
export type Step<B extends Branch, T> = { readonly branch: B } | Value<T>

/** What a block turns out to hold */
export interface Opened<B extends Branch, T> {
  /** Comes first, and is in memory already */
  readonly own?: Value<T>
  /** Taken one by one, as the window has room */
  readonly steps?: Iterable<Step<B, T>>
  /** Bytes that `steps` keeps in memory until it has ended */
  readonly held?: number
  /** What `steps` take of the window while the reader has not come to this node yet; values are paid from it. @default 0 */
  readonly ahead?: number
}

export interface OrderedWalkInit<B extends Branch, T> {
  root: B
  load: BlockLoader
  open (branch: B, block: Uint8Array): Opened<B, T>
  /** Bytes in flight and waiting to be read */
  window: ReadWindow
  /** Blocks in flight and waiting to be read */
  windowBlocks: number
  /** Where every byte in flight or in memory is counted */
  account: ReadAccount
  /** Bytes of links that open nodes may hold: more is `too-large` */
  maxHeld: number
  /** The part of it that nodes ahead of the reader may fill; beyond it they are put back until it is their turn */
  maxHeldAhead: number
  signal: AbortSignal
}

/**
 * Walks a DAG depth first and yields what its blocks hold, in order. Blocks are
 * loaded ahead of the reader as far as the window reaches, and no further: only
 * the block at the front may exceed it, and one whose `cost` was less than its
 * size. What lies beyond the window are links in the nodes that hold them, and
 * nothing else.
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
        ahead.goesOn()
      } else {
        await ahead.changed()
      }
    }
  } finally {
    signal.removeEventListener('abort', onAbort)
    ahead.stop()
  }
}
