import { withBitswap } from '@helia/bitswap'
import { withLibp2pLight } from '@helia/libp2p'
import { unixfs } from '@helia/unixfs'
import { identify } from '@libp2p/identify'
import { createHeliaLight } from 'helia'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { MetricRegistry } from '../../src/gateway/metric-registry.ts'
import { createPortolan } from '../../src/portolan.ts'
import { withContentRouting } from '../../src/index.ts'
import { sampleFile } from '../../src/testing/sample-file.ts'
import { loopbackLibp2p } from '../helia/loopback-libp2p.ts'
import { block, read } from '../helia/own-routing.ts'
import { bytesFrom, failure, told } from './node.ts'
import type { ContentRoutingOptions } from '../../src/index.ts'
import type { Portolan, PortolanInit } from '../../src/portolan.ts'
import type { HeliaWithLibp2p } from '@helia/libp2p'

type TestBlock = Awaited<ReturnType<typeof block>>

const LOOPBACK = ['/ip4/127.0.0.1/tcp/0']
/** Nodes of every make identify each other */
const libp2p = (): ReturnType<typeof loopbackLibp2p> => ({ ...loopbackLibp2p(), services: { identify: identify() } })
const open: Array<{ stop (): Promise<unknown> }> = []

afterEach(async () => {
  await Promise.all(open.splice(0).map(async node => node.stop()))
})

async function portolan (init: PortolanInit = {}): Promise<Portolan> {
  const node = await createPortolan(init)
  open.push(node)
  return node
}

const server = async (init: PortolanInit = {}): Promise<Portolan> => portolan({ listen: LOOPBACK, serve: 'everyone', ...init })

/** A Helia node with libp2p and @helia/bitswap and nothing of ours */
async function plain (): Promise<HeliaWithLibp2p> {
  const helia = withBitswap(withLibp2pLight(createHeliaLight(), libp2p())) as unknown as HeliaWithLibp2p
  open.push(helia)
  return helia.start()
}

async function wrapped (init: ContentRoutingOptions = {}): Promise<ReturnType<typeof withContentRouting<HeliaWithLibp2p>>> {
  const helia = withContentRouting(withLibp2pLight(createHeliaLight(), libp2p()) as unknown as HeliaWithLibp2p, { allowAddresses: ['127.0.0.1'], ...init })
  open.push(helia)
  return helia.start()
}

const addressOf = (node: { libp2p: { getMultiaddrs (): Array<{ toString (): string }> } }): string => String(node.libp2p.getMultiaddrs()[0])

const peerOf = (node: { libp2p: { peerId: { toString (): string } } }): string => `p2p:${node.libp2p.peerId.toString()}`

