import { murmur364 } from '@multiformats/murmur3'
import { UnixFSError } from '../interface/errors.ts'
import { DAG_PB_CODE, decodeNode, linkCID } from './unixfs-node.ts'
import type { NodeLink, UnixFSNode } from './unixfs-node.ts'
import type { BlockLoader } from '../interface/unixfs.ts'
import type { CID } from 'multiformats/cid'

/** https://specs.ipfs.tech/unixfs/#dag-pb-hamtdirectory: murmur3-x64-64 is the only hash in use */
const MURMUR3_X64_64 = 0x22n

/** go-unixfs refuses a fanout above 1 024, or one that is not a power of two and a multiple of eight */
const MIN_FANOUT = 8n
const MAX_FANOUT = 1024n

const HASH_BITS = 64

/** How a sharded directory divides its entries: the same in each of its nodes */
export interface ShardShape {
  readonly fanout: number
  /** Bits of a name's hash that choose the slot at each level */
  readonly bits: number
  /** Characters of a link's name that tell the slot */
  readonly width: number
}

export function shardShape (cid: CID, node: UnixFSNode): ShardShape {
  const { fanOut = 0n, hashType } = node

  if (hashType !== MURMUR3_X64_64) {
    throw new UnixFSError('malformed', `${cid} shards by hash ${hashType == null ? 'none' : `0x${hashType.toString(16)}`}, only 0x22 is in use`)
  }

  if (fanOut < MIN_FANOUT || fanOut > MAX_FANOUT || (fanOut & (fanOut - 1n)) !== 0n) {
    throw new UnixFSError('malformed', `${cid} has fanout ${fanOut}, not a power of two from ${MIN_FANOUT} to ${MAX_FANOUT}`)
  }

  const fanout = Number(fanOut)

  return { fanout, bits: Math.log2(fanout), width: (fanout - 1).toString(16).length }
}

/** The shape of a shard below the root: it must be its parent's, or names could not be found by it */
export function checkShard (cid: CID, node: UnixFSNode, shape: ShardShape): void {
  if (node.type !== 'HAMT_SHARD') {
    throw new UnixFSError('malformed', `${cid} is part of a sharded directory but is of type ${node.type}`)
  }

  if (shardShape(cid, node).fanout !== shape.fanout) {
    throw new UnixFSError('malformed', `${cid} has fanout ${node.fanOut}, its parent ${shape.fanout}`)
  }
}

export function shardCID (parent: CID, link: NodeLink): CID {
  const cid = linkCID(parent, link)

  if (cid.code !== DAG_PB_CODE) {
    throw new UnixFSError('malformed', `${parent} has a shard of codec 0x${cid.code.toString(16)} at ${cid}: shards are dag-pb`)
  }

  return cid
}

/** The hash has no bits left below this level: an honest directory never gets there */
export function checkShardLevel (cid: CID, level: number, shape: ShardShape): void {
  if ((level + 1) * shape.bits > HASH_BITS) {
    throw new UnixFSError('malformed', `${cid} is at level ${level} of a sharded directory, deeper than its hash reaches`)
  }
}

/** Finds one name in a sharded directory, loading one block per level */
export async function findInShard (root: CID, rootNode: UnixFSNode, name: string, load: BlockLoader): Promise<NodeLink | undefined> {
  const shape = shardShape(root, rootNode)
  const hash = await murmur364.encode(new TextEncoder().encode(name))
  let cid = root
  let node = rootNode

  for (let level = 0; ; level++) {
    checkShardLevel(cid, level, shape)

    const slot = slotAt(hash, level, shape)
    const entry = node.links.find(link => link.name === slot + name)

    if (entry != null) {
      return entry
    }

    const shard = node.links.find(link => link.name === slot)

    if (shard == null) {
      return
    }

    cid = shardCID(cid, shard)
    node = decodeNode(cid, await load(cid))
    checkShard(cid, node, shape)
  }
}

/** The hash is used from its first bit on, as many bits per level as choose a slot */
export function slotAt (hash: Uint8Array, level: number, { bits, width }: ShardShape): string {
  let slot = 0

  for (let bit = level * bits; bit < (level + 1) * bits; bit++) {
    slot = slot << 1 | ((hash[bit >> 3] ?? 0) >> (7 - (bit & 7)) & 1)
  }

  return slot.toString(16).toUpperCase().padStart(width, '0')
}
