import { withLibp2pLight } from '@helia/libp2p'
import { MemoryDatastore } from 'datastore-core'
import { createHeliaLight } from 'helia'
import all from 'it-all'
import { createLibp2p } from 'libp2p'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { heliaMixin, libp2pComposer } from '../../src/compose.ts'
import { undiciTransport } from '../../src/exchange/http/undici-egress.ts'
import { dhtNetwork } from '../../src/testing/dht/dht-network.ts'
import { asked, cidOf, inNetwork, join, ledger } from './lookup-wire.ts'
import type { HeliaContentRouting } from '../../src/helia/helia-routing.ts'
import type { DisclosureEntry } from '../../src/interface/disclosure.ts'
import type { DhtNetwork } from '../../src/testing/dht/dht-network.ts'
import type { HeliaWithLibp2p } from '@helia/libp2p'
import type { Libp2p, ServiceMap } from '@libp2p/interface'
import type { Datastore } from 'interface-datastore'
import type { CID } from 'multiformats/cid'

type Wrapped = HeliaWithLibp2p<ServiceMap> & { contentRouting: HeliaContentRouting }

let network: DhtNetwork
const closing: Array<() => Promise<unknown>> = []

beforeAll(async () => {
  network = await dhtNetwork({ nodes: 30, seed: 5, memory: { minDelay: 1, maxDelay: 3 } })
}, 60_000)

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) {
    await close()
  }
})

afterAll(async () => {
  await network.stop()
})

/** A block that one of the servers announces, and who it is */
async function provided (text: string): Promise<{ cid: CID, holder: string }> {
  const cid = await cidOf(text)
  const holder = network.servers[20]
  await holder?.libp2p.contentRouting.provide(cid)
  return { cid, holder: holder?.id ?? '' }
}

async function helia (init: { datastore?: Datastore, discovery?: boolean } = {}): Promise<{ node: Wrapped, entries: DisclosureEntry[] }> {
  const book = ledger()
  const light = createHeliaLight({ datastore: init.datastore ?? new MemoryDatastore() })
  const node = heliaMixin(undiciTransport, { ledger: book })(withLibp2pLight(light, inNetwork(network, init)) as HeliaWithLibp2p<ServiceMap>)
  closing.push(async () => node.stop())
  await node.start()
  await join(network, node.libp2p)
  return { node, entries: book.entries }
}

async function bare (init: { datastore?: Datastore, discovery?: boolean } = {}): Promise<Libp2p> {
  const libp2p = await createLibp2p({ ...inNetwork(network, init), datastore: init.datastore })
  closing.push(async () => libp2p.stop())
  await join(network, libp2p)
  return libp2p
}

const idsOf = (found: ReadonlyArray<{ id: { toString (): string } }>): string[] => found.map(({ id }) => id.toString())
const hops = (entries: readonly DisclosureEntry[]): string[] => entries.filter(({ transport }) => transport === 'dht').map(({ observer }) => observer.slice('p2p:'.length)).sort()

describe('lookups that others make on a Helia node whose libp2p has a discovery', () => {
  it('are one walk, whoever asks, and none while the answer is fresh; each hop is disclosed', async () => {
    const { cid, holder } = await provided('one')
    const { node, entries } = await helia()
    const wire = asked(network, node.libp2p.peerId, cid)

    const found = await Promise.all([
      all(node.routing.findProviders(cid)),
      all(node.routing.findProviders(cid)),
      all(node.libp2p.contentRouting.findProviders(cid))
    ])
    const peer = network.servers[20]?.peerId
    expect(idsOf(found[0])).toEqual([peer?.toCID().toString()])
    expect(idsOf(found[1])).toEqual(idsOf(found[0]))
    expect(idsOf(found[2])).toEqual([holder])
    expect(found[0][0]).toMatchObject({ router: 'dht', fallback: false, multiaddrs: [expect.anything()] })
    // nobody twice
    expect(wire.peers.length).toBeGreaterThan(5)
    expect(new Set(wire.peers).size).toBe(wire.peers.length)
    expect(hops(entries)).toEqual([...wire.peers].sort())
    // kad-dht is the only router, and it is not asked by libp2p's
    expect(entries.filter(({ transport }) => transport === 'foreign')).toMatchObject([{ observer: 'router:helia', state: 'not-sent' }])
    expect(entries.filter(({ transport }) => transport === 'dht').every(({ state, form, audience }) => state === 'sent' && form === 'multihash' && audience === 'one')).toBe(true)

    const before = wire.peers.length
    await all(node.routing.findProviders(cid))
    await all(node.libp2p.contentRouting.findProviders(cid))
    expect(wire.peers.length).toBe(before)
  })

  it('and a retrieval share one walk', async () => {
    const cid = await cidOf('nobody has it')
    const { node, entries } = await helia()
    const wire = asked(network, node.libp2p.peerId, cid)
    const reading = expect(node.contentRouting.retrieve(cid)).rejects.toMatchObject({ name: 'NotFoundError' })
    expect(await Promise.all([all(node.routing.findProviders(cid)), all(node.libp2p.contentRouting.findProviders(cid))])).toEqual([[], []])
    await reading
    expect(new Set(wire.peers).size).toBe(wire.peers.length)
    expect(hops(entries)).toEqual([...wire.peers].sort())
  })

  it('are answered from memory after a restart', async () => {
    const { cid } = await provided('two')
    const datastore = new MemoryDatastore()
    const first = await helia({ datastore })
    await all(first.node.routing.findProviders(cid))
    await first.node.stop()

    const second = await helia({ datastore })
    const wire = asked(network, second.node.libp2p.peerId, cid)
    expect(idsOf(await all(second.node.routing.findProviders(cid)))).toHaveLength(1)
    expect(idsOf(await all(second.node.libp2p.contentRouting.findProviders(cid)))).toHaveLength(1)
    expect(wire.peers).toEqual([])
  })

  it('go on as they would without us while it is disabled, and when it has stopped', async () => {
    const { cid, holder } = await provided('three')
    const { node } = await helia()
    const answering = node.routing.findProviders
    node.contentRouting.disable()
    expect(node.routing.findProviders).not.toBe(answering)
    const original = node.routing.findProviders
    node.contentRouting.enable()
    node.contentRouting.disable()
    expect(node.routing.findProviders).toBe(original)
    // through Helia's own function, libp2p-router and the discovery that stands in for kad-dht
    expect(await all(node.routing.findProviders(cid))).toMatchObject([{ router: 'libp2p-router' }])
    node.contentRouting.enable()
    await node.stop()
    expect(node.routing.findProviders).toBe(original)
    expect(holder).not.toBe('')
  })
})

