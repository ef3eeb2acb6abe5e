import { encode as encodeCbor } from '@ipld/dag-cbor'
import { importer } from 'ipfs-unixfs-importer'
import { varint } from 'multiformats'
import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'
import { afterEach, describe, expect, it } from 'vitest'
import { blockKey } from '../../src/block/key.ts'
import { createPortolan } from '../../src/index.ts'
import { linksOf } from '../../src/block/links.ts'
import { cborTree, walk } from '../routing/support/cbor-tree.ts'
import { Blocks } from '../unixfs/support/blocks.ts'
import { after, carServer, honest, section, send } from './car-server.ts'
import type { CarAnswer, CarServer } from './car-server.ts'
import type { Portolan } from '../../src/index.ts'

interface Dag {
  readonly root: CID
  readonly blocks: ReadonlyMap<string, Uint8Array>
}

const graph = await dagOfTree()
const directory = await shardedDirectory()
const elsewhere = new Uint8Array(1_000).fill(7)
const open: Array<() => Promise<unknown>> = []

afterEach(async () => {
  for (const close of open.splice(0).reverse()) {
    await close()
  }
})

async function dagOfTree (): Promise<Dag> {
  const { root, blocks } = await cborTree({ fanout: [10, 10, 3], bytes: 5_000 })
  return { root, blocks: new Map([...blocks].map(([cid, bytes]) => [blockKey(CID.parse(cid)), bytes])) }
}

/** 1 000 files in a HAMT */
async function shardedDirectory (): Promise<Dag> {
  const store = new Blocks()
  const blocks = new Map<string, Uint8Array>()
  let root: CID | undefined
  const files = Array.from({ length: 1_000 }, (_, i) => ({ path: `file-${i}`, content: new TextEncoder().encode(`file ${i}`) }))
  for await (const { cid } of importer(files, {
    put: async (cid, bytes) => {
      blocks.set(blockKey(cid), bytes as Uint8Array)
      return store.store.put(cid, bytes)
    }
  }, { wrapWithDirectory: true, shardSplitThresholdBytes: 1 })) {
    root = cid
  }
  return { root: root as CID, blocks }
}

async function serve ({ root, blocks }: Dag, answer: CarAnswer = honest): Promise<CarServer> {
  const server = await carServer({ root, blocks, bytes: new Uint8Array(0), others: [] }, answer)
  open.push(async () => { await server.close() })
  return server
}

async function node (server: CarServer): Promise<Portolan> {
  const made = await createPortolan({ providers: [server.url], allowAddresses: ['127.0.0.0/8'] })
  open.push(async () => { await made.stop() })
  return made
}

/** Walks all of it in a session that prefetches, and compares */
async function readAll ({ contentRouting }: Portolan, { root, blocks }: Dag, another?: CarServer): Promise<void> {
  const session = contentRouting.createSession(root, { prefetch: true })
  const read = new Set<string>()
  await walk(root, async cid => {
    const bytes = await session.retrieve(cid)
    expect(Buffer.compare(bytes, blocks.get(blockKey(cid)) as Uint8Array)).toBe(0)
    read.add(blockKey(cid))
    if (another != null && read.size === 1) {
      session.addProvider(another.url)
    }
    return bytes
  })
  session.close()
  expect(read).toEqual(new Set(blocks.keys()))
}

async function stored (made: Portolan): Promise<Set<string>> {
  const keys = new Set<string>()
  const { blockstore } = made.helia as unknown as { blockstore: { getAll (): AsyncIterable<{ cid: CID }> } }
  for await (const { cid } of blockstore.getAll()) {
    keys.add(blockKey(cid))
  }
  return keys
}

async function foreign (): Promise<Uint8Array> {
  return section(CID.createV1(0x55, await sha256.digest(elsewhere)).bytes, elsewhere)
}

describe('a whole DAG over HTTP', () => {
  it.each<[string, Dag]>([
    ['a dag-cbor graph', graph],
    ['a sharded directory with its files', directory]
  ])('%s comes as its root and one stream, and nothing of it twice', async (_what, dag) => {
    const server = await serve(dag)
    const made = await node(server)
    await readAll(made, dag)
    expect(server.cars.map(({ query }) => query.scope)).toEqual(['all'])
    expect(server.blocks).toEqual([blockKey(dag.root)])
    expect(made.contentRouting.stats().streams).toMatchObject({ begun: 1, resumed: 0 })
  })

  it('has holes where the sender has: they come one by one', async () => {
    const server = await serve(graph, after(60, async ({ res }) => { res.end() }))
    const made = await node(server)
    await readAll(made, graph)
    expect(server.cars.length).toBe(1)
    expect(new Set(server.blocks).size).toBe(server.blocks.length)
    // 59 came behind the root, which came twice
    expect(server.blocks.length).toBe(graph.blocks.size - 59)
  })

  const hostile: Array<[string, CarAnswer, RegExp]> = [
    ['has a block of another DAG', after(30, async ({ res }) => { await send(res, await foreign()) }), /invalid, .*which is no part of it/],
    ['repeats a block for ever', after(30, async ({ res }) => {
      const root = section(graph.root.bytes, graph.blocks.get(blockKey(graph.root)) as Uint8Array)
      while (await send(res, root)) { /* for ever */ }
    }), /invalid, .*had too many blocks twice/],
    ['has wrong bytes under a right name', after(30, async ({ res }) => {
      const [, link] = linksOf(graph.root, graph.blocks.get(blockKey(graph.root)) as Uint8Array)
      await send(res, section((link?.cid as CID).bytes, elsewhere))
    }), /invalid, .*had a wrong block/],
    ['begins with a header of another DAG', async ({ res }) => { await send(res, section(encodeCbor({ version: 1, roots: [directory.root] }))) }, /invalid, .*a header with the root/],
    ['begins with a header that claims a terabyte', async ({ res }) => { await send(res, varint.encodeTo(2 ** 40, new Uint8Array(6))) }, /invalid, .*a header that claims/],
    ['claims a section of a terabyte', after(30, async ({ res }) => { await send(res, varint.encodeTo(2 ** 40, new Uint8Array(6))) }), /invalid, .*a section that claims/]
  ]

  it.each(hostile)('whose stream %s comes block by block from there on', async (_what, answer, says) => {
    const server = await serve(graph, answer)
    const good = await serve({ ...graph, blocks: new Map([...graph.blocks, ...directory.blocks]) })
    const made = await node(server)
    // it has delivered before: who lies is left alone for a while
    await made.contentRouting.retrieve(directory.root, { providers: [good.url] })
    await readAll(made, graph, good)
    expect(String(made.contentRouting.explain(graph.root))).toMatch(says)
    expect(server.cars.length).toBe(1)
    expect(await server.cars[0]?.closed).toBe(true)
    // nobody begins again from the root
    expect(good.cars.length).toBe(0)
    expect([...await stored(made)].filter(key => !graph.blocks.has(key))).toEqual([blockKey(directory.root)])
  })
})
