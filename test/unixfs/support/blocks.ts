import { encode as encodeDagCbor } from '@ipld/dag-cbor'
import { encode as encodeDagJson } from '@ipld/dag-json'
import { Node, UnixFS } from 'ipfs-unixfs'
import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'
import type { BlockLoader } from '../../../src/interface/unixfs.ts'
import type { UnixFSOptions } from 'ipfs-unixfs'

export interface NodeLinkInit {
  cid: CID
  name?: string
  /** Content bytes claimed for a file's child */
  size?: number | bigint
  tsize?: number
}

export interface Load {
  readonly cid: CID
  readonly size?: number
  readonly signal?: AbortSignal
}

/** A store of blocks and the loader over it, which remembers what it was asked for */
export class Blocks {
  readonly #blocks = new Map<string, Uint8Array>()
  readonly loads: Load[] = []

  readonly load: BlockLoader = async (cid, { signal, size } = {}) => {
    signal?.throwIfAborted()
    this.loads.push({ cid, size, signal })
    return this.block(cid)
  }

  block (cid: CID): Uint8Array {
    const block = this.#blocks.get(cid.toString())

    if (block == null) {
      throw new Error(`test bug: no block ${cid}`)
    }

    return block
  }

  get size (): number {
    return this.#blocks.size
  }

  /** A blockstore that ipfs-unixfs-importer can write to */
  readonly store = {
    put: async (cid: CID, block: Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>): Promise<CID> => {
      this.#blocks.set(cid.toString(), block instanceof Uint8Array ? block.slice() : await collect(block))
      return cid
    }
  }

  async add (code: number, block: Uint8Array): Promise<CID> {
    const cid = CID.createV1(code, await sha256.digest(block))

    this.#blocks.set(cid.toString(), block)
    return cid
  }

  async raw (block: Uint8Array): Promise<CID> {
    return this.add(0x55, block)
  }

  async cbor (value: unknown): Promise<CID> {
    return this.add(0x71, encodeDagCbor(value))
  }

  async json (value: unknown): Promise<CID> {
    return this.add(0x0129, encodeDagJson(value))
  }

  /** Any dag-pb node, with whatever claims: nothing is checked */
  async node (data: UnixFSOptions, links: readonly NodeLinkInit[] = []): Promise<CID> {
    return this.add(0x70, encodeNode(new UnixFS(data).marshal(), links))
  }

  /** A file node whose children claim what their links say */
  async file (links: readonly NodeLinkInit[], data?: Uint8Array): Promise<CID> {
    return this.node({ type: 'file', data, blockSizes: links.map(({ size = 0 }) => BigInt(size)) }, links)
  }

  async directory (links: readonly NodeLinkInit[]): Promise<CID> {
    return this.node({ type: 'directory' }, links)
  }

  async shard (links: readonly NodeLinkInit[], fanout: bigint = 256n, hashType: bigint | undefined = 0x22n): Promise<CID> {
    return this.node({ type: 'hamt-sharded-directory', data: new Uint8Array(32), fanout, hashType }, links)
  }
}

function encodeNode (data: Uint8Array, links: readonly NodeLinkInit[]): Uint8Array {
  // @ipld/dag-pb would sort the links and refuse hostile ones
  const encodedLinks = Node.encode({
    links: links.map(({ cid, name = '', tsize }) => ({
      hash: Uint8Array.from(cid.bytes),
      name,
      ...(tsize == null ? {} : { tSize: BigInt(tsize) })
    }))
  })

  return Uint8Array.from([...encodedLinks, 0x0a, ...varint(data.byteLength), ...data])
}

export function varint (value: number): number[] {
  const bytes = []

  while (value > 127) {
    bytes.push(value % 128 | 128)
    value = Math.floor(value / 128)
  }

  return [...bytes, value]
}

/** Bytes in which every position can be told from its neighbours */
export function content (length: number): Uint8Array {
  let state = 1

  return Uint8Array.from({ length }, () => {
    state = Math.imul(state, 1_664_525) + 1_013_904_223 | 0
    return state >>> 24
  })
}

export async function collect (chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const all: Uint8Array[] = []
  let length = 0

  for await (const chunk of chunks) {
    all.push(chunk)
    length += chunk.byteLength
  }

  const bytes = new Uint8Array(length)
  let at = 0

  for (const chunk of all) {
    bytes.set(chunk, at)
    at += chunk.byteLength
  }

  return bytes
}
