import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { MemoryDatastore } from 'datastore-core'
import { Key } from 'interface-datastore/key'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { seededRandom } from '../../../src/clock/random.ts'
import { systemClock } from '../../../src/clock/system-clock.ts'
import { ADDRESSES_PREFIX } from '../../../src/discovery/addresses/address-book.ts'
import { MAX_SOUGHT, addressedSource } from '../../../src/discovery/addresses/addressed-source.ts'
import { peerWalk } from '../../../src/discovery/addresses/peer-lookup.ts'
import { probe } from '../../../src/discovery/addresses/probe-egress.ts'
import { ProviderAddresses } from '../../../src/discovery/addresses/provider-addresses.ts'
import { KeptTables } from '../../../src/discovery/kept-tables.ts'
import { addressPolicy } from '../../../src/provider/address.ts'
import { silentLogger } from '../../../src/testing/silent-logger.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'
import { kadNet, kadNode, walkerOf } from '../kad/support/kad-net.ts'
import { recordedRequest } from '../recorded-request.ts'
import type { PeerLookup } from '../../../src/discovery/addresses/peer-lookup.ts'
import type { AddressedNode, ProviderAddressesComponents } from '../../../src/discovery/addresses/provider-addresses.ts'
import type { Provider, ProviderSource } from '../../../src/interface/provider.ts'
import type { KadNode } from '../kad/support/kad-net.ts'

let peers: string[]

beforeAll(async () => {
  peers = await Promise.all(Array.from({ length: 8 }, async () => peerIdFromPrivateKey(await generateKeyPair('Ed25519')).toString()))
})

const at = (n: number): string => `/ip4/192.0.2.${n}/tcp/4001`

function provider (peer: string, addresses: readonly string[], init: Partial<Provider> = {}): Provider {
  return { id: `p2p:${peer}`, addresses: addresses.map(address => address.startsWith('/') ? `${address}/p2p/${peer}` : address), protocols: [], source: 'test', fallback: false, domains: [], ...init }
}

function addresses (init: Partial<ProviderAddressesComponents> = {}): ProviderAddresses {
  return new ProviderAddresses({ clock: new VirtualClock(), random: seededRandom(1), logger: silentLogger, policy: addressPolicy({ allow: ['192.0.2.0/24', '127.0.0.1'] }), node: () => undefined, ...init })
}

const fine = { reached: true, startedAt: 0 }
const inVain = { reached: false, startedAt: 0 }

describe('a provider that is handed out', () => {
  it('comes with what works first, whoever named it, and without what does not', () => {
    const [peer = '', other = ''] = peers
    const known = addresses()
    known.complete(provider(peer, [at(1), at(2), at(3)]), 'open')
    known.dialled(peer, at(3), fine)
    known.dialled(peer, at(1), inVain)
    expect(known.complete(provider(peer, [at(1), at(2)]), 'open').addresses).toEqual([at(3), at(2)].map(address => `${address}/p2p/${peer}`))
    // where nobody named any, too
    expect(known.complete(provider(peer, []), 'open').addresses).toEqual([at(3), at(2)].map(address => `${address}/p2p/${peer}`))
    expect(known.complete(provider(other, []), 'open').addresses).toEqual([])
    expect(known.stats()).toMatchObject({ known: 2, addresses: 3, good: 1, dead: 1 })
  })

  it('stays the same object as long as nothing is better known, so that looking at it costs nothing', () => {
    const [peer = ''] = peers
    const known = addresses()
    const named = provider(peer, [at(1), at(2)])
    expect(known.complete(named, 'open')).toBe(named)
    known.dialled(peer, at(2), fine)
    const completed = known.complete(named, 'open')
    expect(completed).not.toBe(named)
    expect(known.complete(named, 'open')).toBe(completed)
    expect(known.complete(completed, 'open')).toBe(completed)
  })

  it('has at most eight addresses, and keeps its places over HTTP', () => {
    const [peer = ''] = peers
    const known = addresses()
    known.complete(provider(peer, Array.from({ length: 8 }, (_, i) => at(i + 1))), 'open')
    const { addresses: both } = known.complete(provider(peer, ['https://gateway.example', at(20)]), 'open')
    expect(both).toHaveLength(8)
    expect(both[0]).toBe('https://gateway.example')
    const other = provider('unused', [], { id: 'https:gateway.example', addresses: ['https://gateway.example'] })
    expect(known.complete(other, 'open')).toBe(other)
  })

  it('loses private addresses that nobody named to others, and keeps them where it has none, so that the reader is told', () => {
    const [peer = '', other = ''] = peers
    const known = addresses({ policy: addressPolicy({ allow: ['10.1.0.0/16'] }), dialable: address => !address.includes('/udp/') })
    expect(known.complete(provider(peer, ['/ip4/192.168.1.5/tcp/4001', '/ip4/1.2.3.4/udp/4001/quic-v1', '/ip4/10.1.0.5/tcp/4001', '/ip4/1.2.3.4/tcp/4001']), 'open').addresses)
      .toEqual([`/ip4/10.1.0.5/tcp/4001/p2p/${peer}`, `/ip4/1.2.3.4/tcp/4001/p2p/${peer}`])
    expect(known.complete(provider(other, ['/ip4/192.168.1.5/tcp/4001']), 'open').addresses).toEqual([`/ip4/192.168.1.5/tcp/4001/p2p/${other}`])
    expect(known.stats()).toMatchObject({ addresses: 2, refused: 3 })
  })
})

