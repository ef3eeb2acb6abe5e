import { encode } from '@ipld/dag-cbor'
import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'
import { linksOf } from '../../../src/block/links.ts'
import type { SimulatedNetwork } from '../../../src/testing/simulated-network.ts'

export interface CborTree {
  readonly root: CID
  /** Root first, in document order */
  readonly cids: readonly CID[]
  readonly blocks: ReadonlyMap<string, Uint8Array>
}

export interface CborTreeInit {
  /** Links of each node, level by level from the root: `[10, 5]` is a root, 10 nodes and 50 leaves */
  readonly fanout: readonly number[]
  /** Bytes in each block, beside its links. @default 1_000 */
  readonly bytes?: number
  readonly seed?: number
}

/** A tree of dag-cbor blocks, no two of them the same */
export async function cborTree ({ fanout, bytes = 1_000, seed = 0 }: CborTreeInit): Promise<CborTree> {
  const blocks = new Map<string, Uint8Array>()
  let made = 0

  async function node (level: number): Promise<CID[]> {
    const below: CID[][] = []
    for (let i = 0; i < (fanout[level] ?? 0); i++) {
      below.push(await node(level + 1))
    }
    const block = encode({ id: `${seed}.${made++}`, links: below.map(([cid]) => cid), pad: new Uint8Array(bytes) })
    const cid = CID.createV1(0x71, await sha256.digest(block))
    blocks.set(cid.toString(), block)
    return [cid, ...below.flat()]
  }

  const cids = await node(0)
  return { root: cids[0] as CID, cids, blocks }
}

export function publish (network: SimulatedNetwork, { cids, blocks }: CborTree): void {
  for (const cid of cids) {
    network.put(cid, blocks.get(cid.toString()) as Uint8Array)
  }
}

/** Reads a DAG as its links tell, depth first; the first `limit` blocks of it */
export async function walk (root: CID, get: (cid: CID) => Promise<Uint8Array>, limit = Infinity): Promise<string[]> {
  const read: string[] = []
  const stack = [root]

  for (let cid = stack.pop(); cid != null && read.length < limit; cid = stack.pop()) {
    const bytes = await get(cid)
    read.push(cid.toString())
    stack.push(...linksOf(cid, bytes).map(({ cid }) => cid).reverse())
  }

  return read
}