describe('two nodes of ours', () => {
  it('read from each other over bitswap and TLS, by a multiaddr that was named', async () => {
    const file = await sampleFile({ size: 3_000_000 })
    const one = await server()
    const root = await unixfs(one.helia).addBytes(file.bytes)
    const two = await portolan({ providers: [addressOf(one)] })

    expect(Buffer.from(await bytesFrom(two.contentRouting.retrieveContent(root)))).toEqual(Buffer.from(file.bytes))
    expect(two.libp2p.getConnections().map(({ encryption }) => encryption)).toEqual(['/tls/1.0.0'])
    expect(told(two.contentRouting.explain(root)).attempts[0]).toMatchObject({ provider: peerOf(one), transport: 'bitswap', outcome: 'delivered' })
    expect(two.contacts).toEqual([addressOf(one)])
    const { exchange } = two.contentRouting.stats()
    expect(exchange).toMatchObject({ bitswap: { running: true, wantsOpen: 0, cancels: 0, connections: { peers: 1 } } })
    expect(exchange?.blocks.bitswap).toBe(exchange?.bitswap?.wants)
    expect(exchange?.received.bitswap).toBeGreaterThanOrEqual(3_000_000)
    expect(one.contentRouting.stats().exchange?.bitswap?.serving).toMatchObject({ policy: 'everyone', refused: 0 })
    expect(one.contentRouting.stats().exchange?.bitswap?.serving?.bytes).toBeGreaterThanOrEqual(3_000_000)
  })

  it.each<[string, PortolanInit['serve']]>([
    ['by default', undefined],
    ['with serve: none', 'none'],
    ['with serve: peers, whom it neither named nor dialled', 'peers'],
    ['with an allow-list without them', { allow: ['12D3KooWAvLJdWDqXdojUvY5mm9xFcCL77wBGtTdmzqiGbF8ZwvS'] }]
  ])('tells a stranger that it has nothing %s', async (_, serve) => {
    const one = await server({ serve })
    const cid = await unixfs(one.helia).addBytes(new Uint8Array(1_000))
    const two = await portolan({ providers: [addressOf(one)] })

    expect(await failure(two.contentRouting.retrieve(cid))).toMatchObject({ name: 'NotFoundError', errors: [{ outcome: 'not-here', provider: peerOf(one) }] })
    expect(one.contentRouting.stats().exchange?.bitswap?.serving).toMatchObject({ blocks: 0, bytes: 0, haves: 0, refused: 1 })
  })

  it('serves peers that it named or dialled, and those on its list, and tells others that it has nothing', async () => {
    const [friend, stranger] = [await portolan({ listen: LOOPBACK, allowAddresses: ['127.0.0.1'] }), await portolan({ allowAddresses: ['127.0.0.1'] })]
    const naming = await server({ serve: 'peers', providers: [addressOf(friend)] })
    const dialling = await server({ serve: 'peers', allowAddresses: ['127.0.0.1'] })
    const listing = await server({ serve: { allow: [friend.libp2p.peerId.toString()] } })
    await dialling.libp2p.dial(friend.libp2p.getMultiaddrs())

    for (const [i, one] of [naming, dialling, listing].entries()) {
      const cid = await unixfs(one.helia).addBytes(new Uint8Array(1_000 + i))
      expect((await friend.contentRouting.retrieve(cid, { providers: [addressOf(one)] })).byteLength).toBe(1_000 + i)
      await expect(stranger.contentRouting.retrieve(cid, { providers: [addressOf(one)] })).rejects.toMatchObject({ name: 'NotFoundError' })
    }
  })

  it('answers a want that came before the block did, however the block comes', async () => {
    const [first, second, third] = await Promise.all(['first', 'second', 'third'].map(async text => block(text))) as [TestBlock, TestBlock, TestBlock]
    const one = await server({ allowAddresses: ['127.0.0.1'] })
    const origin = await server()
    const reader = await plain()
    await reader.libp2p.dial(one.libp2p.getMultiaddrs())
    const waits = async (count: number): Promise<void> => {
      await vi.waitFor(() => { expect(one.contentRouting.stats().exchange?.bitswap?.serving?.awaited).toBe(count) }, { timeout: 10_000 })
    }

    // a user's put, a read that stores, and a put behind our back that is announced
    const reads = [first, second, third].map(async ({ cid }) => read(reader.blockstore.get(cid)))
    await waits(3)
    await one.helia.blockstore.put(first.cid, first.bytes)
    expect(await reads[0]).toBe('first')
    await origin.helia.blockstore.put(second.cid, second.bytes)
    await one.contentRouting.retrieve(second.cid, { providers: [addressOf(origin)] })
    expect(await reads[1]).toBe('second')
    await one.store.put(third.cid, third.bytes)
    // told first, though there is no router to publish it with
    await expect(one.contentRouting.announce(third.cid)).rejects.toThrow('could not be announced')
    expect(await reads[2]).toBe('third')
  })

  it.each(['balanced', 'strict'] as const)('ask nobody but who was named in mode %s, whoever is connected', async mode => {
    const spies = await Promise.all([server(), server(), server()])
    const one = await server()
    const root = await unixfs(one.helia).addBytes(new Uint8Array(1_000))
    const two = await portolan({ mode, providers: [addressOf(one)], allowAddresses: ['127.0.0.1'] })
    await Promise.all(spies.map(async spy => two.libp2p.dial(spy.libp2p.getMultiaddrs())))

    expect((await two.contentRouting.retrieve(root)).byteLength).toBe(1_000)
    await expect(two.contentRouting.retrieve((await block(mode)).cid)).rejects.toMatchObject({ name: 'NotFoundError' })
    expect(one.contentRouting.stats().exchange?.bitswap?.serving).toMatchObject({ blocks: 1, dontHaves: 1 })
    for (const spy of spies) {
      expect(spy.contentRouting.stats().exchange?.bitswap?.serving).toMatchObject({ peers: 0, wants: 0, blocks: 0, haves: 0, dontHaves: 0 })
    }
  })

  it('ask who is connected in mode open, when nobody else has it', async () => {
    const one = await server()
    const root = await unixfs(one.helia).addBytes(new Uint8Array(1_000))
    const two = await portolan({ mode: 'open', allowAddresses: ['127.0.0.1'] })
    await two.libp2p.dial(one.libp2p.getMultiaddrs())

    expect((await two.contentRouting.retrieve(root)).byteLength).toBe(1_000)
  })
})

