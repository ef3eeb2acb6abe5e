import * as dagCbor from '@ipld/dag-cbor'
import { sha256 } from 'multiformats/hashes/sha2'
import { CID } from 'multiformats/cid'
import { describe, expect, it } from 'vitest'
import { blockKey } from '../../src/block/key.ts'
import { DagLinks } from '../../src/routing/dag-links.ts'
import { unpublished } from './support/world.ts'

const root = (n: number): string => blockKey(unpublished(n))

interface Node {
  readonly cid: CID
  readonly bytes: Uint8Array
  /** How often somebody looked at the bytes */
  reads (): number
}

async function node (...children: CID[]): Promise<Node> {
  const bytes = dagCbor.encode(children)
  const { byteLength } = bytes
  const cid = CID.createV1(dagCbor.code, await sha256.digest(bytes))
  let reads = 0
  let total = 0
  Object.defineProperty(bytes, 'byteLength', {
    get () {
      total++
      return byteLength
    }
  })
  return {
    cid,
    bytes,
    reads () {
      reads += total > 0 ? 1 : 0
      total = 0
      return reads
    }
  }
}

/** Reads a block, and says how often its bytes were looked at so far */
function read (links: DagLinks, { cid, bytes, reads }: Node, of?: string): number {
  links.linkBlock(of, cid, bytes)
  return reads()
}

describe('DagLinks', () => {
  it('reads the links of a block once, however often the block is read and by whom', async () => {
    const links = new DagLinks(100)
    const one = await node(unpublished(1), unpublished(2))
    const own = blockKey(one.cid)

    expect(read(links, one)).toBe(1)
    expect(read(links, one)).toBe(1)
    expect(read(links, one, own)).toBe(1)
    expect([1, 2].map(n => links.parent(root(n))?.root)).toEqual([own, own])
  })

  it('reads a block without links once', async () => {
    const links = new DagLinks(100)
    const leaf = await node()
    expect([read(links, leaf), read(links, leaf), read(links, leaf, root(9))]).toEqual([1, 1, 1])
  })

  it('reads them again for another root', async () => {
    const links = new DagLinks(100)
    const one = await node(unpublished(1))
    read(links, one)
    expect(read(links, one, root(9))).toBe(2)
    expect(links.parent(root(1))?.root).toBe(root(9))
    // who names no root means the one it was read for
    expect(read(links, one)).toBe(2)
    expect(links.parent(root(1))?.root).toBe(root(9))
  })

  it('learns later what a block belongs to', async () => {
    const links = new DagLinks(100)
    const inner = await node(unpublished(1))
    const outer = await node(inner.cid)
    read(links, inner)
    read(links, outer)
    expect(read(links, inner)).toBe(2)
    expect(links.parent(root(1))?.root).toBe(blockKey(outer.cid))
    expect(read(links, inner)).toBe(2)
  })

  it('reads them again when one of them was forgotten', async () => {
    const links = new DagLinks(3)
    const one = await node(unpublished(1), unpublished(2))
    read(links, one)
    links.link('other', [{ key: 'a' }, { key: 'b' }])
    expect(links.parent(root(1))).toBeUndefined()
    expect(read(links, one)).toBe(2)
    expect(links.parent(root(1))?.root).toBe(blockKey(one.cid))
  })

  it('is not fooled by a link that is there twice, or in two blocks of one DAG', async () => {
    const links = new DagLinks(100)
    const [first, second] = [await node(unpublished(1), unpublished(1), unpublished(2)), await node(unpublished(1), unpublished(3))]
    for (let i = 0; i < 3; i++) {
      expect([read(links, first, root(9)), read(links, second, root(9))]).toEqual([1, 1])
    }
  })

  it('is bounded: the blocks it forgets are read again', async () => {
    const links = new DagLinks(2)
    const nodes = await Promise.all(Array.from({ length: 5 }, async (_, i) => node(unpublished(i))))
    nodes.forEach(one => { read(links, one) })
    expect(nodes.map(one => read(links, one))).toEqual([2, 2, 2, 2, 2])
  })
})
