import { encode as encodeCbor } from '@ipld/dag-cbor'
import { decode as decodePb } from '@ipld/dag-pb'
import { UnixFS } from 'ipfs-unixfs'
import { varint } from 'multiformats'
import { concat } from 'uint8arrays/concat'
import { linksOf } from '../block/links.ts'
import { blockKey } from '../block/key.ts'
import type { Block } from '../interface/fetcher.ts'
import type { BlockKey } from '../interface/provider.ts'
import type { CID } from 'multiformats/cid'

const DAG_PB = 0x70

export interface CarQuery {
  readonly scope: 'block' | 'entity' | 'all'
  /** First byte of a file, and the last one, itself included */
  readonly from: number
  readonly to: number
}

/** What a request for a CAR asks for (IPIP-402); undefined when it asks for none */
export function carQuery (url: string): CarQuery | undefined {
  const { searchParams } = new URL(url, 'http://localhost')

  if (searchParams.get('format') !== 'car') {
    return undefined
  }

  const scope = searchParams.get('dag-scope')
  const [from = '0', to = '*'] = (searchParams.get('entity-bytes') ?? '0:*').split(':')
  return {
    scope: scope === 'block' || scope === 'entity' ? scope : 'all',
    from: Number(from),
    to: to === '*' ? Infinity : Number(to)
  }
}

/**
 * The sections of a CAR, the header first: depth first, each block once, a file
 * only as far as the range touches it. Ends early where a block is missing.
 */
export async function * carSections (root: CID, get: (cid: CID) => Promise<Uint8Array | undefined>, query: CarQuery): AsyncGenerator<Uint8Array> {
  for await (const parts of carParts(root, get, query)) {
    yield concat(parts)
  }
}

/** The same, each section as its head and the block itself, which is not copied */
export async function * carParts (root: CID, get: (cid: CID) => Promise<Uint8Array | undefined>, query: CarQuery): AsyncGenerator<[head: Uint8Array, bytes: Uint8Array]> {
  const header = encodeCbor({ version: 1, roots: [root] })
  yield [lengthOf(header.byteLength), header]

  for await (const { cid, bytes } of dagBlocks(root, get, query)) {
    yield [concat([lengthOf(cid.bytes.byteLength + bytes.byteLength), cid.bytes]), bytes]
  }
}

/** The blocks of a DAG in that order; throws where one is missing */
export async function * dagBlocks (root: CID, get: (cid: CID) => Promise<Uint8Array | undefined>, query: CarQuery): AsyncGenerator<Block> {
  const sent = new Set<BlockKey>()

  async function * walk (cid: CID, from: number, to: number): AsyncGenerator<Block> {
    const bytes = await get(cid)

    if (bytes == null) {
      throw new Error(`the block ${cid.toString()} is missing`)
    }
    if (!sent.has(blockKey(cid))) {
      sent.add(blockKey(cid))
      yield { cid, bytes }
    }
    if (query.scope !== 'block') {
      for (const child of children(cid, bytes, from, to)) {
        yield * walk(child.cid, child.from, child.to)
      }
    }
  }

  yield * walk(root, query.from, query.to)
}

interface Child {
  readonly cid: CID
  readonly from: number
  readonly to: number
}

/** The links to follow, with the range in terms of each */
function children (cid: CID, bytes: Uint8Array, from: number, to: number): Child[] {
  const links = linksOf(cid, bytes, Infinity)

  if (cid.code === DAG_PB) {
    const node = decodePb(bytes)
    const { blockSizes = [], type, data } = node.Data == null ? {} : UnixFS.unmarshal(node.Data)

    if (type === 'file' && blockSizes.length === links.length) {
      let at = data?.byteLength ?? 0
      return links.flatMap(({ cid }, i) => {
        const start = at
        at += Number(blockSizes[i])
        return at > from && start <= to ? [{ cid, from: from - start, to: to - start }] : []
      })
    }
  }

  return links.map(({ cid }) => ({ cid, from: 0, to: Infinity }))
}

function lengthOf (length: number): Uint8Array {
  return varint.encodeTo(length, new Uint8Array(varint.encodingLength(length)))
}
