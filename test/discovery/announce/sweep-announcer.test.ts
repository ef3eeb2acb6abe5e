import { MemoryDatastore } from 'datastore-core'
import { CID } from 'multiformats/cid'
import { sha256, sha512 } from 'multiformats/hashes/sha2'
import { identity } from 'multiformats/hashes/identity'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { blockKey } from '../../../src/block/key.ts'
import { seededRandom } from '../../../src/clock/random.ts'
import { systemClock } from '../../../src/clock/system-clock.ts'
import { EnhancedDHTDiscovery } from '../../../src/discovery/enhanced-dht-discovery.ts'
import { addressPolicy } from '../../../src/provider/address.ts'
import { unroutedRequests } from '../../../src/unrouted-requests.ts'
import { dhtNetwork } from '../../../src/testing/dht/dht-network.ts'
import { silentLogger } from '../../../src/testing/silent-logger.ts'
import type { DiscoveryAnnounceInit } from '../../../src/discovery/announce/announcements.ts'
import type { Clock } from '../../../src/interface/clock.ts'
import type { DisclosureEntry } from '../../../src/interface/disclosure.ts'
import type { DhtNetwork } from '../../../src/testing/dht/dht-network.ts'
import type { Datastore } from 'interface-datastore'
import type { DhtNode } from '../../../src/testing/dht/dht-node.ts'

async function blocks (count: number, hasher: { digest (bytes: Uint8Array): Promise<CID['multihash']> | CID['multihash'] } = sha256): Promise<CID[]> {
  return Promise.all(Array.from({ length: count }, async (_, i) => CID.createV1(0x55, await hasher.digest(new TextEncoder().encode(`block ${i}`)))))
}

/** Tries again at once */
const hasty: Clock = { ...systemClock, sleep: async (_, options) => { options?.signal?.throwIfAborted() } }

/** What kad-dht keeps in memory */
async function heldBy ({ libp2p }: DhtNode, cid: CID): Promise<string[]> {
  const { providers } = libp2p.services.dht as unknown as { providers: { getProviders (cid: CID): Promise<Array<{ toString (): string }>> } }
  return (await providers.getProviders(cid)).map(String)
}

