import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { bootstrap } from '@libp2p/bootstrap'
import { identify } from '@libp2p/identify'
import { kadDHT } from '@libp2p/kad-dht'
import { noise } from '@libp2p/noise'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { MemoryDatastore } from 'datastore-core'
import { Key } from 'interface-datastore/key'
import { createLibp2p } from 'libp2p'
import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { blockKey } from '../../../src/block/key.ts'
import { enhancedDHTDiscovery } from '../../../src/discovery/enhanced-dht-discovery.ts'
import { rememberedPrefix } from '../../../src/discovery/join/remembered-peers.ts'
import { addressPolicy } from '../../../src/provider/address.ts'
import { TEST_PROTOCOL, kadNode } from '../kad/support/kad-net.ts'
import { recordedRequest } from '../recorded-request.ts'
import { deadAddress } from '../../exchange/lease/nodes.ts'
import { peerId } from './peer-ids.ts'
import type { EnhancedDHTDiscovery } from '../../../src/discovery/enhanced-dht-discovery.ts'
import type { KadNode } from '../kad/support/kad-net.ts'
import type { Libp2p } from '@libp2p/interface'
import type { Datastore } from 'interface-datastore'
import type { Server } from 'node:net'

const WAIT = { timeout: 20_000, interval: 20 }
const running: Array<{ stop (): Promise<void> | void }> = []

/** A client as a user composes it: with a list of bootstrap peers or none */
async function client (datastore: Datastore, list: string[], init: { bootstrap?: string[], protocol?: string } = {}): Promise<{ libp2p: Libp2p, discovery: EnhancedDHTDiscovery, stop (): Promise<void> }> {
  const protocol = init.protocol ?? TEST_PROTOCOL
  const libp2p = await createLibp2p({
    datastore,
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    peerDiscovery: list.length === 0 ? [] : [bootstrap({ list, timeout: 1 })],
    services: {
      identify: identify(),
      ping: ping(),
      dht: kadDHT({ protocol, peerInfoMapper: peer => peer }),
      discovery: enhancedDHTDiscovery({ protocol, policy: addressPolicy({ allow: ['127.0.0.1'] }), bootstrap: init.bootstrap })
    }
  })
  running.push(libp2p)
  return { libp2p, discovery: (libp2p.services as unknown as { discovery: EnhancedDHTDiscovery }).discovery, stop: async () => { await libp2p.stop() } }
}

async function servers (count: number): Promise<KadNode[]> {
  const nodes = await Promise.all(Array.from({ length: count }, async () => kadNode()))
  running.push(...nodes)
  for (const [i, node] of nodes.entries()) {
    await Promise.all(nodes.slice(0, i).map(async other => node.libp2p.dial(other.libp2p.getMultiaddrs())))
  }
  return nodes
}

const addressesOf = (node: KadNode): string[] => node.libp2p.getMultiaddrs().map(String)

async function announcedBy (node: KadNode, text: string): Promise<CID> {
  const cid = CID.createV1(0x55, await sha256.digest(new TextEncoder().encode(text)))
  await node.libp2p.contentRouting.provide(cid)
  return cid
}

async function found (discovery: EnhancedDHTDiscovery, cid: CID): Promise<string[]> {
  const ids: string[] = []
  for await (const { id } of discovery.source.find({ cid, key: blockKey(cid) }, recordedRequest().request)) {
    ids.push(id)
  }
  return [...new Set(ids)]
}

const portOf = (address: string): number => Number(/\/tcp\/(\d+)/.exec(address)?.[1])

/** Whoever listens on one port is reached on another too */
async function forward (from: number, to: number): Promise<Server> {
  const server = createServer(socket => {
    const other = connect(to, '127.0.0.1')
    socket.pipe(other).pipe(socket)
    socket.on('error', () => { other.destroy() })
    other.on('error', () => { socket.destroy() })
  })
  server.listen(from, '127.0.0.1')
  await once(server, 'listening')
  return server
}

/** What discovery remembers, and nothing of libp2p: its own store forgets addresses within the hour */
async function rememberedOf (datastore: Datastore, protocol = TEST_PROTOCOL): Promise<MemoryDatastore> {
  const copy = new MemoryDatastore()
  for await (const { key, value } of datastore.query({ prefix: rememberedPrefix(protocol) })) {
    await copy.put(key, value)
  }
  return copy
}

