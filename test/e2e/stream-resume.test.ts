import { afterEach, describe, expect, it } from 'vitest'
import { blockKey } from '../../src/block/key.ts'
import { linksOf } from '../../src/block/links.ts'
import { createPortolan } from '../../src/portolan.ts'
import { sampleFile } from '../../src/testing/sample-file.ts'
import { contentReader } from '../../src/unixfs/content-reader.ts'
import { after, carServer } from './car-server.ts'
import { told } from './node.ts'
import type { CarAnswer, CarServer } from './car-server.ts'
import type { Portolan, PortolanInit } from '../../src/portolan.ts'
import type { CID } from 'multiformats/cid'
import type { Server } from 'node:http'
import type { Socket } from 'node:net'

const MIB = 1_048_576
const LEAF = 65_536
const file = await sampleFile({ size: 4 * MIB, chunkSize: LEAF, seed: 5 })
const leaves = linksOf(file.root, file.blocks.get(blockKey(file.root)) as Uint8Array, Infinity).map(({ cid }) => cid)
/** Blocks of the stream before it fails: the root, and so many leaves less one */
const SENT = 20

const open: Array<() => Promise<unknown>> = []

afterEach(async () => {
  for (const close of open.splice(0).reverse()) {
    await close()
  }
})

async function gateway (answer: CarAnswer): Promise<CarServer> {
  const server = await carServer(file, answer)
  open.push(async () => { await server.close() })
  return server
}

async function node (init: PortolanInit): Promise<Portolan> {
  // nobody is asked beside somebody else: each block is asked from whom it must come
  const made = await createPortolan({ allowAddresses: ['127.0.0.0/8'], hedge: { share: 0, initial: 0, shadowShare: 0 }, ...init })
  open.push(async () => { await made.stop() })
  return made
}

interface Source {
  /** Came in the stream */
  readonly streamed: boolean
  /** Whom it was asked from by itself, and what came of it */
  readonly asked: readonly string[]
}

/** Where each leaf came from, in their order */
function sources ({ contentRouting }: Portolan): Source[] {
  return leaves.map(cid => {
    const story = contentRouting.explain(cid)
    return {
      streamed: String(story).includes('came in a stream of'),
      asked: told(story).attempts.map(({ transport, provider, outcome }) => `${transport} ${provider} ${outcome}`)
    }
  })
}

function keys (sources: readonly Source[], asked: string): string[] {
  return leaves.filter((_, i) => sources[i]?.asked.includes(asked)).map(blockKey).sort()
}

/** Reads the file, whose stream comes from the only provider known at first; another one becomes known when it has begun */
async function read ({ contentRouting }: Portolan, another: string): Promise<void> {
  const session = contentRouting.createSession(file.root)
  const chunks: Uint8Array[] = []
  for await (const chunk of contentReader()(file.root, async (cid, load) => {
    const loading = session.retrieve(cid, load)
    if (load?.part != null) {
      session.addProvider(another)
    }
    return loading
  })) {
    chunks.push(chunk)
  }
  session.close()
  expect(Buffer.compare(Buffer.concat(chunks), file.bytes)).toBe(0)
}

describe('a CAR stream that falls silent in the middle of a file', () => {
  const first = SENT - 1
  const rest = leaves.length - first

  it('of a gateway that is gone is gone on with over bitswap, from the first block that is missing and each once', async () => {
    // the stream stays open and silent; whoever connects again finds nobody
    const bad = await gateway(after(SENT, async ({ res }) => { (res.socket as Socket & { server: Server }).server.close() }))
    const peer = await node({ listen: ['/ip4/127.0.0.1/tcp/0'], serve: 'everyone' })
    const { blockstore } = peer.helia as unknown as { blockstore: { put (cid: CID, bytes: Uint8Array): Promise<CID> } }
    await Promise.all([file.root, ...leaves].map(async cid => blockstore.put(cid, file.blocks.get(blockKey(cid)) as Uint8Array)))
    const reader = await node({ providers: [bad.url] })

    await read(reader, String(peer.libp2p.getMultiaddrs()[0]))
    const found = sources(reader)
    const unreachable = `http http:${new URL(bad.url).host} unreachable`
    expect(found.map(({ streamed }) => streamed)).toEqual(leaves.map((_, i) => i < first))
    expect(found.map(({ asked }) => asked.filter(each => each !== unreachable))).toEqual(leaves.map((_, i) => i < first ? [] : [`bitswap p2p:${peer.libp2p.peerId.toString()} delivered`]))
    expect(bad.blocks).toEqual([blockKey(file.root)])
    expect(bad.cars.map(({ query }) => query.from)).toEqual([0])
    const { exchange } = reader.contentRouting.stats()
    expect(exchange?.blocks.bitswap).toBe(rest)
    expect(exchange?.bitswap?.wants).toBe(rest)
  })

  it('is gone on with over HTTP, block by block, from the first block that is missing and each asked for once', async () => {
    const bad = await gateway(after(SENT, async () => {}))
    const good = await gateway(async ({ res }) => { res.writeHead(406).end() })
    const reader = await node({ providers: [bad.url] })

    await read(reader, good.url)
    const found = sources(reader)
    expect(found.map(({ streamed }) => streamed)).toEqual(leaves.map((_, i) => i < first))
    expect(found.map(({ asked }) => asked.length)).toEqual(leaves.map((_, i) => i < first ? 0 : 1))
    // what both servers saw is what the reader says, and nothing else
    const fromBad = keys(found, `http http:${new URL(bad.url).host} delivered`)
    const fromGood = keys(found, `http http:${new URL(good.url).host} delivered`)
    expect([...bad.blocks].sort()).toEqual([blockKey(file.root), ...fromBad].sort())
    expect([...good.blocks].sort()).toEqual(fromGood)
    expect(fromBad.length + fromGood.length).toBe(rest)
    expect(fromGood.length).toBeGreaterThan(0)
    expect(bad.cars.length).toBe(1)
  })
})
