import { CID } from 'multiformats/cid'
import { INITIAL_WINDOW } from '../block/read-window.ts'
import { UnixFSError } from '../interface/errors.ts'

/** Larger blocks cannot travel, so more than this tells nothing about a block */
const MAX_BEYOND = 0x7fff_ffff

/** A place in the file, and the block that has what follows */
export interface FileLink {
  readonly cid: CID
  /** Bytes of content before it, in this node */
  readonly from: number
  /** Bytes of content that its parent claims */
  readonly claimed: number
  /** Bytes that the DAG behind it has beyond content, where its parent tells */
  readonly beyond?: number
  /** Where the leaves in a row end that begin with this one, as far as the first window reaches; `from` when they are few */
  readonly leavesTo: number
}

/** What a dag-pb node adds to its content if it has no links: less than the smallest link takes */
export const MAX_LEAF_FRAMING = 40

/** How far ahead leaves are looked for: what a reader may have asked for before anything has come */
const LEAVES_AHEAD = INITIAL_WINDOW

/** Fewer than this are large ones: what a file of them takes is bytes, and hardly the round trip that is saved by asking for them one by one */
const MANY_LEAVES = 32

/**
 * The links of an open node that are still to be read: 52 bytes each with a CID of
 * sha2-256, where objects take 300 to 900. CIDs are copied out of the block, so
 * that the block is not kept for them, and decoded when their turn comes.
 */
export class FileLinks {
  readonly #parent: CID
  readonly #hashes: Uint8Array
  /** Where each hash ends */
  readonly #ends: Uint32Array
  /** Where the content of each begins; one more for where the last ends */
  readonly #from: Float64Array
  /** -1: unknown */
  readonly #beyond: Int32Array

  constructor (parent: CID, links: ReadonlyArray<{ hash: Uint8Array, from: number, beyond?: number }>, end: number) {
    this.#parent = parent
    this.#hashes = new Uint8Array(links.reduce((sum, { hash }) => sum + hash.byteLength, 0))
    this.#ends = new Uint32Array(links.length)
    this.#from = new Float64Array(links.length + 1)
    this.#beyond = new Int32Array(links.length)
    let at = 0

    for (const [index, { hash, from, beyond }] of links.entries()) {
      this.#hashes.set(hash, at)
      at += hash.byteLength
      this.#ends[index] = at
      this.#from[index] = from
      this.#beyond[index] = Math.min(beyond ?? -1, MAX_BEYOND)
    }

    this.#from[links.length] = end
  }

  get bytes (): number {
    return this.#hashes.byteLength + this.#ends.byteLength + this.#from.byteLength + this.#beyond.byteLength
  }

  * [Symbol.iterator] (): Generator<FileLink> {
    let leaves = 0

    for (const [index, end] of this.#ends.entries()) {
      const start = index === 0 ? 0 : this.#ends[index - 1] as number
      const from = this.#from[index] as number
      const beyond = this.#beyond[index] as number
      leaves = Math.max(leaves, index)

      while (this.#isLeaf(leaves) && (this.#from[leaves] as number) < from + LEAVES_AHEAD) {
        leaves++
      }

      yield {
        cid: this.#decode(this.#hashes.slice(start, end)),
        from,
        claimed: (this.#from[index + 1] as number) - from,
        leavesTo: leaves - index < MANY_LEAVES ? from : this.#from[leaves] as number,
        ...(beyond < 0 ? {} : { beyond })
      }
    }
  }

  #isLeaf (index: number): boolean {
    const beyond = this.#beyond[index] ?? -1
    return beyond >= 0 && beyond < MAX_LEAF_FRAMING
  }

  #decode (hash: Uint8Array): CID {
    try {
      return CID.decode(hash)
    } catch (err) {
      throw new UnixFSError('malformed', `${this.#parent} has a link that is not a CID`, { cause: err })
    }
  }
}