afterEach(async () => {
  await Promise.all(running.splice(0).map(async node => { await node.stop() }))
})

describe('a libp2p node whose bootstrap peer is gone', () => {
  it('joins through peers that it met in an earlier run, and finds a block', async () => {
    const [boot, ...others] = await servers(5) as [KadNode, ...KadNode[]]
    const datastore = new MemoryDatastore()
    const first = await client(datastore, addressesOf(boot))
    await vi.waitFor(() => { expect(first.discovery.stats().joining.remembered).toBeGreaterThanOrEqual(3) }, WAIT)
    await first.stop()
    await boot.stop()
    const cid = await announcedBy(others[0] as KadNode, 'after the bootstrap peer had gone')

    const second = await client(await rememberedOf(datastore), addressesOf(boot))
    expect(await found(second.discovery, cid)).toEqual([`p2p:${others[0]?.id}`])
    expect(second.discovery.stats().joining.answered).toBeGreaterThanOrEqual(1)

    // in another network it knows nobody, and asks nobody
    const elsewhere = await client(await rememberedOf(datastore), [], { protocol: '/portolan-test/other/kad/1.0.0' })
    expect(elsewhere.discovery.stats().joining.remembered).toBe(0)
  })

  it('joins as soon as that comes back, which no restart is needed for', async () => {
    const [boot] = await servers(3) as [KadNode]
    const dead = await deadAddress()
    const node = await client(new MemoryDatastore(), [], { bootstrap: [`${dead}/p2p/${boot.id}`] })
    await vi.waitFor(() => { expect(node.discovery.stats().joining).toMatchObject({ rounds: 1, failed: 1 }) }, WAIT)

    const forwarder = await forward(portOf(dead), portOf(addressesOf(boot)[0] ?? ''))
    try {
      await vi.waitFor(() => { expect(node.discovery.stats()).toMatchObject({ peers: expect.any(Number) as number, joining: { rounds: 2, answered: 1 } }) }, WAIT)
      await vi.waitFor(() => { expect(node.discovery.stats().peers).toBeGreaterThan(0) }, WAIT)
    } finally {
      await node.stop()
      forwarder.close()
    }
  })

  it('is not held up by a list of garbage, and is rid of it', async () => {
    const [boot] = await servers(3) as [KadNode]
    const datastore = new MemoryDatastore()
    const dead = await deadAddress()
    const prefix = rememberedPrefix(TEST_PROTOCOL)
    const put = async (id: string, value: unknown): Promise<void> => {
      await datastore.put(new Key(`${prefix}/${Buffer.from(id).toString('base64url')}`), new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value)))
    }
    for (let n = 0; n < 200; n++) {
      await put(peerId(n), { id: peerId(n), at: Date.now() - n, addresses: [dead] })
    }
    await put('x', '{')
    await put('y', { id: 'y', at: 'never', addresses: [7] })
    await put(peerId(300), { id: peerId(300), at: Date.now(), addresses: ['/ip4/10.0.0.1/tcp/4001', '/ip4/169.254.169.254/tcp/8080', 'rubbish'] })

    const node = await client(datastore, [], { bootstrap: addressesOf(boot) })
    await vi.waitFor(() => { expect(node.discovery.stats().joining.answered).toBe(1) }, WAIT)
    expect(node.discovery.stats().joining).toMatchObject({ rounds: 1 })
    expect(node.discovery.stats().joining.failed).toBeLessThanOrEqual(32)
    expect(node.discovery.stats().joining.remembered).toBeLessThanOrEqual(128)
    await node.stop()

    // 128 at most, and what could not be read is not read again
    const keys: string[] = []
    for await (const { key } of datastore.query({ prefix })) {
      keys.push(Buffer.from(key.baseNamespace(), 'base64url').toString())
    }
    expect(keys.length).toBeLessThanOrEqual(128)
    expect(keys).not.toContain('x')
    expect(keys).not.toContain('y')
    expect(keys).not.toContain(peerId(300))
  })

  it('goes on with those that its own @libp2p/bootstrap was given', async () => {
    const [boot] = await servers(3) as [KadNode]
    const node = await client(new MemoryDatastore(), addressesOf(boot))
    await vi.waitFor(() => { expect(node.discovery.stats().peers).toBeGreaterThanOrEqual(1) }, WAIT)
    await vi.waitFor(() => { expect(node.discovery.stats().joining.remembered).toBeGreaterThanOrEqual(1) }, WAIT)
  })
})
