import { LRUCache } from 'lru-cache'
import { blockKey } from '../block/key.ts'
import { linksOf } from '../block/links.ts'
import type { BlockKey } from '../interface/provider.ts'
import type { CID } from 'multiformats/cid'

/** Blocks whose links need not be read again: those of a working set of 12 GB are 287 nodes, the rest are leaves that are no raw ones */
const MAX_READ = 10_000

const RAW_CODE = 0x55

interface Child {
  readonly root: BlockKey
  readonly size?: number
  /** The block that has this link */
  readonly node?: ReadNode
}

/** A block whose links are remembered */
interface ReadNode {
  readonly key: BlockKey
  /** Its links have names */
  readonly directory: boolean
  readonly root: BlockKey
  readonly empty: boolean
  /** None of its links was forgotten meanwhile */
  whole: boolean
}

/** Which block belongs to which root, as far as is known from the blocks read lately */
export class DagLinks {
  readonly #children: LRUCache<BlockKey, Child>
  readonly #nodes: LRUCache<BlockKey, ReadNode>

  constructor (limit: number) {
    this.#nodes = new LRUCache({ max: Math.min(limit, MAX_READ) })
    this.#children = new LRUCache({
      max: limit,
      dispose: ({ node }, _key, reason) => {
        if (reason === 'evict' && node != null) {
          node.whole = false
        }
      }
    })
  }

  /** The root a block is known to belong to, and its expected size */
  parent (key: BlockKey): { root: BlockKey, size?: number } | undefined {
    const child = this.#children.get(key)
    return child == null ? undefined : { root: child.root, size: child.size }
  }

  /** The directory that a block is listed in: no other part of a file is */
  directory (key: BlockKey): BlockKey | undefined {
    const node = this.#children.get(key)?.node
    return node?.directory === true ? node.key : undefined
  }

  /** The blocks that lead to one, nearest first */
  above (key: BlockKey, limit: number): BlockKey[] {
    const found: BlockKey[] = []

    for (let node = this.#children.get(key)?.node; node != null && found.length < limit && !found.includes(node.key); node = this.#children.get(node.key)?.node) {
      found.push(node.key)
    }
    return found
  }

  /** Remembers that these blocks belong to a root */
  link (root: BlockKey, children: Iterable<{ key: BlockKey, size?: number }>, node?: ReadNode): void {
    for (const { key, size } of children) {
      if (key !== root && (node == null || this.#children.peek(key)?.node !== node)) {
        this.#children.set(key, { root, size, node })
      }
    }
  }

  /**
   * Remembers the links of a block as belonging to a root: the one given, the
   * one it belongs to itself, or itself. Links that are still remembered from the
   * last time are not read again.
   */
  linkBlock (root: BlockKey | undefined, cid: CID, bytes: Uint8Array): void {
    if (cid.code === RAW_CODE) {
      return
    }

    const key = blockKey(cid)
    const read = this.#nodes.get(key)
    const belongsTo = root ?? this.parent(key)?.root ?? read?.root ?? key

    if (read != null && (read.empty || (read.whole && read.root === belongsTo))) {
      return
    }

    const links = linksOf(cid, bytes)
    const node = { key, directory: links.some(({ name }) => name != null), root: belongsTo, empty: links.length === 0, whole: true }
    this.link(belongsTo, links.map(link => ({ key: blockKey(link.cid), size: link.size })), node)
    this.#nodes.set(key, node)
  }
}
