import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { describe, expect, it, onTestFinished } from 'vitest'
import { libp2pOptions } from '../../../src/config/libp2p-options.ts'
import { dnsaddrResolver } from '../../../src/exchange/lease/dnsaddr-resolver.ts'
import { addressPolicy } from '../../../src/provider/address.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'
import { joinDisclosures } from '../../../src/unrouted-requests.ts'
import { addressesOf, loopback, node as plainNode } from './nodes.ts'
import type { DisclosureEntry } from '../../../src/interface/disclosure.ts'
import type { MultiaddrResolver } from '@libp2p/interface'

const PEER = '12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5'
const OTHER = '12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp'

function setup (texts: Record<string, string[] | Error>): { resolver: MultiaddrResolver, entries: DisclosureEntry[], asked: string[], clock: VirtualClock, resolve (address: string, options?: object): Promise<string[]> } {
  const clock = new VirtualClock()
  const entries: DisclosureEntry[] = []
  const asked: string[] = []
  const resolver = dnsaddrResolver({
    policy: addressPolicy(),
    clock,
    disclose: joinDisclosures({ clock, ledger: { intended: entry => { entries.push(entry) }, settled: () => {} } }, 'balanced'),
    resolve: async name => {
      asked.push(name)
      return [{ address: '8.8.4.4', family: 4 }]
    },
    resolveText: async (name, { signal }) => {
      asked.push(name)
      const records = texts[name]
      if (records instanceof Error) {
        throw records
      }
      if (records == null) {
        await new Promise((_resolve, reject) => { signal.addEventListener('abort', () => { reject(signal.reason as Error) }) })
      }
      return records ?? []
    }
  })
  return { resolver, entries, asked, clock, resolve: async (address, options = {}) => (await resolver.resolve(multiaddr(address), options as never)).map(String) }
}