it('whoever asks the providers says which addresses are of use, as long as it runs', () => {
  const [peer = '', other = '', third = ''] = peers
  const known = addresses()
  const leave = known.usedBy({ dialable: address => address.includes('/tcp/4001') })
  expect(known.complete(provider(peer, ['/ip4/192.0.2.1/tcp/1', at(2)]), 'open').addresses).toEqual([`${at(2)}/p2p/${peer}`])
  // a former user who leaves takes nothing away from the one that is there
  const leaveAgain = known.usedBy({ dialable: () => false })
  leave()
  known.complete(provider(other, [at(2)]), 'open')
  expect(known.stats()).toMatchObject({ addresses: 1 })
  leaveAgain()
  known.complete(provider(third, [at(2)]), 'open')
  expect(known.stats()).toMatchObject({ addresses: 2 })
})

describe('peers that come without addresses', () => {
  const want = { cid: {} as never, key: 'k' }

  async function named (source: ProviderSource, request = recordedRequest().request): Promise<Array<[string, number]>> {
    const found: Array<[string, number]> = []
    for await (const { id, addresses } of source.find(want, request)) {
      found.push([id, addresses.length])
    }
    return found
  }

  function sourceOf (...providers: Provider[]): ProviderSource {
    return { name: 'test', async * find () { yield * providers } }
  }

  it('are named at once, and again when somebody knew where they are: four of a lookup, each once in a while', async () => {
    const asked: string[] = []
    const lookup: PeerLookup = async peer => {
      asked.push(peer)
      return [at(1), '/ip4/192.168.1.1/tcp/1']
    }
    const known = addresses({ lookup })
    known.start()
    const source = addressedSource(sourceOf(...peers.slice(0, 6).map(peer => provider(peer, [])), provider(peers[6] ?? '', [at(9)])), () => known)
    const found = await named(source)
    expect(asked).toHaveLength(MAX_SOUGHT)
    expect(found.filter(([, count]) => count === 0)).toHaveLength(6)
    expect(found.filter(([, count]) => count === 1)).toHaveLength(MAX_SOUGHT + 1)
    // in the book now: nobody is asked, and the others have their turn
    await named(source)
    expect(asked).toHaveLength(6)
    expect(known.stats()).toMatchObject({ sought: 6, found: 6 })
    known.stop()
  })

  it('do not make a lookup fail, nor last longer than its reader waits', async () => {
    const failing = addresses({ lookup: async () => { throw new Error('no') } })
    failing.start()
    expect(await named(addressedSource(sourceOf(provider(peers[0] ?? '', [])), () => failing))).toHaveLength(1)
    failing.stop()

    const hanging = addresses({ lookup: async (_peer, _request, { signal }) => new Promise((_resolve, reject) => { signal.addEventListener('abort', () => { reject(signal.reason as Error) }) }) })
    hanging.start()
    const { request, controller } = recordedRequest()
    const waiting = named(addressedSource(sourceOf(provider(peers[0] ?? '', [])), () => hanging), request)
    queueMicrotask(() => { controller.abort() })
    expect(await waiting).toHaveLength(1)
    const stopped = named(addressedSource(sourceOf(provider(peers[1] ?? '', [])), () => hanging))
    queueMicrotask(() => { hanging.stop() })
    expect(await stopped).toHaveLength(1)
    // not running
    expect(await named(addressedSource(sourceOf(provider(peers[2] ?? '', [])), () => hanging))).toHaveLength(1)
  })

  it('are given up with the reader', async () => {
    let left = false
    const source: ProviderSource = {
      name: 'test',
      async * find () {
        try {
          yield provider(peers[0] ?? '', [at(1)])
          yield provider(peers[1] ?? '', [at(1)])
        } finally {
          left = true
        }
      }
    }
    const iterator = addressedSource(source, () => addresses()).find(want, recordedRequest().request)[Symbol.asyncIterator]()
    expect((await iterator.next()).value).toMatchObject({ id: `p2p:${peers[0]}` })
    await iterator.return?.()
    expect(left).toBe(true)
  })
})

