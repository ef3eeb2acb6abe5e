import { identify } from '@libp2p/identify'
import { kadDHT } from '@libp2p/kad-dht'
import { noise } from '@libp2p/noise'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { createLibp2p } from 'libp2p'
import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { blockKey } from '../../src/block/key.ts'
import { systemClock } from '../../src/clock/system-clock.ts'
import { enhancedDHTDiscovery } from '../../src/discovery/enhanced-dht-discovery.ts'
import { addressPolicy } from '../../src/provider/address.ts'
import { TEST_PROTOCOL, kadNet } from './kad/support/kad-net.ts'
import { recordedRequest } from './recorded-request.ts'
import type { KadNode } from './kad/support/kad-net.ts'
import type { EnhancedDHTDiscovery } from '../../src/discovery/enhanced-dht-discovery.ts'
import type { Clock } from '../../src/interface/clock.ts'
import type { Libp2p } from '@libp2p/interface'

/** The machine's, and a lever: time that has passed without anybody waiting for it */
function shifted (): Clock & { pass (ms: number): void } {
  let passed = 0
  return {
    now: () => systemClock.now() + passed,
    wall: () => systemClock.wall() + passed,
    schedule: (ms, work) => systemClock.schedule(ms, work),
    sleep: async (ms, options) => systemClock.sleep(ms, options),
    timeout: ms => systemClock.timeout(ms),
    pass: ms => { passed += ms }
  }
}

describe('what is remembered of a block', () => {
  let nodes: KadNode[]
  let ours: Libp2p<{ discovery: EnhancedDHTDiscovery }>
  const clock = shifted()

  beforeAll(async () => {
    nodes = await kadNet(4)
    ours = await createLibp2p({
      addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
      transports: [tcp()],
      connectionEncrypters: [noise()],
      streamMuxers: [yamux()],
      services: {
        identify: identify(),
        ping: ping(),
        dht: kadDHT({ protocol: TEST_PROTOCOL, clientMode: false, peerInfoMapper: peer => peer }),
        discovery: enhancedDHTDiscovery({ protocol: TEST_PROTOCOL, clock, policy: addressPolicy({ allow: ['127.0.0.1'] }) })
      }
    }) as unknown as typeof ours
    await Promise.all(nodes.map(async ({ libp2p }) => libp2p.dial(ours.getMultiaddrs())))
  }, 60_000)

  afterAll(async () => {
    await ours.stop()
    await Promise.all(nodes.map(async node => { await node.stop() }))
  })

  const of = async (n: number): Promise<CID> => CID.createV1(0x55, await sha256.digest(Uint8Array.of(7, n)))

  let reads = 0

  async function found (cid: CID): Promise<{ ids: string[], asked: number }> {
    const { request, entries } = recordedRequest({ id: `read ${++reads}` })
    const ids = new Set<string>()
    for await (const { id } of ours.services.discovery.source.find({ cid, key: blockKey(cid) }, request)) {
      ids.add(id.slice('p2p:'.length))
    }
    return { ids: [...ids].sort(), asked: entries.length }
  }

  it('is asked for again when a peer tells this node that it has it', async () => {
    const [a, b] = nodes as [KadNode, KadNode]
    const cid = await of(1)
    await a.libp2p.contentRouting.provide(cid)
    expect((await found(cid)).ids).toEqual([a.id])
    expect(await found(cid)).toEqual({ ids: [a.id], asked: 0 })

    clock.pass(31_000)
    expect(await found(cid)).toEqual({ ids: [a.id], asked: 0 })
    await b.libp2p.contentRouting.provide(cid)
    await expect.poll(async () => found(cid)).toEqual({ ids: [a.id, b.id].sort(), asked: expect.any(Number) })
    expect(ours.services.discovery.stats().lookups).toMatchObject({ lookups: 2, stale: 1 })
  })

  it('is forgotten when this node announces the block', async () => {
    const [a] = nodes as [KadNode]
    const cid = await of(2)
    await a.libp2p.contentRouting.provide(cid)
    expect((await found(cid)).asked).toBeGreaterThan(0)
    expect((await found(cid)).asked).toBe(0)
    await ours.services.discovery.announce([cid])
    expect((await found(cid)).asked).toBeGreaterThan(0)
  })

  it('is heard of no more after a stop', async () => {
    const { dht } = ours.services as unknown as { dht: { providers: object } }
    expect(Object.hasOwn(dht.providers, 'addProvider')).toBe(true)
    await ours.stop()
    expect(Object.hasOwn(dht.providers, 'addProvider')).toBe(false)
    await ours.start()
  })
})
