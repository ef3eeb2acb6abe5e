import { Node } from 'ipfs-unixfs'
import { CID } from 'multiformats/cid'
import { UnixFSError } from '../interface/errors.ts'

export const RAW_CODE = 0x55
export const DAG_PB_CODE = 0x70

/**
 * Links in one node. A 2 MiB block holds at most about 55 000 links with 32-byte
 * digests; a block of a million links of two bytes costs 90 MB to decode.
 */
const MAX_LINKS = 65_536

export type NodeType = 'RAW' | 'DIRECTORY' | 'FILE' | 'METADATA' | 'SYMLINK' | 'HAMT_SHARD'

export interface NodeLink {
  readonly hash?: Uint8Array
  readonly name?: string
  readonly tSize?: bigint
}

/** A dag-pb block with UnixFS data. Nothing in it has been checked against anything. */
export interface UnixFSNode {
  readonly type: NodeType
  readonly data: Uint8Array
  readonly blockSizes: readonly bigint[]
  readonly hashType?: bigint
  readonly fanOut?: bigint
  readonly mode?: number
  readonly mtime?: { secs: bigint, nsecs?: number }
  readonly links: readonly NodeLink[]
}

const NO_BYTES = new Uint8Array(0)

/** `ipfs-unixfs`' `UnixFS.unmarshal` forgets the hash type and invents a mode, its message codec does neither */
export function decodeNode (cid: CID, block: Uint8Array): UnixFSNode {
  let node: Node

  try {
    node = Node.decode(block, { limits: { links: MAX_LINKS, data: { blockSizes: MAX_LINKS } } })
  } catch (err) {
    if (err instanceof Error && err.name === 'MaxLengthError') {
      throw new UnixFSError('too-large', `${cid} has more than ${MAX_LINKS} links`, { cause: err })
    }

    throw new UnixFSError('malformed', `${cid} is not a UnixFS node`, { cause: err })
  }

  const { data, links } = node

  if (data?.type == null) {
    throw new UnixFSError('malformed', `${cid} is a dag-pb node without UnixFS data`)
  }

  return {
    type: `${data.type}`,
    data: data.data ?? NO_BYTES,
    blockSizes: data.blockSizes,
    hashType: data.hashType,
    fanOut: data.fanOut,
    mode: data.mode,
    mtime: data.mtime == null
      ? undefined
      : { secs: data.mtime.seconds ?? 0n, nsecs: data.mtime.fractionalNanoseconds },
    links
  }
}

export function linkCID (parent: CID, link: NodeLink): CID {
  try {
    return CID.decode(link.hash ?? NO_BYTES)
  } catch (err) {
    throw new UnixFSError('malformed', `${parent} has a link that is not a CID`, { cause: err })
  }
}

/** The claimed size of the DAG behind a link, where it is a number that could be true */
export function linkSize (link: NodeLink): number | undefined {
  const size = Number(link.tSize ?? -1n)

  return Number.isSafeInteger(size) && size >= 0 ? size : undefined
}

/** The bytes of content that a file node claims: its own and its children's */
export function contentSize (cid: CID, node: UnixFSNode): number {
  const size = Number(node.blockSizes.reduce((sum, size) => sum + size, BigInt(node.data.byteLength)))

  if (!Number.isSafeInteger(size)) {
    throw new UnixFSError('too-large', `${cid} claims ${size} bytes`)
  }

  return size
}
