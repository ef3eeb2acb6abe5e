import { blockKey } from '../block/key.ts'
import type { BlockKey } from '../interface/provider.ts'
import type { CID } from 'multiformats/cid'

/** Blocks remembered of one session: the directories of a path and the nodes on top of a file, which are what is read again */
const MAX_REMEMBERED = 256

/** The session that a read belongs to, and what was read in it lately */
export class SessionReads {
  readonly root: CID
  readonly id: string
  readonly #read = new Set<BlockKey>()
  /** Blocks that were not here */
  #missed = 0
  #missedRoot = false
  readonly #rootKey: BlockKey

  constructor (root: CID, id: string) {
    this.root = root
    this.id = id
    this.#rootKey = blockKey(root)
  }

  /**
   * A block was not here. True for the first one after the root: now all of the DAG
   * may come at once. Where the root was here more may be, and further on most has come.
   */
  missed (key: BlockKey): boolean {
    this.#missedRoot ||= key === this.#rootKey && this.#missed === 0
    return this.#missed++ === 1 && this.#missedRoot && key !== this.#rootKey
  }

  /**
   * Whether this block was asked for in this session already. Finding the way to
   * a file, telling its size and sending it take the same block; who counts hits counts one.
   */
  again (key: BlockKey): boolean {
    if (this.#read.has(key)) {
      return true
    }

    this.#read.add(key)

    if (this.#read.size > MAX_REMEMBERED) {
      const [oldest] = this.#read

      if (oldest != null) {
        this.#read.delete(oldest)
      }
    }

    return false
  }
}
