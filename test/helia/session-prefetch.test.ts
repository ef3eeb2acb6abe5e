import { createHeliaLight } from 'helia'
import { exporter } from 'ipfs-unixfs-exporter'
import { afterEach, describe, expect, it } from 'vitest'
import { blockKey } from '../../src/block/key.ts'
import { heliaMixin } from '../../src/compose.ts'
import { undiciTransport } from '../../src/exchange/http/undici-egress.ts'
import { loopbackProvider } from '../../src/testing/loopback-provider.ts'
import { sampleFile } from '../../src/testing/sample-file.ts'
import { cborTree, walk } from '../routing/support/cbor-tree.ts'
import type { ContentRoutingSessionOptions } from '../../src/helia/session-store.ts'
import type { HeliaContentRouting } from '../../src/helia/helia-routing.ts'
import type { LoopbackProvider } from '../../src/testing/loopback-provider.ts'
import type { Helia, SessionBlockstore } from '@helia/interface'
import type { UnixFSFile } from 'ipfs-unixfs-exporter'
import type { CID } from 'multiformats/cid'

const wrap = heliaMixin(({ policy }) => undiciTransport({ policy }))
const tree = await cborTree({ fanout: [8, 6, 2] })
const blocks = new Map(tree.cids.map(cid => [blockKey(cid), tree.blocks.get(String(cid)) as Uint8Array]))
const closing: Array<() => Promise<unknown>> = []

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) {
    await close()
  }
})

async function setting (served: ReadonlyMap<string, Uint8Array> = blocks): Promise<{ helia: Helia & { contentRouting: HeliaContentRouting }, provider: LoopbackProvider }> {
  const provider = await loopbackProvider({ blocks: served })
  closing.push(async () => provider.close())
  const helia = wrap(createHeliaLight(), { providers: [provider.url], allowAddresses: ['127.0.0.0/8'], hedge: { share: 0, initial: 0, shadowShare: 0 } })
  closing.push(async () => helia.stop())
  return { helia: await helia.start(), provider }
}

function open (helia: Helia, root: CID, prefetch: ContentRoutingSessionOptions['prefetch']): SessionBlockstore {
  const options: ContentRoutingSessionOptions = { prefetch }
  return helia.blockstore.createSession(root, options)
}

async function bytesOf (chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const all: Uint8Array[] = []
  for await (const chunk of chunks) {
    all.push(chunk)
  }
  return Buffer.concat(all)
}

/** Until nothing has happened for a hundred turns of the loop */
async function quiet (count: () => number): Promise<void> {
  for (let still = 0, last = count(); still < 100; still++) {
    await new Promise(resolve => setImmediate(resolve))
    still = last === count() ? still : 0
    last = count()
  }
}

describe('a session of a wrapped node that prefetches', () => {
  it('reads a dag-cbor DAG whole and right, over HTTP, each block once', async () => {
    const { helia, provider } = await setting()
    const session = open(helia, tree.root, true)
    expect(await walk(tree.root, async cid => bytesOf(session.get(cid)))).toEqual(tree.cids.map(String))
    // one more asks whether all of it comes as a CAR
    expect(provider.requests).toHaveLength(tree.cids.length + 1)
    expect(await Promise.all(tree.cids.map(async cid => helia.blockstore.has(cid)))).not.toContain(false)
    session.close()
  })

  it('has what comes next in the store before it is read, and nothing after it was closed', async () => {
    const { helia, provider } = await setting()
    const session = open(helia, tree.root, { window: 30_000 })
    await bytesOf(session.get(tree.root))
    await quiet(() => provider.requests.length)
    const ahead = provider.requests.length - 1
    expect(ahead).toBeGreaterThan(4)
    expect(ahead).toBeLessThanOrEqual(30)
    expect(await helia.blockstore.has(tree.cids[1] as CID)).toBe(true)
    expect(await bytesOf(session.get(tree.cids[1] as CID))).toEqual(Buffer.from(blocks.get(blockKey(tree.cids[1] as CID)) as Uint8Array))
    session.close()
    const closed = provider.requests.length
    await quiet(() => provider.requests.length)
    expect(provider.requests.length).toBe(closed)
    expect(helia.contentRouting.stats().inFlight).toMatchObject({ flights: 0, sessions: 0 })
  })

  it('fetches nothing ahead unless it was asked to', async () => {
    const { helia, provider } = await setting()
    for (const prefetch of [undefined, false]) {
      const session = open(helia, tree.root, prefetch)
      await bytesOf(session.get(tree.root))
      await quiet(() => provider.requests.length)
      session.close()
    }
    expect(provider.requests).toHaveLength(1)
  })

  it('does not fetch what the store has, and goes on from there', async () => {
    const { helia, provider } = await setting()
    const here = tree.cids.slice(0, 30)
    for (const cid of here) {
      await helia.blockstore.put(cid, blocks.get(blockKey(cid)) as Uint8Array)
    }
    const session = open(helia, tree.root, true)
    expect(await walk(tree.root, async cid => bytesOf(session.get(cid)))).toEqual(tree.cids.map(String))
    session.close()
    expect(provider.requests).toHaveLength(tree.cids.length - here.length)
  })

  it('stops when content routing is switched off, and prefetches again when it is on', async () => {
    const { helia, provider } = await setting()
    const session = open(helia, tree.root, { window: 10_000 })
    await bytesOf(session.get(tree.root))
    helia.contentRouting.disable()
    await bytesOf(session.get(tree.root))
    expect(helia.contentRouting.stats().inFlight.sessions).toBe(0)
    helia.contentRouting.enable()
    await quiet(() => provider.requests.length)
    const before = provider.requests.length
    await bytesOf(session.get(tree.cids[1 + 5 * 19] as CID))
    await quiet(() => provider.requests.length)
    expect(provider.requests.length).toBeGreaterThan(before + 1)
    session.close()
  })

  it('serves an unchanged exporter', async () => {
    const file = await sampleFile({ size: 400_000, chunkSize: 8_192 })
    const { helia, provider } = await setting(file.blocks)
    const session = open(helia, file.root, true)
    const entry = await exporter(file.root, session)
    expect(entry.type).toBe('file')
    expect(await bytesOf((entry as UnixFSFile).content())).toEqual(Buffer.from(file.bytes))
    // one more asks whether all of it comes as a CAR
    expect(provider.requests).toHaveLength(file.blocks.size + 1)
    session.close()
  })

  it('refuses a window that is none', async () => {
    const { helia } = await setting()
    expect(() => open(helia, tree.root, { window: -1 })).toThrow(expect.objectContaining({ name: 'InvalidOptionError' }))
  })
})