describe('with real nodes', () => {
  let nodes: KadNode[]

  const nodeOf = ({ libp2p }: KadNode): AddressedNode => ({ events: libp2p, connections: libp2p, peerStore: libp2p.peerStore })

  beforeAll(async () => {
    nodes = await kadNet(6)
  }, 60_000)

  afterAll(async () => {
    await Promise.all(nodes.map(async node => { await node.stop() }))
  })

  it('a probe reaches who is there and nobody else, and leaves no connection', async () => {
    const [ours, theirs] = await Promise.all([kadNode(), kadNode()])
    const { request } = recordedRequest()
    const disclose = (): ReturnType<typeof request.disclose> => request.disclose({ observer: `p2p:${theirs.id}`, form: 'none', transport: 'dial', audience: 'one' })
    const there = theirs.asPeer().addresses
    const [elsewhere = ''] = (nodes[0] as KadNode).asPeer().addresses
    const signal = AbortSignal.timeout(10_000)

    expect(await probe(ours.libp2p, theirs.id, [elsewhere], disclose(), { signal })).toBe('failed')
    expect(await probe(ours.libp2p, theirs.id, ['/ip4/127.0.0.1/udp/1/quic-v1'], disclose(), { signal })).toBe('undialable')
    const closed = new Promise(resolve => { ours.libp2p.addEventListener('connection:close', resolve, { once: true }) })
    expect(await probe(ours.libp2p, theirs.id, there, disclose(), { signal })).toBe('reached')
    await closed
    expect(ours.libp2p.getConnections(theirs.libp2p.peerId)).toEqual([])
    // one that somebody is about to use stays
    expect(await probe(ours.libp2p, theirs.id, there, disclose(), { signal, inUse: () => true })).toBe('reached')
    expect(ours.libp2p.getConnections(theirs.libp2p.peerId)).toHaveLength(1)
    await Promise.all([ours.stop(), theirs.stop()])
  })

  it('what connections and identify say is learnt, kept, and known after a restart', async () => {
    const [ours, theirs] = await Promise.all([kadNode(), kadNode()])
    const datastore = new MemoryDatastore()
    const [there = ''] = theirs.asPeer().addresses
    const policy = addressPolicy({ allow: ['127.0.0.1', '192.0.2.0/24'] })
    const known = addresses({ clock: systemClock, policy, node: () => nodeOf(ours) })
    const kept = new KeptTables({ clock: systemClock, random: seededRandom(1), logger: silentLogger, datastore }, [known.kept])
    await kept.load()
    known.start()
    known.complete(provider(theirs.id, [at(1)]), 'open')
    const identified = new Promise(resolve => { ours.libp2p.addEventListener('peer:identify', resolve, { once: true }) })
    await ours.libp2p.dial(theirs.libp2p.getMultiaddrs())
    await identified
    expect(known.complete(provider(theirs.id, [at(1)]), 'open').addresses[0]).toBe(`${there}/p2p/${theirs.id}`)
    known.stop()
    await kept.stop()
    await datastore.put(new Key(`${ADDRESSES_PREFIX}/x`), new Uint8Array([1, 2, 3]))

    const again = addresses({ clock: systemClock, policy })
    const reloaded = new KeptTables({ clock: systemClock, random: seededRandom(1), logger: silentLogger, datastore }, [again.kept])
    await reloaded.load()
    expect(reloaded.stats()).toMatchObject({ dropped: 1 })
    expect(again.complete(provider(theirs.id, []), 'open').addresses[0]).toBe(`${there}/p2p/${theirs.id}`)
    await Promise.all([ours.stop(), theirs.stop()])
  })

  it('a walk in the DHT finds where a peer is, and tells of the peer only', async () => {
    const { client, table, timing, stop } = await walkerOf(nodes[0] as KadNode)
    const target = nodes[4] as KadNode
    const { request, entries } = recordedRequest()
    const found = await peerWalk({ clock: systemClock, client, table, timing, joined: async () => true })(target.id, request, { signal: AbortSignal.timeout(10_000) })
    expect(found).toContain(target.asPeer().addresses[0])
    expect(entries.length).toBeGreaterThan(0)
    expect(new Set(entries.map(({ form, transport }) => `${form} ${transport}`))).toEqual(new Set(['peer dht']))
    expect(await peerWalk({ clock: systemClock, client, table, timing, joined: async () => false })(target.id, request, { signal: AbortSignal.timeout(10_000) })).toEqual([])
    stop()
  })
})
