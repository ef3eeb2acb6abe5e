import { blockKey } from '../block/key.ts'
import type { Link } from '../block/links.ts'
import type { BlockKey } from '../interface/provider.ts'
import type { CID } from 'multiformats/cid'

/** Links remembered of one DAG: 32 full HAMT shards or 47 file nodes, at most 5 MB */
export const MAX_PLACES = 8_192

/** When there are more, a quarter goes at once: each clearing looks at all nodes on the way to the reader */
const KEPT = 0.75

/** Nodes on the way to the reader in which something follows: honest DAGs have fewer than ten, and each is passed when the outline is cleared */
const MAX_DEPTH = 256

/** A link in a node that was read, or the block that a reader began with */
export interface Place {
  readonly cid: CID
  readonly key: BlockKey
  /** What its parent says of the block, unverified */
  readonly size?: number
  readonly node: OutlineNode
  readonly index: number
  /** The reader has asked for it */
  read: boolean
  /** It was wanted ahead */
  wanted: boolean
  child?: OutlineNode
}

/** The links of one block */
export interface OutlineNode {
  places: readonly Place[]
  /** After the last of them comes what follows this one */
  readonly up?: Place
  /** Nobody linked to it: what is below `up` comes after it too */
  readonly beside: boolean
  readonly depth: number
}

const CHILDLESS: OutlineNode = { places: [], beside: false, depth: 1 }

/**
 * What is known of a DAG around its reader: the links of the blocks read so far, in
 * document order, and where in them the reader is. Pure and bounded: the nodes that
 * have been known longest are forgotten first, those on the way to the reader last.
 */
export class DagOutline {
  readonly #places = new Map<BlockKey, Place>()
  readonly #nodes = new Set<OutlineNode>()
  #reader?: Place
  #size = 0

  get size (): number {
    return this.#size
  }

  /** Where the reader is now; `straight` when nothing lies between there and where it was */
  moveTo (cid: CID): { place: Place, straight: boolean } {
    const key = blockKey(cid)
    const known = this.#places.get(key)
    if (known?.read === true) {
      // a block that stands in several places: the reader has not gone back
      return { place: known, straight: true }
    }

    const place = known ?? this.#beside(cid)
    const straight = this.#reader != null && after(this.#reader) === place
    place.read = true
    this.#reader = place
    return { place, straight }
  }

  /** The place of a block, if it is known */
  find (cid: CID): Place | undefined {
    return this.#places.get(blockKey(cid))
  }

  /** What a block links to */
  open (place: Place, links: readonly Link[]): void {
    place.child ??= links.length === 0 ? CHILDLESS : this.#add(links, upFrom(place), false)
  }

  /** All that is known to come after the reader, in document order */
  * ahead (): Generator<Place> {
    for (let place = this.#reader && after(this.#reader); place != null; place = after(place)) {
      // a block that stands in several places is told once, at the first
      if (this.#places.get(place.key) === place) {
        yield place
      }
    }
  }

  clear (): void {
    this.#places.clear()
    this.#nodes.clear()
    this.#reader = undefined
    this.#size = 0
  }

  #beside (cid: CID): Place {
    const reader = this.#reader
    const finished = reader?.node.beside === true && reader.child?.places[0] == null
    const node = this.#add([{ cid }], finished ? reader.node.up : reader, true)
    return node.places[0] as Place
  }

  #add (links: readonly Link[], up: Place | undefined, beside: boolean): OutlineNode {
    const depth = (up?.node.depth ?? 0) + 1
    const node: OutlineNode = { places: [], up: depth > MAX_DEPTH ? undefined : up, beside, depth: depth > MAX_DEPTH ? 1 : depth }
    node.places = links.map(({ cid, size }, index) => ({ cid, key: blockKey(cid), ...(size == null ? {} : { size }), node, index, read: false, wanted: false }))
    this.#nodes.add(node)
    this.#size += links.length

    for (const place of node.places) {
      if (!this.#places.has(place.key)) {
        this.#places.set(place.key, place)
      }
    }

    if (this.#size > MAX_PLACES) {
      this.#clear(node)
    }

    return node
  }

  #clear (latest: OutlineNode): void {
    const way = new Set<OutlineNode>()

    for (let node = this.#reader?.node; node != null; node = node.up?.node) {
      way.add(node)
    }

    const spare = [...this.#nodes].filter(node => node !== latest && node !== this.#reader?.node)

    for (const node of [...spare.filter(node => !way.has(node)), ...spare.filter(node => way.has(node))]) {
      if (this.#size <= KEPT * MAX_PLACES) {
        return
      }

      this.#forget(node)
    }
  }

  #forget (node: OutlineNode): void {
    this.#nodes.delete(node)
    this.#size -= node.places.length

    for (const place of node.places) {
      if (this.#places.get(place.key) === place) {
        this.#places.delete(place.key)
      }
    }

    node.places = []
  }
}

/** Past ancestors in which nothing follows: a chain of any length is one step */
function upFrom (place: Place): Place | undefined {
  let up: Place | undefined = place

  while (up != null && !up.node.beside && up.index === up.node.places.length - 1) {
    up = up.node.up
  }

  return up
}

/** The next place in document order */
function after (place: Place): Place | undefined {
  const below = place.child?.places[0]

  if (below != null) {
    return below
  }

  let { node, index } = place

  while (index + 1 >= node.places.length) {
    const { up, beside } = node

    if (up == null) {
      return undefined
    }

    const besides = beside ? up.child?.places[0] : undefined

    if (besides != null) {
      return besides
    }

    node = up.node
    index = up.index
  }

  return node.places[index + 1]
}
