import * as dagCbor from '@ipld/dag-cbor'
import * as dagJson from '@ipld/dag-json'
import * as dagPb from '@ipld/dag-pb'
import { UnixFS } from 'ipfs-unixfs'
import { cborLinks, jsonLinks } from './document-links.ts'
import { DEFAULT_MAX_BLOCK_SIZE } from './verify.ts'
import type { CID } from 'multiformats/cid'

/**
 * How many links of one block are read: a full HAMT shard has 256, a file node
 * 174 or 1024, so only an odd block has more. Reading and remembering so many
 * takes 10 ms.
 */
export const DEFAULT_MAX_LINKS = 4_096

/** Larger blocks do not travel; where somebody allowed them, they are read without knowing their links */
const MAX_SEARCHED = DEFAULT_MAX_BLOCK_SIZE

/** Bytes of a multihash: the longest that is accepted is that of an identity CID, 128 and its head. A longer one is only there to be remembered. */
const MAX_MULTIHASH = 144

const RAW_CODE = 0x55

/** Bytes that UnixFS needs besides its block sizes, and for each of these: a key and ten bytes of varint */
const UNIXFS_BYTES = 1_024
const BLOCK_SIZE_BYTES = 11

/** Whether the UnixFS part of a node with so many links is as large as these explain: what is larger is not worth decoding */
export function plausibleUnixFS (data: Uint8Array, links: number): boolean {
  return data.byteLength <= UNIXFS_BYTES + BLOCK_SIZE_BYTES * links
}

export interface Link {
  readonly cid: CID
  /** Expected bytes of the linked block itself, where the parent gives a hint that can be true of one block. Unverified. */
  readonly size?: number
  readonly name?: string
}

/**
 * The first links of a verified block, in document order. What comes after
 * them is not looked at, so that a block costs a bounded time and memory
 * whatever is in it. One that is malformed as far as it was read, or whose
 * codec is unknown, has none: whoever reads it as a document will say what is
 * wrong with it. Never throws.
 */
export function linksOf (cid: CID, bytes: Uint8Array, limit: number = DEFAULT_MAX_LINKS): Link[] {
  if (bytes.byteLength > MAX_SEARCHED) {
    return []
  }

  try {
    return decodeLinks(cid.code, bytes, limit).filter(({ cid }) => cid.multihash.bytes.byteLength <= MAX_MULTIHASH)
  } catch {
    // whatever a decoder throws means: no links can be read from this
    return []
  }
}

/** More links than so many, which is what `linksOf` reads by itself? Decodes none of a dag-pb node to say so. */
export function hasTooManyLinks (cid: CID, bytes: Uint8Array, limit: number = DEFAULT_MAX_LINKS): boolean {
  return cid.code === dagPb.code ? endOfLinks(bytes, limit) < bytes.byteLength : linksOf(cid, bytes, limit + 1).length > limit
}

function decodeLinks (codec: number, bytes: Uint8Array, limit: number): Link[] {
  switch (codec) {
    case dagPb.code: return pbLinks(bytes, limit)
    case dagCbor.code: return cborLinks(bytes, limit).map(cid => ({ cid }))
    case dagJson.code: return jsonLinks(bytes, limit).map(cid => ({ cid }))
    default: return []
  }
}

function pbLinks (bytes: Uint8Array, limit: number): Link[] {
  const end = endOfLinks(bytes, limit)
  const node = dagPb.decode(bytes.subarray(0, end))
  // the sizes of a file come after its links
  const leaves = node.Links.length === 0 || end < bytes.byteLength ? [] : fileSizes(node)

  return node.Links.map(({ Hash, Name, Tsize }, index) => {
    // the file size below a raw leaf is the size of that leaf; Tsize counts a subtree, which for a leaf is the block
    const size = Hash.code === RAW_CODE ? leaves[index] ?? Tsize : Tsize

    return {
      cid: Hash,
      ...(plausible(size) ? { size } : {}),
      ...(Name == null || Name === '' ? {} : { name: Name })
    }
  })
}

/** Where the bytes of a dag-pb node can be cut so that no more than the limit are decoded; their end when there are no more */
function endOfLinks (bytes: Uint8Array, limit: number): number {
  let end = 0

  for (let offset = 0, links = 0; offset < bytes.byteLength; end = offset) {
    const [key, start] = varint(bytes, offset)
    const [length, content] = varint(bytes, start)

    // every field of a node is bytes, and field 2 a link; the decoder, which reads keys so too, will say what is wrong with others
    if (key >> 3 === 2 && ++links > limit) {
      return end
    }

    offset = content + length
  }

  return bytes.byteLength
}

function varint (bytes: Uint8Array, offset: number): [value: number, offset: number] {
  let value = 0
  let scale = 1
  let byte

  do {
    byte = bytes[offset++] ?? 0
    value += (byte & 0x7f) * scale
    scale *= 128
  } while (byte >= 0x80)

  return [value, offset]
}

function fileSizes (node: dagPb.PBNode): number[] {
  if (node.Data == null || !plausibleUnixFS(node.Data, node.Links.length)) {
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