describe('and where there is only kad-dht', () => {
  it('are one walk of kad-dht, disclosed as the node\'s own, and none while the answer is fresh, or after a restart', async () => {
    const { cid } = await provided('four')
    const datastore = new MemoryDatastore()
    const first = await helia({ datastore, discovery: false })
    const wire = asked(network, first.node.libp2p.peerId, cid)
    const found = await Promise.all([all(first.node.routing.findProviders(cid)), all(first.node.routing.findProviders(cid))])
    expect(found.map(idsOf)).toEqual([[network.servers[20]?.peerId.toCID().toString()], [network.servers[20]?.peerId.toCID().toString()]])
    expect(new Set(wire.peers).size).toBe(wire.peers.length)
    expect(first.entries).toMatchObject([{ observer: 'router:helia', form: 'cid', transport: 'foreign', audience: 'unbounded', state: 'sent' }])
    const before = wire.peers.length
    expect(before).toBeGreaterThan(5)
    expect(await all(first.node.routing.findProviders(cid))).toHaveLength(1)
    expect(wire.peers.length).toBe(before)
    await first.node.stop()

    const second = await helia({ datastore, discovery: false })
    const later = asked(network, second.node.libp2p.peerId, cid)
    expect(await all(second.node.routing.findProviders(cid))).toHaveLength(1)
    expect(later.peers).toEqual([])
    expect(second.entries).toEqual([])
  })
})

describe('lookups that others make on a libp2p node', () => {
  it.each([true, false])('are one walk while content routing runs, and none while the answer is fresh, or after a restart; discovery: %s', async discovery => {
    const { cid, holder } = await provided(`five ${discovery}`)
    const datastore = new MemoryDatastore()
    const libp2p = await bare({ datastore, discovery })
    const original = libp2p.contentRouting.findProviders
    const book = ledger()
    const routing = libp2pComposer(undiciTransport)(libp2p, {}, { datastore, ledger: book })
    await routing.start()
    const wire = asked(network, libp2p.peerId, cid)
    expect((await Promise.all([1, 2].map(async () => all(libp2p.contentRouting.findProviders(cid))))).map(idsOf)).toEqual([[holder], [holder]])
    expect(wire.peers.length).toBeGreaterThan(5)
    expect(new Set(wire.peers).size).toBe(wire.peers.length)
    expect(hops(book.entries)).toEqual(discovery ? [...wire.peers].sort() : [])
    await routing.stop()
    expect(libp2p.contentRouting.findProviders).toBe(original)
    await libp2p.stop()

    const again = await bare({ datastore, discovery })
    const warm = libp2pComposer(undiciTransport)(again, {}, { datastore })
    await warm.start()
    const later = asked(network, again.peerId, cid)
    expect(idsOf(await all(again.contentRouting.findProviders(cid)))).toEqual([holder])
    expect(later.peers).toEqual([])
    await warm.stop()
  })

  it('are one walk where a discovery runs by itself, and one of kad-dht when that has stopped', async () => {
    const { cid, holder } = await provided('six')
    const libp2p = await bare()
    const wire = asked(network, libp2p.peerId, cid)
    expect(idsOf(await all(libp2p.contentRouting.findProviders(cid)))).toEqual([holder])
    const before = wire.peers.length
    expect(before).toBeGreaterThan(5)
    expect(idsOf(await all(libp2p.contentRouting.findProviders(cid)))).toEqual([holder])
    expect(wire.peers.length).toBe(before)
    await (libp2p.services as unknown as { finder: { stop (): Promise<void> } }).finder.stop()
    expect(idsOf(await all(libp2p.contentRouting.findProviders(cid)))).toEqual([holder])
    expect(wire.peers.length).toBeGreaterThan(before)
  })
})
