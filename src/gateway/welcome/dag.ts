import { encode, prepare } from '@ipld/dag-pb'
import { UnixFS } from 'ipfs-unixfs'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { sha256 } from 'multiformats/hashes/sha2'
import type { Block } from '../../interface/fetcher.ts'

const DAG_PB_CODE = 0x70

/** Something with a name in a directory, and the bytes of it with everything below */
export interface Node {
  readonly cid: CID
  readonly size: number
  readonly blocks: readonly Block[]
}

/** A file of one raw block: small ones need no more */
export async function fileNode (content: string | Uint8Array): Promise<Node> {
  const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content
  const cid = CID.createV1(raw.code, await sha256.digest(bytes))

  return { cid, size: bytes.byteLength, blocks: [{ cid, bytes }] }
}

/** A plain UnixFS directory; the order of the names does not matter */
export async function directoryNode (children: Readonly<Record<string, Node>>): Promise<Node> {
  // `prepare` sorts the links as dag-pb demands, so the CID is a function of the content alone
  const bytes = encode(prepare({
    Data: new UnixFS({ type: 'directory' }).marshal(),
    Links: Object.entries(children).map(([Name, { cid, size }]) => ({ Name, Hash: cid, Tsize: size }))
  }))
  const cid = CID.createV1(DAG_PB_CODE, await sha256.digest(bytes))
  const below = Object.values(children)

  return {
    cid,
    size: below.reduce((sum, child) => sum + child.size, bytes.byteLength),
    blocks: [{ cid, bytes }, ...below.flatMap(child => child.blocks)]
  }
}
