import { fileParts } from '../block/file-parts.ts'
import { IDENTITY_CODE } from '../block/hashes.ts'
import { blockKey } from '../block/key.ts'
import { DEFAULT_MAX_LINKS, hasTooManyLinks, linksOf } from '../block/links.ts'
import type { Block } from '../interface/fetcher.ts'
import type { BlockKey } from '../interface/provider.ts'
import type { CID } from 'multiformats/cid'

/**
 * Keys of blocks that are still to come, of those that came and of those beside:
 * 65 536 blocks of 256 KiB are 16 GiB, more than one stream will survive; beyond
 * it a new stream goes on where this one ended. About 150 bytes each.
 */
export const MAX_KEYS = 65_536

/** Links looked at, again and again the same ones included: twice as many as there may be keys, which is what a file of zeros needs */
const MAX_LINKS_READ = 2 * MAX_KEYS

/** Blocks sent again although none were asked for twice: a server whose memory is short may lose count of a few */
const MAX_DUPLICATES = 256

/** Bytes that duplicates may cost */
const MAX_DUPLICATE_BYTES = 16_777_216

/** Blocks beside the part that was asked for: servers load a neighbour or two ahead, and send them */
const MAX_OUTSIDE = 16

/** What to make of a block that came: `outside` is of the DAG, not of the part that was asked for */
export type Arrival = 'wanted' | 'duplicate' | 'outside' | 'too-many-duplicates' | 'too-many-outside' | 'foreign' | 'full'

/** Bytes of the file, `to` not included */
export interface Place {
  readonly from: number
  readonly to: number
}

/** A block of the plan that came */
export interface Placed {
  readonly place: Place
  /** It links to nothing */
  readonly leaf: boolean
}

/** Which blocks of a part of a file may come, and where in the file each belongs, as far as the nodes that came tell */
export class FeedPlan {
  readonly #from: number
  readonly #to: number
  readonly #expected = new Map<BlockKey, Place>()
  readonly #outside = new Set<BlockKey>()
  readonly #arrived = new Set<BlockKey>()
  readonly #maxKeys: () => number
  readonly #whole: boolean
  #linksRead = 0
  /** Links were left out: what comes below them is not known */
  #cut = false
  #strayed = 0
  #duplicates = 0
  #duplicateBytes = 0

  constructor (root: BlockKey, from: number, to: number, maxKeys: () => number = () => MAX_KEYS, whole = false) {
    this.#whole = whole
    this.#maxKeys = maxKeys
    this.#from = from
    this.#to = to
    this.#expected.set(root, { from: 0, to: Infinity })
  }

  /** Blocks that came */
  get count (): number {
    return this.#arrived.size
  }

  /** Nothing more of what was asked for is to come */
  get complete (): boolean {
    return this.#expected.size === 0 && !this.#cut
  }

  has (key: BlockKey): boolean {
    return this.#arrived.has(key)
  }

  /** Where a block that may come begins */
  begin (key: BlockKey): number | undefined {
    return this.#expected.get(key)?.from
  }

  /** Before the hash: is this a block that may come now? */
  judge ({ cid, bytes }: Block): Arrival {
    const key = blockKey(cid)

    if (cid.multihash.code === IDENTITY_CODE || this.#arrived.has(key)) {
      return this.#duplicate(bytes)
    }

    if (this.#expected.has(key)) {
      return 'wanted'
    }

    if (this.#full) {
      return 'full'
    }

    // below a block that was not asked for come others
    if (this.#strayed > 0 || this.#outside.has(key)) {
      return ++this.#strayed > MAX_OUTSIDE ? 'too-many-outside' : 'outside'
    }

    return 'foreign'
  }

  /** A block that was judged `wanted`, now verified: what it links to may come next, as far as it was asked for */
  arrive ({ cid, bytes }: Block): Placed {
    const own = blockKey(cid)
    const place = this.#expected.get(own) ?? { from: this.#from, to: Infinity }
    this.#expected.delete(own)
    this.#arrived.add(own)

    if (hasTooManyLinks(cid, bytes, this.#full ? 0 : DEFAULT_MAX_LINKS)) {
      this.#cut = true
      return { place, leaf: false }
    }

    // where in its file a block of a DAG belongs says nothing about where in the DAG
    const parts = (this.#whole ? undefined : fileParts(cid, bytes)) ?? linksOf(cid, bytes).map(({ cid }) => ({ cid, from: 0, to: Infinity }))
    this.#linksRead += parts.length
    let last: CID | undefined

    for (const part of parts) {
      // a hole in a file is one block many times over
      if (last?.equals(part.cid) === true) {
        continue
      }

      last = part.cid
      const key = blockKey(part.cid)
      const from = place.from + part.from
      const to = place.from + part.to

      // an identity CID carries its block: whether a stream repeats it is the sender's choice
      if (part.cid.multihash.code === IDENTITY_CODE || this.#arrived.has(key) || this.#expected.has(key)) {
        continue
      }

      if (this.#full) {
        this.#cut = true
        break
      }

      if (from <= this.#to && to > this.#from) {
        this.#expected.set(key, { from, to })
        this.#outside.delete(key)
      } else {
        this.#outside.add(key)
      }
    }

    return { place, leaf: parts.length === 0 }
  }

  get #full (): boolean {
    return this.#cut || this.#linksRead >= MAX_LINKS_READ || this.#expected.size + this.#arrived.size + this.#outside.size >= this.#maxKeys()
  }

  #duplicate (bytes: Uint8Array): Arrival {
    this.#duplicateBytes += bytes.byteLength
    return ++this.#duplicates > MAX_DUPLICATES || this.#duplicateBytes > MAX_DUPLICATE_BYTES ? 'too-many-duplicates' : 'duplicate'
  }
}
