import { identify } from '@libp2p/identify'
import { kadDHT } from '@libp2p/kad-dht'
import { noise } from '@libp2p/noise'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { MemoryDatastore } from 'datastore-core'
import { createLibp2p } from 'libp2p'
import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { blockKey } from '../../src/block/key.ts'
import { seededRandom } from '../../src/clock/random.ts'
import { systemClock } from '../../src/clock/system-clock.ts'
import { EnhancedDHTDiscovery, enhancedDHTDiscovery } from '../../src/discovery/enhanced-dht-discovery.ts'
import { commonPrefixLength, kadKey, peerKey } from '../../src/discovery/kad/kad-key.ts'
import { addressPolicy } from '../../src/provider/address.ts'
import { silentLogger } from '../../src/testing/silent-logger.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'
import { TEST_PROTOCOL, kadNet, kadNode } from './kad/support/kad-net.ts'
import { recordedRequest } from './recorded-request.ts'
import type { KadNode } from './kad/support/kad-net.ts'
import type { Clock } from '../../src/interface/clock.ts'
import type { BlockKey } from '../../src/interface/provider.ts'

async function wantOf (text: string): Promise<{ cid: CID, key: BlockKey }> {
  const cid = CID.createV1(0x55, await sha256.digest(new TextEncoder().encode(text)))
  return { cid, key: blockKey(cid) }
}

function discoveryOn ({ libp2p }: KadNode, datastore = new MemoryDatastore(), clock: Clock = systemClock): EnhancedDHTDiscovery {
  return new EnhancedDHTDiscovery({ ...libp2p.services.components, peerId: libp2p.peerId, datastore, logger: silentLogger }, { protocol: TEST_PROTOCOL, policy: addressPolicy({ allow: ['127.0.0.1'] }), clock, random: seededRandom(1) })
}

async function found (discovery: EnhancedDHTDiscovery, want: { cid: CID, key: BlockKey }): Promise<{ ids: string[], asked: number }> {
  const { request, entries } = recordedRequest()
  const ids: string[] = []
  for await (const { id } of discovery.source.find(want, request)) {
    ids.push(id)
  }
  return { ids, asked: entries.length }
}

