import { contentRoutingSymbol } from '@libp2p/interface'
import { kadDHT } from '@libp2p/kad-dht'
import { ping } from '@libp2p/ping'
import all from 'it-all'
import { createLibp2p } from 'libp2p'
import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'
import { afterEach, describe, expect, it } from 'vitest'
import { blockKey } from '../../src/block/key.ts'
import { systemClock } from '../../src/clock/system-clock.ts'
import { enhancedDHTDiscovery } from '../../src/discovery/enhanced-dht-discovery.ts'
import { KadRouters, allComponents } from '../../src/discovery/kad-routers.ts'
import { lookupOf, ownLookup } from '../../src/discovery/own-lookup.ts'
import { addressPolicy } from '../../src/provider/address.ts'
import { silentLogger } from '../../src/testing/silent-logger.ts'
import { loopbackLibp2p } from '../helia/loopback-libp2p.ts'
import { TEST_PROTOCOL, kadNode } from './kad/support/kad-net.ts'
import { recordedRequest } from './recorded-request.ts'
import type { EnhancedDHTDiscovery } from '../../src/discovery/enhanced-dht-discovery.ts'
import type { KadNode } from './kad/support/kad-net.ts'
import type { PeerInfo } from '@libp2p/interface'

const cid = CID.createV1(0x55, await sha256.digest(new TextEncoder().encode('looked for')))
const otherCID = async (): Promise<CID> => CID.createV1(0x55, await sha256.digest(new TextEncoder().encode('another')))
const closing: Array<() => Promise<unknown>> = []

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) {
    await close()
  }
})

async function node (): Promise<KadNode> {
  const started = await kadNode()
  closing.push(async () => started.stop())
  return started
}

interface Router { findProviders (cid: CID, options?: object): AsyncIterable<PeerInfo> }

const routerOf = ({ libp2p }: KadNode): Router => (libp2p.services.dht as unknown as { [contentRoutingSymbol]: Router })[contentRoutingSymbol]

describe('the seams of kad-dht', () => {
  it('its router is the one that libp2p asks, is called at each lookup and is handed all options; it says what it speaks', async () => {
    const { libp2p } = await node()
    const dht = libp2p.services.dht as unknown as Record<string | symbol, unknown>
    expect(dht[Symbol.toStringTag]).toBe('@libp2p/kad-dht')
    expect(dht).toMatchObject({ protocol: TEST_PROTOCOL, k: 20, providers: { loadProviders: expect.any(Function) } })
    const router = dht[contentRoutingSymbol] as Router
    expect(router).toBe(dht[contentRoutingSymbol])
    expect((libp2p.contentRouting as unknown as { routers: unknown[] }).routers).toEqual([router])
    const given: unknown[] = []
    Object.assign(router, { async * findProviders (_: unknown, options: object) { given.push(lookupOf(options)) } })
    await all(libp2p.contentRouting.findProviders(cid, ownLookup({ withoutDHT: true })))
    expect(given).toEqual([{ withoutDHT: true }])
  })

  it('a service can see all that the node is made of', async () => {
    let seen: object = {}
    const libp2p = await createLibp2p({ ...loopbackLibp2p(), services: { mine: (components: object) => { seen = components; return { mine: true } } } as never })
    closing.push(async () => libp2p.stop())
    expect([...allComponents(seen)]).toContainEqual({ mine: true })
    expect([...allComponents({})]).toEqual([])
  })
})