describe('a peer that sends what is no bitswap', () => {
  it('has it on its record, and nobody else is served the worse', async () => {
    const one = await server()
    const root = await unixfs(one.helia).addBytes(new Uint8Array(1_000))
    const evil = await plain()
    const connection = await evil.libp2p.dial(one.libp2p.getMultiaddrs())
    const stream = await connection.newStream('/ipfs/bitswap/1.2.0')
    // a length, and then nothing that a message could begin with
    stream.send(new Uint8Array([4, 0xff, 0xff, 0xff, 0xff]))

    await vi.waitFor(() => {
      expect(one.contentRouting.stats().providers.find(({ id }) => id === peerOf(evil))?.conduct).toBeLessThan(0)
    }, { timeout: 10_000 })
    const two = await portolan({ providers: [addressOf(one)] })
    expect((await two.contentRouting.retrieve(root)).byteLength).toBe(1_000)
  })
})

describe('what is counted', () => {
  it('can be scraped', async () => {
    const one = await server()
    const root = await unixfs(one.helia).addBytes(new Uint8Array(1_000))
    const metrics = new MetricRegistry()
    const two = await portolan({ providers: [addressOf(one)], metrics: metrics as unknown as PortolanInit['metrics'] })
    await two.contentRouting.retrieve(root)

    const text = metrics.toString()
    expect(text).toContain('portolan_exchange_blocks_total{transport="bitswap"} 1\n')
    expect(text).toContain('portolan_exchange_received_bytes_total{transport="bitswap"} 1000\n')
    expect(text).toContain('portolan_exchange_bitswap_wants_total 1\n')
    expect(text).toContain('portolan_exchange_served_blocks_total 0\n')
  })
})

describe('a wrapped Helia and a plain one', () => {
  it('the wrapped one reads a file from @helia/bitswap, by a hint', async () => {
    const one = await plain()
    const bytes = new Uint8Array(3_000_000).map((_, i) => i * 7)
    const cid = await unixfs(one).addBytes(bytes)
    const two = await wrapped()

    expect(Buffer.from(await bytesFrom(two.contentRouting.retrieveContent(cid, { providers: one.libp2p.getMultiaddrs() })))).toEqual(Buffer.from(bytes))
    expect(two.contentRouting.stats().exchange?.blocks).toMatchObject({ http: 0, broker: 0 })
  })

  it('the plain one reads a file from the wrapped one, which serves by its own word', async () => {
    const one = await wrapped({ serve: 'everyone' })
    const bytes = new Uint8Array(1_000_000).map((_, i) => i * 11)
    const cid = await unixfs(one).addBytes(bytes)
    const two = await plain()
    await two.libp2p.dial(one.libp2p.getMultiaddrs())

    expect(Buffer.from(await bytesFrom(unixfs(two).cat(cid)))).toEqual(Buffer.from(bytes))
    expect(one.contentRouting.stats().exchange?.bitswap?.serving?.bytes).toBeGreaterThanOrEqual(1_000_000)
  })

  it('one without a bitswap of its own serves nobody unless it is told to', async () => {
    const one = await wrapped()
    const { cid, bytes } = await block('kept')
    await one.blockstore.put(cid, bytes)
    const two = await portolan({ allowAddresses: ['127.0.0.1'] })

    await expect(two.contentRouting.retrieve(cid, { providers: one.libp2p.getMultiaddrs() })).rejects.toMatchObject({ name: 'NotFoundError' })
  })
})