describe('discovery on a libp2p node beside kad-dht', () => {
  let nodes: KadNode[]

  beforeAll(async () => {
    nodes = await kadNet(8)
  }, 60_000)

  afterAll(async () => {
    await Promise.all(nodes.map(async node => { await node.stop() }))
  })

  it('finds who provides, asks once while that is fresh, and knows it after a restart', async () => {
    const [ours, provider] = nodes as [KadNode, KadNode]
    const datastore = new MemoryDatastore()
    const want = await wantOf('one')
    await provider.libp2p.contentRouting.provide(want.cid)

    const first = discoveryOn(ours, datastore)
    await first.start()
    expect(await found(first, want)).toEqual({ ids: [`p2p:${provider.id}`], asked: 7 })
    expect(await found(first, want)).toEqual({ ids: [`p2p:${provider.id}`], asked: 0 })
    expect(first.stats()).toMatchObject({ peers: 7, silent: 0, records: 1, lookups: { lookups: 1, hits: 1 } })
    expect(first.stats().buckets.reduce((sum, { peers }) => sum + peers, 0)).toBe(7)
    await first.stop()

    const second = discoveryOn(ours, datastore)
    await second.start()
    expect(await found(second, want)).toEqual({ ids: [`p2p:${provider.id}`], asked: 0 })
    second.forget(want.key)
    expect((await found(second, want)).asked).toBe(7)
    await second.stop()
    expect(await found(second, await wantOf('two'))).toEqual({ ids: [], asked: 0 })
  })

  it('counts a lookup as a refresh of its bucket', async () => {
    const discovery = discoveryOn(nodes[0] as KadNode)
    await discovery.start()
    expect(discovery.stats().buckets.every(({ walkedAgo }) => walkedAgo == null)).toBe(true)
    const self = peerKey((nodes[0] as KadNode).id)
    const through = new Set<number>()
    const walked = (): number[] => discovery.stats().buckets.filter(({ walkedAgo }) => walkedAgo != null).map(({ depth }) => depth)
    const inUse = (): number[] => discovery.stats().buckets.map(({ depth }) => depth).filter(depth => through.has(depth))

    for (let i = 0; i < 5; i++) {
      const want = await wantOf(`nothing ${i}`)
      await found(discovery, want)
      through.add(commonPrefixLength(self, kadKey(want.cid.multihash.bytes)))
      expect(walked()).toEqual(inUse())
    }
    expect(walked()).not.toEqual([])
    await discovery.stop()
  })

  it('starts and stops by hand, in any order', async () => {
    const discovery = discoveryOn(nodes[0] as KadNode)
    await discovery.stop()
    await Promise.all([discovery.start(), discovery.start()])
    expect(discovery.isStarted()).toBe(true)
    await discovery.stop()
    await discovery.stop()
    await discovery.start()
    expect(discovery.stats().peers).toBe(7)
    await discovery.stop()
    expect(discovery.isStarted()).toBe(false)
  })

  it('asks nobody where there is no DHT', async () => {
    const alone = await kadNode()
    const clock = new VirtualClock()
    const discovery = discoveryOn(alone, new MemoryDatastore(), clock)
    await discovery.start()
    // for as long as somebody may still turn up
    const waiting = found(discovery, await wantOf('one'))
    await clock.run(clock.sleep(9_000))
    expect(await Promise.race([waiting, Promise.resolve('waits')])).toBe('waits')
    await clock.run(clock.sleep(1_001))
    expect(await waiting).toEqual({ ids: [], asked: 0 })
    expect(await found(discovery, await wantOf('two'))).toEqual({ ids: [], asked: 0 })
    await discovery.stop()
    expect(clock.pending).toBe(0)
    await alone.stop()
  })

  it('fails where somebody was named and nobody is there: what was remembered stays, and nobody takes it for a no', async () => {
    const alone = await kadNode()
    const { libp2p } = alone
    const clock = new VirtualClock()
    const discovery = new EnhancedDHTDiscovery({ ...libp2p.services.components, peerId: libp2p.peerId, logger: silentLogger }, {
      protocol: TEST_PROTOCOL, bootstrap: [`/ip4/127.0.0.1/tcp/1/p2p/${(nodes[1] as KadNode).id}`], policy: addressPolicy({ allow: ['127.0.0.1'] }), clock, random: seededRandom(1)
    })
    await discovery.start()
    const waiting = found(discovery, await wantOf('one'))
    const failed = expect(waiting).rejects.toMatchObject({ name: 'WalkFailedError', message: expect.stringContaining('no peer of the DHT is known: whoever was named to join through (bootstrap) does not answer') as string })
    await clock.run(clock.sleep(10_001))
    await failed
    await discovery.stop()
    expect(await found(discovery, await wantOf('two'))).toEqual({ ids: [], asked: 0 })
    await alone.stop()
  })

  it('is a service of libp2p, declared before kad-dht or after it, that starts and stops with the node', async () => {
    const [server, provider] = nodes as [KadNode, KadNode]
    const want = await wantOf('four')
    await provider.libp2p.contentRouting.provide(want.cid)
    const discovery = enhancedDHTDiscovery({ protocol: TEST_PROTOCOL, policy: addressPolicy({ allow: ['127.0.0.1'] }) })
    const dht = kadDHT({ protocol: TEST_PROTOCOL, peerInfoMapper: peer => peer })

    for (const services of [{ discovery, dht }, { dht, discovery }]) {
      const libp2p = await createLibp2p({ transports: [tcp()], connectionEncrypters: [noise()], streamMuxers: [yamux()], services: { identify: identify(), ping: ping(), ...services } })
      await libp2p.dial(server.libp2p.getMultiaddrs())
      expect((await found(libp2p.services.discovery, want)).ids).toEqual([`p2p:${provider.id}`])
      await libp2p.stop()
      expect(libp2p.services.discovery.isStarted()).toBe(false)
    }
  })

  it('waits for the first peer of a node that has just started', async () => {
    const [server, provider] = nodes as [KadNode, KadNode]
    const want = await wantOf('three')
    await provider.libp2p.contentRouting.provide(want.cid)
    const fresh = await kadNode()
    const discovery = discoveryOn(fresh)
    await discovery.start()
    const waiting = found(discovery, want)
    await fresh.libp2p.dial(server.libp2p.getMultiaddrs())
    expect((await waiting).ids).toEqual([`p2p:${provider.id}`])
    await discovery.stop()
    await fresh.stop()
  })
})