describe('a /dnsaddr of the node', () => {
  it('leads to the addresses of its peer, each name of the way disclosed', async () => {
    const { resolve, entries, resolver } = setup({
      '_dnsaddr.seed.example': [`dnsaddr=/dnsaddr/one.seed.example/p2p/${PEER}`, `dnsaddr=/ip4/8.8.8.8/tcp/4001/p2p/${OTHER}`],
      '_dnsaddr.one.seed.example': [`dnsaddr=/ip4/8.8.8.8/tcp/4001/p2p/${PEER}`, `dnsaddr=/dns4/host.example/tcp/4001/p2p/${PEER}`, `dnsaddr=/ip4/10.0.0.1/tcp/4001/p2p/${PEER}`]
    })
    expect(await resolve(`/dnsaddr/seed.example/p2p/${PEER}`)).toEqual([`/ip4/8.8.8.8/tcp/4001/p2p/${PEER}`, `/ip4/8.8.4.4/tcp/4001/p2p/${PEER}`])
    expect(entries.map(({ observer, form, transport, purpose, key, state }) => [observer, form, transport, purpose, key, state])).toEqual(Array.from({ length: 3 }, () => ['party:dns', 'hostname', 'dns', 'join', undefined, 'sent']))
    expect(new Set(entries.map(({ request }) => request)).size).toBe(3)
    expect([resolver.canResolve(multiaddr('/dnsaddr/seed.example')), resolver.canResolve(multiaddr('/dns4/seed.example/tcp/1'))]).toEqual([true, false])
  })

  it('is for the peer that is dialled, where the address does not say, and for nobody where nothing does', async () => {
    const { resolve, asked } = setup({ '_dnsaddr.seed.example': [`dnsaddr=/ip4/8.8.8.8/tcp/4001/p2p/${PEER}`] })
    expect(await resolve('/dnsaddr/seed.example', { peerId: { toString: () => PEER } })).toEqual([`/ip4/8.8.8.8/tcp/4001/p2p/${PEER}`])
    expect(await resolve('/dnsaddr/seed.example', { peerId: { toString: () => OTHER } })).toEqual([])
    asked.splice(0)
    expect(await resolve('/dnsaddr/seed.example')).toEqual([])
    expect(asked).toEqual([])
  })

  it('that leads round in circles, or to a thousand others, ends after eight names', async () => {
    const circle = setup({ '_dnsaddr.a.example': [`dnsaddr=/dnsaddr/b.example/p2p/${PEER}`], '_dnsaddr.b.example': [`dnsaddr=/dnsaddr/a.example/p2p/${PEER}`] })
    expect(await circle.resolve(`/dnsaddr/a.example/p2p/${PEER}`)).toEqual([])
    expect(circle.asked.length).toBeLessThanOrEqual(8)

    const many = Array.from({ length: 1_000 }, (_, n) => `dnsaddr=/dnsaddr/${n}.example/p2p/${PEER}`)
    const wide = setup({ '_dnsaddr.a.example': many, ...Object.fromEntries(Array.from({ length: 1_000 }, (_, n) => [`_dnsaddr.${n}.example`, []])) })
    expect(await wide.resolve(`/dnsaddr/a.example/p2p/${PEER}`)).toEqual([])
    expect(wide.asked).toHaveLength(8)
    expect(wide.entries).toHaveLength(8)

    const flood = setup({ '_dnsaddr.a.example': Array.from({ length: 1_000 }, (_, n) => `dnsaddr=/ip4/8.8.8.8/tcp/${4_000 + n}/p2p/${PEER}`) })
    expect(await flood.resolve(`/dnsaddr/a.example/p2p/${PEER}`)).toHaveLength(8)
  })

  it('that is not answered for is given up after three seconds, and nobody knows who learnt of it', async () => {
    const { resolve, entries, clock } = setup({})
    expect(await clock.run(resolve(`/dnsaddr/silent.example/p2p/${PEER}`))).toEqual([])
    expect(clock.now()).toBe(3_000)
    expect(entries.map(({ state }) => state)).toEqual(['unknown'])
  })

  it('whose name server fails leads nowhere, and its records may be anything', async () => {
    const broken = setup({ '_dnsaddr.a.example': Object.assign(new Error('SERVFAIL'), { code: 'ESERVFAIL' }) })
    expect(await broken.resolve(`/dnsaddr/a.example/p2p/${PEER}`)).toEqual([])
    expect(broken.entries.map(({ state }) => state)).toEqual(['unknown'])
    const odd = setup({ '_dnsaddr.a.example': ['', 'v=spf1 -all', 'dnsaddr=', `dnsaddr=nonsense/p2p/${PEER}`, `dnsaddr=/ip4/999.9.9.9/tcp/1/p2p/${PEER}`, `dnsaddr=/unix/x/p2p/${PEER}`, `dnsaddr=${'/dnsaddr/x'.repeat(10_000)}/p2p/${PEER}`] })
    expect(await odd.resolve(`/dnsaddr/a.example/p2p/${PEER}`)).toEqual([])
  })

  it('is what libp2p dials by, with an address from its peer store too', async () => {
    const server = await plainNode()
    const id = server.peerId.toString()
    const asked: string[] = []
    const entries: DisclosureEntry[] = []
    const libp2p = await createLibp2p(libp2pOptions({}, {
      policy: loopback,
      mode: 'strict',
      ledger: { intended: entry => { entries.push(entry) }, settled: () => {} },
      resolveText: async name => {
        asked.push(name)
        return [`dnsaddr=${addressesOf(server)[0]}`]
      }
    }))
    onTestFinished(async () => { await libp2p.stop() })
    await libp2p.peerStore.merge(server.peerId, { multiaddrs: [multiaddr(`/dnsaddr/seed.example/p2p/${id}`)] })
    expect((await libp2p.peerStore.get(server.peerId)).addresses.map(({ multiaddr }) => String(multiaddr))).toEqual(['/dnsaddr/seed.example'])

    const connection = await libp2p.dial(server.peerId)
    expect(connection.remotePeer.toString()).toBe(id)
    expect(asked).toEqual(['_dnsaddr.seed.example'])
    expect(entries.map(({ observer, form, purpose, mode, state }) => [observer, form, purpose, mode, state])).toEqual([['party:dns', 'hostname', 'join', 'strict', 'sent'], [`p2p:${id}`, 'none', 'join', 'strict', 'sent']])
  })
})
