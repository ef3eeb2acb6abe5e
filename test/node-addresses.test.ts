import { contentRoutingSymbol, peerRoutingSymbol } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { MemoryBlockstore } from 'blockstore-core'
import { MemoryDatastore } from 'datastore-core'
import { createLibp2p } from 'libp2p'
import { afterEach, expect, it } from 'vitest'
import { libp2pComposer } from '../src/compose.ts'
import { undiciTransport } from '../src/exchange/http/undici-egress.ts'
import { MetricRegistry } from '../src/gateway/metric-registry.ts'
import { loopbackLibp2p } from './helia/loopback-libp2p.ts'
import { block } from './helia/own-routing.ts'
import type { DisclosureEntry } from '../src/interface/disclosure.ts'
import type { LocalStore } from '../src/interface/cache.ts'
import type { Libp2p, PeerId } from '@libp2p/interface'

const closing: Array<() => Promise<unknown>> = []
const compose = libp2pComposer(({ policy }) => undiciTransport({ policy }))

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) {
    await close()
  }
})

/** A node whose routers say that `provider` has everything, and know where it is */
async function node (provider?: { readonly id: PeerId, readonly sought: string[], readonly where: () => string[] }): Promise<Libp2p> {
  const init = loopbackLibp2p()
  const routers = provider == null
    ? {}
    : {
        router: () => ({
          [contentRoutingSymbol]: { provide: async () => {}, cancelReprovide: async () => {}, put: async () => {}, get: async () => new Uint8Array(), async * findProviders () { yield { id: provider.id, multiaddrs: [], routing: 'test' } } },
          [peerRoutingSymbol]: {
            async findPeer (id: PeerId) {
              provider.sought.push(id.toString())
              return { id, multiaddrs: provider.where().map(multiaddr) }
            },
            async * getClosestPeers () {}
          }
        })
      }
  const libp2p = await createLibp2p({ ...init, services: { ...init.services, ...routers } })
  closing.push(async () => libp2p.stop())
  return libp2p
}

it('a provider without addresses is looked for once, found at the one that works, and known there after a restart', async () => {
  const [one, two] = [await block('one'), await block('two')]
  const store = new MemoryBlockstore()
  await store.put(one.cid, one.bytes)
  await store.put(two.cid, two.bytes)
  const theirs = await node()
  const serving = compose(theirs, { serve: 'everyone' }, { store: store as unknown as LocalStore })
  await serving.start()
  closing.push(async () => serving.stop())

  const sought: string[] = []
  const datastore = new MemoryDatastore()
  const there = String(theirs.getMultiaddrs()[0])
  const entries: DisclosureEntry[] = []
  const router = { id: theirs.peerId, sought, where: () => ['/ip4/127.0.0.1/tcp/9', there, '/ip4/192.168.77.1/tcp/4001'] }
  const parts = { datastore, ledger: { intended: (entry: DisclosureEntry) => { entries.push(entry) }, settled: () => {} } }

  const ours = await node(router)
  const metrics = new MetricRegistry()
  Object.defineProperty(ours, 'metrics', { value: metrics })
  const reading = compose(ours, { allowAddresses: ['127.0.0.1'] }, parts)
  await reading.start()
  expect(await reading.retrieve(one.cid)).toEqual(one.bytes)
  expect(sought).toEqual([theirs.peerId.toString()])
  expect(entries.filter(({ form }) => form === 'peer').map(({ observer, purpose, state }) => ({ observer, purpose, state }))).toEqual([{ observer: 'router:libp2p', purpose: 'read', state: 'sent' }])
  expect(reading.stats().addresses).toMatchObject({ known: 1, good: 1, sought: 1, found: 1, probes: 0 })
  expect(reading.stats().lookups).toEqual({ lookups: 1, hits: 0, stale: 0, joined: 0, staleOnError: 0, records: 1, kept: { dropped: 0, failedWrites: 0 } })
  for (const line of [
    'portolan_addresses_providers 1',
    'portolan_addresses_known{state="good"} 1',
    'portolan_addresses_sought_total{outcome="found"} 1',
    'portolan_addresses_sought_total{outcome="unknown"} 0',
    'portolan_addresses_probes_total{outcome="reached"} 0',
    'portolan_routers_lookups_total{answered="network"} 1',
    'portolan_routers_lookups_total{answered="memory"} 0',
    'portolan_routers_records 1'
  ]) {
    expect(metrics.toString()).toContain(`${line}\n`)
  }
  // the private one was never taken in
  expect(reading.stats().addresses?.addresses).toBeLessThanOrEqual(3)
  await reading.stop()
  await ours.stop()

  // another node with the same memory: it asks nobody where the provider is
  const again = await node(router)
  const rereading = compose(again, { allowAddresses: ['127.0.0.1'] }, parts)
  await rereading.start()
  expect(await rereading.retrieve(two.cid)).toEqual(two.bytes)
  expect(sought).toHaveLength(1)
  await rereading.stop()
})
