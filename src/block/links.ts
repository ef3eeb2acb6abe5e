import * as dagCbor from '@ipld/dag-cbor'
import * as dagJson from '@ipld/dag-json'
import * as dagPb from '@ipld/dag-pb'
import { UnixFS } from 'ipfs-unixfs'
import { CID } from 'multiformats/cid'
import { DEFAULT_MAX_BLOCK_SIZE } from './verify.ts'

/** How many links of one block are read: a full HAMT shard has 256, a file node 174, so only an odd block has more */
export const DEFAULT_MAX_LINKS = 10_000

/**
 * Blocks above this are not searched: decoding comes before counting, and 2 MiB of
 * empty arrays hold the event loop for a second. Ten thousand links fit.
 */
const MAX_LINK_BYTES = 524_288

/** Levels of maps and arrays that are searched: real documents have a dozen */
const MAX_DEPTH = 1_000

const RAW_CODE = 0x55

export interface Link {
  readonly cid: CID
  /** Expected bytes of the linked block itself, where the parent gives a hint that can be true of one block. Unverified. */
  readonly size?: number
  readonly name?: string
}

/**
 * The links of a verified block, in document order. A block that is malformed
 * or whose codec is unknown has none: whoever reads it as a document will
 * say what is wrong with it. Never throws.
 */
export function linksOf (cid: CID, bytes: Uint8Array, limit: number = DEFAULT_MAX_LINKS): Link[] {
  if (bytes.byteLength > MAX_LINK_BYTES) {
    return []
  }

  try {
    switch (cid.code) {
      case dagPb.code: return pbLinks(bytes, limit)
      case dagCbor.code: return documentLinks(dagCbor.decode(bytes), limit)
      case dagJson.code: return documentLinks(dagJson.decode(bytes), limit)
      default: return []
    }
  } catch {
    // whatever a decoder throws, a RangeError of its recursion included, means: no links can be read from this
    return []
  }
}

function pbLinks (bytes: Uint8Array, limit: number): Link[] {
  const node = dagPb.decode(bytes)
  const leaves = node.Links.length === 0 ? [] : fileSizes(node)

  return node.Links.slice(0, limit).map(({ Hash, Name, Tsize }, index) => {
    // the file size below a raw leaf is the size of that leaf; Tsize counts a subtree, which for a leaf is the block
    const size = Hash.code === RAW_CODE ? leaves[index] ?? Tsize : Tsize

    return {
      cid: Hash,
      ...(plausible(size) ? { size } : {}),
      ...(Name == null || Name === '' ? {} : { name: Name })
    }
  })
}

function fileSizes (node: dagPb.PBNode): number[] {
  if (node.Data == null) {
    return []
  }

  try {
    const data = UnixFS.unmarshal(node.Data)
    return data.blockSizes.length === node.Links.length ? data.blockSizes.map(Number) : []
  } catch {
    // dag-pb that is not UnixFS is legitimate: its links count, it merely has no sizes
    return []
  }
}

function plausible (size: number | undefined): size is number {
  return size != null && Number.isSafeInteger(size) && size > 0 && size <= DEFAULT_MAX_BLOCK_SIZE
}

function documentLinks (document: unknown, limit: number): Link[] {
  const links: Link[] = []
  const stack = [[document].values()]

  while (stack.length > 0 && links.length < limit) {
    const { value, done } = stack.at(-1)?.next() ?? { value: undefined, done: true }

    if (done === true) {
      stack.pop()
      continue
    }

    if (value == null || typeof value !== 'object' || value instanceof Uint8Array) {
      continue
    }

    const cid = CID.asCID(value as CID)

    if (cid != null) {
      links.push({ cid })
    } else if (stack.length < MAX_DEPTH) {
      stack.push(Object.values(value).values())
    }
  }

  return links
}
