import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { madeUpPeer } from './support/peers.ts'
import { seededRandom } from '../../../src/clock/random.ts'
import { commonPrefixLength, compareDistance, peerKey } from '../../../src/discovery/kad/kad-key.ts'
import { KadTable } from '../../../src/discovery/kad/table.ts'
import { silentLogger } from '../../../src/testing/silent-logger.ts'
import type { Libp2pEvents, Peer, PeerQuery, TypedEventTarget } from '@libp2p/interface'

const random = seededRandom(6)
const SELF = madeUpPeer(random).id

function stored (id: string, tagged = true, addresses = ['/ip4/192.0.2.1/tcp/1']): Peer {
  return {
    id: peerIdFromString(id),
    addresses: addresses.map(address => ({ multiaddr: multiaddr(address), isCertified: false })),
    protocols: [],
    metadata: new Map(),
    tags: new Map(tagged ? [['kad-peer', { value: 1 }]] : [])
  }
}

/** A peer store that can be told to change */
class Store extends EventTarget {
  readonly peers = new Map<string, Peer>()
  listeners = 0

  async all (query: PeerQuery = {}): Promise<Peer[]> {
    return [...this.peers.values()].filter(peer => query.filters?.every(filter => filter(peer)) ?? true).slice(0, query.limit)
  }

  set (peer: Peer): void {
    this.peers.set(peer.id.toString(), peer)
    this.dispatchEvent(new CustomEvent('peer:update', { detail: { peer } }))
  }

  override addEventListener (...args: Parameters<EventTarget['addEventListener']>): void {
    this.listeners++
    super.addEventListener(...args)
  }

  override removeEventListener (...args: Parameters<EventTarget['removeEventListener']>): void {
    this.listeners--
    super.removeEventListener(...args)
  }
}

function tableOf (store: Store, usable?: (address: string) => boolean): KadTable {
  return new KadTable({ logger: silentLogger, peerStore: store, events: store as unknown as TypedEventTarget<Libp2pEvents>, self: SELF }, { ...(usable == null ? {} : { usable }) })
}

async function filled (count: number): Promise<{ store: Store, table: KadTable }> {
  const store = new Store()
  for (let i = 0; i < count; i++) {
    store.set(stored(madeUpPeer(random).id))
  }
  const table = tableOf(store)
  await table.start()
  return { store, table }
}

describe('the table of kad-dht as the peer store has it', () => {
  it('has who is tagged, and follows what changes', async () => {
    const { store, table } = await filled(3)
    const [first] = store.peers.keys() as IterableIterator<string>
    const { id } = madeUpPeer(random)
    store.set(stored(id))
    store.set(stored(madeUpPeer(random).id, false))
    store.set(stored(SELF))
    expect(table.size).toBe(4)
    expect(table.has(id)).toBe(true)

    store.set(stored(first as string, false))
    expect(table.has(first as string)).toBe(false)

    store.set(stored(id, true, ['/ip4/192.0.2.9/tcp/9', `/ip4/192.0.2.9/tcp/10/p2p/${id}`]))
    expect([...table].find(peer => peer.id === id)).toMatchObject({ key: peerKey(id), addresses: ['/ip4/192.0.2.9/tcp/9', '/ip4/192.0.2.9/tcp/10'] })
  })

  it('keeps the addresses that the store leaves out because nobody confirmed them for an hour', async () => {
    const { store, table } = await filled(1)
    const [id] = store.peers.keys() as IterableIterator<string>
    const addresses = (): readonly string[] | undefined => [...table][0]?.addresses
    store.set(stored(id as string, true, []))
    expect(addresses()).toEqual(['/ip4/192.0.2.1/tcp/1'])
    store.set(stored(id as string, true, ['/ip4/192.0.2.2/tcp/2']))
    expect(addresses()).toEqual(['/ip4/192.0.2.2/tcp/2'])
    store.set(stored(id as string, false, []))
    store.set(stored(id as string, true, []))
    expect(addresses()).toEqual([])
  })

  it('has what changes while it reads the store', async () => {
    const store = new Store()
    const { id } = madeUpPeer(random)
    store.set(stored(id, true, ['/ip4/192.0.2.1/tcp/1']))
    const table = tableOf(store)
    const started = table.start()
    store.set(stored(id, true, ['/ip4/192.0.2.1/tcp/2']))
    await started

    expect([...table][0]?.addresses).toEqual(['/ip4/192.0.2.1/tcp/2'])
  })

  it('takes eight addresses of a peer, and only those that may be used', async () => {
    const store = new Store()
    store.set(stored(madeUpPeer(random).id, true, Array.from({ length: 30 }, (_, i) => `/ip4/192.0.2.1/tcp/${i + 1}`)))
    const table = tableOf(store, address => !address.endsWith('/tcp/1'))
    await table.start()

    expect([...table][0]?.addresses).toEqual(Array.from({ length: 8 }, (_, i) => `/ip4/192.0.2.1/tcp/${i + 2}`))
  })

  it('names the nearest, nearest first', async () => {
    const { table } = await filled(500)

    fc.assert(fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), fc.integer({ min: 0, max: 600 }), (key, count) => {
      const expected = [...table].sort((a, b) => compareDistance(key, a.key, b.key)).slice(0, count)
      expect(table.nearest(key, count).map(({ id }) => id)).toEqual(expected.map(({ id }) => id))
    }), { numRuns: 60 })
  })

  it('has every peer in one bucket, by the bits that it shares with us', async () => {
    const { table } = await filled(300)
    const buckets = [...table.buckets()]

    expect(buckets.reduce((sum, [, peers]) => sum + peers.length, 0)).toBe(300)
    expect(buckets.flatMap(([length, peers]) => peers.filter(({ key }) => commonPrefixLength(peerKey(SELF), key) !== length))).toEqual([])
    expect(buckets.find(([length]) => length === 0)?.[1].length).toBeGreaterThan(100)
  })

  it('holds no more than its bound', async () => {
    const { table } = await filled(4_200)
    expect(table.size).toBe(4_096)
  })

  it('nor when more are tagged later', async () => {
    const { store, table } = await filled(10)
    for (let i = 0; i < 4_200; i++) {
      store.set(stored(madeUpPeer(random).id))
    }
    expect(table.size).toBe(4_096)
  })

  it('is empty and hears nothing after its stop', async () => {
    const { store, table } = await filled(3)
    await table.start()
    expect(store.listeners).toBe(1)
    table.stop()
    store.set(stored(madeUpPeer(random).id))

    expect([table.size, store.listeners]).toEqual([0, 0])
    await table.start()
    expect(table.size).toBe(4)
    table.stop()
  })

  it('stays empty when it is stopped while it reads the store', async () => {
    const store = new Store()
    store.set(stored(madeUpPeer(random).id))
    const table = tableOf(store)
    const started = table.start()
    table.stop()
    await started

    expect(table.size).toBe(0)
  })
})