describe('the routers of kad-dht', () => {
  const answering = (kad: KadNode, services: unknown[], protocol = TEST_PROTOCOL): { routers: KadRouters, asked: string[] } => {
    const asked: string[] = []
    const routers = new KadRouters({
      log: silentLogger.forComponent('test'),
      clock: systemClock,
      services: () => services,
      peerStore: kad.libp2p.peerStore,
      self: kad.id,
      async * answer (cid) {
        asked.push(cid.toString())
        for (let i = 0; i < 30; i++) {
          yield { id: kad.libp2p.peerId, multiaddrs: [], routing: 'ours' }
        }
      }
    }, protocol)
    return { routers, asked }
  }

  it('are answered while we run, with as many as kad-dht names, and are as they were before and after', async () => {
    const kad = await node()
    const router = routerOf(kad)
    const plain = router.findProviders
    const { routers, asked } = answering(kad, [{}, null, undefined, 'text', kad.libp2p.services.dht])

    for (let round = 1; round <= 2; round++) {
      routers.start()
      expect(routers.size).toBe(1)
      expect(await all(router.findProviders(cid))).toHaveLength(20)
      expect(await all(router.findProviders(cid, ownLookup({ withoutDHT: true })))).toEqual([])
      expect(await all(router.findProviders(cid, ownLookup({})))).toHaveLength(20)
      expect(asked).toHaveLength(2 * round)
      routers.stop()
      expect(router.findProviders).toBe(plain)
      expect(routers.size).toBe(0)
    }
  })

  it('of another protocol are left alone', async () => {
    const kad = await node()
    const plain = routerOf(kad).findProviders
    const { routers } = answering(kad, [kad.libp2p.services.dht], '/another/kad/1.0.0')
    routers.start()
    expect(routers.size).toBe(0)
    expect(routerOf(kad).findProviders).toBe(plain)
    routers.stop()
  })
})

describe('what others announced to this node', () => {
  it('is found though none of them is in its table, by content routing and through libp2p', async () => {
    const init = loopbackLibp2p()
    const ours = await createLibp2p({
      ...init,
      services: {
        ...init.services,
        ping: ping(),
        dht: kadDHT({ protocol: TEST_PROTOCOL, clientMode: false, peerInfoMapper: peer => peer, allowQueryWithZeroPeers: true }),
        discovery: enhancedDHTDiscovery({ protocol: TEST_PROTOCOL, policy: addressPolicy({ allow: ['127.0.0.1'] }) })
      }
    })
    closing.push(async () => ours.stop())
    const client = await node()
    const { services } = ours as unknown as { services: { discovery: EnhancedDHTDiscovery, dht: { providers: { addProvider (cid: CID, peer: unknown): Promise<void>, writeProviderEntry (cid: CID, peer: unknown, options: { time: Date }): Promise<void> } } } }
    await ours.peerStore.merge(client.libp2p.peerId, { multiaddrs: client.libp2p.getMultiaddrs() })
    // as its server does on ADD_PROVIDER
    await services.dht.providers.addProvider(cid, client.libp2p.peerId)
    await services.dht.providers.addProvider(cid, ours.peerId)

    // one that has expired
    await services.dht.providers.writeProviderEntry(cid, (await node()).libp2p.peerId, { time: new Date(systemClock.wall() - 172_800_001) })

    const { request, entries } = recordedRequest()
    const routers = new KadRouters({ log: silentLogger.forComponent('test'), clock: systemClock, services: () => [services.dht], peerStore: ours.peerStore, self: ours.peerId.toString(), answer: async function * () {} }, TEST_PROTOCOL)
    routers.start()
    expect((await routers.stored(cid, request.signal)).map(({ id }) => id)).toEqual([client.id])
    expect(await routers.stored(await otherCID(), request.signal)).toEqual([])
    routers.stop()
    expect(await routers.stored(cid, request.signal)).toEqual([])
    const looking = services.discovery.source.find({ cid, key: blockKey(cid) }, request)[Symbol.asyncIterator]()
    expect((await looking.next()).value).toMatchObject({ id: `p2p:${client.id}`, addresses: expect.arrayContaining([expect.stringContaining('/ip4/127.0.0.1/tcp/')]) })
    await looking.return?.()
    const first = ours.contentRouting.findProviders(cid)[Symbol.asyncIterator]()
    expect((await first.next()).value?.id.toString()).toBe(client.id)
    await first.return?.()
    expect(entries).toEqual([])
  })
})