describe('announcing in a DHT', () => {
  let network: DhtNetwork
  let node: DhtNode
  let discovery: EnhancedDHTDiscovery
  let entries: DisclosureEntry[]

  async function start (announce: DiscoveryAnnounceInit = {}, listen = true, datastore: Datastore = new MemoryDatastore()): Promise<void> {
    node = await network.add({ listen })
    const { libp2p } = node
    entries = []
    const request = unroutedRequests({ clock: systemClock, ledger: { intended: entry => { entries.push(entry) }, settled: () => {} } }, 'open')
    discovery = new EnhancedDHTDiscovery({
      peerId: libp2p.peerId,
      peerStore: libp2p.peerStore,
      connectionManager: { getConnections: libp2p.getConnections.bind(libp2p), openConnection: libp2p.dial.bind(libp2p) },
      events: libp2p,
      addressManager: { getAddresses: libp2p.getMultiaddrs.bind(libp2p) },
      datastore,
      logger: silentLogger
    }, { protocol: network.protocol, policy: addressPolicy(), clock: hasty, random: seededRandom(1), announce: { request: cid => request(cid, 'announce'), ...announce } })
    await discovery.start()
  }

  beforeEach(async () => {
    network = await dhtNetwork({ nodes: 40, seed: 3, memory: { minDelay: 1, maxDelay: 3 } })
  }, 60_000)

  afterEach(async () => {
    await discovery.stop()
    await network.stop()
  })

  it('leaves the records with the nearest, a disclosure for each, and tells how far it is', async () => {
    await start()
    const cids = await blocks(120)
    const seen: Array<[number, number]> = []
    const { swept, lookups } = await discovery.announce(cids, { onProgress: ({ detail }) => { seen.push([detail.swept.length, detail.lookups]) } })

    expect(swept).toHaveLength(120)
    expect(swept.every(({ holders }) => holders === 20)).toBe(true)
    expect(lookups).toBeLessThan(15)
    expect(seen.reduce((sum, [count]) => sum + count, 0)).toBe(120)
    expect(seen.at(-1)?.[1]).toBe(lookups)
    for (const cid of cids) {
      for (const server of network.closest(cid.multihash.bytes)) {
        expect(await heldBy(server, cid)).toEqual([node.id])
      }
    }
    // a question of a lookup may be given up, since the nearest have answered
    expect(entries.every(({ purpose, state }) => purpose === 'announce' && state !== 'intended')).toBe(true)
    expect(new Set(entries.map(({ transport, form }) => `${transport} ${form}`))).toEqual(new Set(['dht multihash', 'dial none']))
    for (const cid of cids) {
      expect(entries.filter(({ key, state }) => key === blockKey(cid) && state === 'sent').length).toBeGreaterThanOrEqual(20)
    }
    expect(discovery.stats().announcements).toMatchObject({ announced: 120, failed: 0, records: 2_400, lookups, passedOver: 0, scheduled: 120, overdue: 0 })
    expect([discovery.cancel(cids.slice(0, 20)), discovery.cancel(cids)]).toEqual([20, 100])
  }, 60_000)

  it('goes on without the dead', async () => {
    await start()
    const dead = new Set(network.kill(0.2).map(({ id }) => id))
    const cids = await blocks(60)
    const { swept } = await discovery.announce(cids)

    expect(swept.every(({ holders }) => holders >= 15)).toBe(true)
    for (const cid of cids) {
      for (const server of network.closest(cid.multihash.bytes, { count: 15 })) {
        expect(await heldBy(server, cid)).toEqual([node.id])
        expect(dead.has(server.id)).toBe(false)
      }
    }
  }, 60_000)

  it('names what nobody took, and lets the others stand', async () => {
    await start()
    const [good] = await blocks(1) as [CID]
    // kad-dht keeps records of SHA-256 only
    const [odd] = await blocks(1, sha512) as [CID]
    const error = await discovery.announce([odd, good]).then(() => undefined, (err: unknown) => err as AggregateError)

    expect(error).toMatchObject({ name: 'AggregateError', message: '1 of 2 CIDs could not be announced', errors: [{ name: 'NoHolderError', cid: odd }] })
    expect(String(error?.errors[0])).toContain(odd.toString())
    expect(await heldBy(network.closest(good.multihash.bytes)[0] as DhtNode, good)).toEqual([node.id])
    expect(discovery.stats().announcements).toMatchObject({ announced: 1, failed: 1 })
  }, 60_000)

  it('announces nothing that needs nobody, and nothing when there is nothing', async () => {
    await start()
    expect(await discovery.announce(await blocks(1, identity))).toEqual({ swept: [], lookups: 0 })
    expect(await discovery.announce([])).toEqual({ swept: [], lookups: 0 })
    expect(entries).toEqual([])
  }, 60_000)

  it('refuses what is no CID by name, after those before it', async () => {
    await start()
    const [cid] = await blocks(1) as [CID]
    await expect(discovery.announce([cid, 'nonsense' as unknown as CID])).rejects.toThrow(expect.objectContaining({ name: 'InvalidCIDError' }))
    expect(await heldBy(network.closest(cid.multihash.bytes)[0] as DhtNode, cid)).toEqual([node.id])
  }, 60_000)

  it('refuses where nobody is served, or nobody could come', async () => {
    await start({ serves: () => false })
    const cids = await blocks(1)
    await expect(discovery.announce(cids)).rejects.toThrow(expect.objectContaining({ name: 'AnnounceRefusedError', reason: 'serves-nobody' }))
    await discovery.stop()
    await start({}, false)
    await expect(discovery.announce(cids)).rejects.toThrow(expect.objectContaining({ name: 'AnnounceRefusedError', reason: 'no-address' }))
    expect(entries).toEqual([])
  }, 60_000)

  it('keeps the schedule over restarts, and writes nothing over one that it could not read', async () => {
    const cids = await blocks(3)
    const datastore = new MemoryDatastore()
    const entries = (): number => [...(datastore as unknown as { data: Map<string, unknown> }).data.keys()].filter(key => key.includes('announced')).length
    const query = datastore.query.bind(datastore)
    datastore.query = () => { throw new Error('the disk is away') }
    await start({}, true, datastore)
    await discovery.announce(cids)
    await discovery.stop()
    expect(entries()).toBe(0)

    datastore.query = query
    await discovery.start()
    await discovery.stop()
    expect(entries()).toBeGreaterThan(0)
    await start({}, true, datastore)
    expect(discovery.stats().announcements).toMatchObject({ scheduled: 3, announced: 0 })
  }, 60_000)

  it('ends with its signal and with the node', async () => {
    await start()
    const cids = await blocks(200)
    const controller = new AbortController()
    await expect(discovery.announce(cids, { signal: controller.signal, onProgress: () => { controller.abort(new Error('enough')) } })).rejects.toThrow('enough')

    async function * endless (): AsyncGenerator<CID> {
      yield * cids
      await new Promise(() => {})
    }
    const waiting = discovery.announce(endless())
    const running = discovery.announce(cids)
    await Promise.all([
      expect(waiting).rejects.toThrow(expect.objectContaining({ name: 'NotRunningError' })),
      expect(running).rejects.toThrow(expect.objectContaining({ name: 'NotRunningError' })),
      discovery.stop()
    ])
    await expect(discovery.announce(cids)).rejects.toThrow(expect.objectContaining({ name: 'NotRunningError' }))
    expect(discovery.stats().announcements.pending).toBe(0)
  }, 60_000)
})
