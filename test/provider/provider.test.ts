import { fallbackRouter } from '@helia/fallback-router'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import fc from 'fast-check'
import all from 'it-all'
import { base36 } from 'multiformats/bases/base36'
import { base58btc } from 'multiformats/bases/base58'
import { CID } from 'multiformats/cid'
import * as Digest from 'multiformats/hashes/digest'
import { fromString } from 'uint8arrays/from-string'
import { beforeAll, describe, expect, it } from 'vitest'
import { addressPolicy } from '../../src/provider/address.ts'
import { httpOrigin, providerFromRecord, toProvider } from '../../src/provider/provider.ts'
import type { Provider, ProviderHint } from '../../src/interface/provider.ts'
import type { ProviderRecord } from '../../src/provider/provider.ts'
import type { PeerId } from '@libp2p/interface'

const P = '12D3KooWKnDdG3iXw9eTFijk3EWSunZcFi54Zka4wmtqtt6rPxc8'
const RELAY = '12D3KooWE3hiTb9GMMmvBFTsDrUrMLKiwj5Ae1vpj2GdvbmMVaq8'
const GATEWAY_CODE = 0x0920
const LIBP2P_KEY = 0x72
const CONTENT = 'bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku'

const hint = (value: unknown): Provider => toProvider(value as ProviderHint, { source: 'hint' })

function refused (value: unknown): string {
  try {
    hint(value)
  } catch (err) {
    expect((err as Error).name).toBe('InvalidProviderError')
    return (err as Error).message
  }

  throw new Error('it was accepted')
}

const peerCID = (text: string): CID => CID.createV1(LIBP2P_KEY, Digest.decode(base58btc.decode(`z${text}`)))
const gatewayCID = (url: string, code = GATEWAY_CODE): CID => CID.createV1(code, Digest.create(0, fromString(url)))

describe('toProvider with a URL', () => {
  it.each([
    ['http://127.0.0.1:8080', 'http:127.0.0.1:8080', 'http://127.0.0.1:8080'],
    ['http://127.0.0.1:8080/', 'http:127.0.0.1:8080', 'http://127.0.0.1:8080'],
    ['HTTPS://Gateway.Example.COM.:443/', 'https:gateway.example.com', 'https://gateway.example.com'],
    ['https://gateway.example.com:8443', 'https:gateway.example.com:8443', 'https://gateway.example.com:8443'],
    ['http://[::1]:80', 'http:[::1]', 'http://[::1]'],
    ['http://[2001:DB8:0:0::1]:81', 'http:[2001:db8::1]:81', 'http://[2001:db8::1]:81'],
    ['http://0x7f.1:90', 'http:127.0.0.1:90', 'http://127.0.0.1:90'],
    ['http://[::ffff:8.8.8.8]', 'http:8.8.8.8', 'http://8.8.8.8'],
    ['http://bücher.example', 'http:xn--bcher-kva.example', 'http://xn--bcher-kva.example'],
    ['/ip4/127.0.0.1/tcp/8080/http', 'http:127.0.0.1:8080', 'http://127.0.0.1:8080'],
    ['/ip6/::1/tcp/8080/http', 'http:[::1]:8080', 'http://[::1]:8080'],
    ['/dns4/example.com/tcp/443/https', 'https:example.com', 'https://example.com'],
    ['/dns/example.com/tcp/443/tls/http', 'https:example.com', 'https://example.com'],
    ['/dns/example.com/tcp/8443/tls/http', 'https:example.com:8443', 'https://example.com:8443'],
    ['/ip4/1.2.3.4/tcp/443/tls/sni/example.com/http', 'https:example.com', 'https://example.com'],
    ['/dns4/example.com/tcp/80/http/http-path/%2F', 'http:example.com', 'http://example.com']
  ])('%s is %s', (value, id, origin) => {
    expect(hint(value)).toMatchObject({ id, addresses: [origin], protocols: ['transport-ipfs-gateway-http'], source: 'hint', fallback: false })
    expect(httpOrigin(hint(value))).toEqual([origin])
  })

  it('takes objects', () => {
    expect(hint(new URL('http://127.0.0.1:8080')).id).toBe('http:127.0.0.1:8080')
    expect(hint(multiaddr('/ip4/127.0.0.1/tcp/8080/http')).id).toBe('http:127.0.0.1:8080')
  })

  it.each([
    ['ftp://example.com', /only http:\/\/ and https:\/\//],
    ['file:///etc/passwd', /only http/],
    ['ws://example.com', /only http/],
    ['https://example.com/ipfs', /at its root.*https:\/\/example\.com$/],
    ['https://example.com/?a', /at its root/],
    ['https://example.com/#a', /at its root/],
    ['/dns/example.com/tcp/80/http/http-path/ipfs', /at its root/],
    ['http://example.com:0', /port 0/],
    ['http://', /no usable host/],
    ['http://a b', /white space/],
    ['http://exa_mple*.com', /no usable host/],
    ['http://256.0.0.1', /no usable host/],
    ['http://example.com\u202e', /control/],
    [' http://example.com', /white space/],
    ['/ip4/1.2.3.4/udp/443/http', /not a provider/],
    ['/ip4/1.2.3.4/udp/443/quic-v1/http', /not a provider/],
    ['/unix/%2Fsocket/http', /not a provider/],
    [`/ip4/1.2.3.4/tcp/1/p2p/${RELAY}/p2p-circuit/http`, /through a relay/]
  ])('refuses %j and says why', (value, message) => {
    expect(refused(value)).toMatch(message)
  })

  it('refuses credentials without printing them', () => {
    const message = refused('https://user:secret@example.com/')

    expect(message).toContain('credentials')
    expect(message).toContain('example.com')
    expect(message).not.toMatch(/user|secret/)
  })
})

describe('toProvider with a peer', () => {
  let rsa: PeerId
  let secp: PeerId

  beforeAll(async () => {
    rsa = peerIdFromPrivateKey(await generateKeyPair('RSA', 2048))
    secp = peerIdFromPrivateKey(await generateKeyPair('secp256k1'))
  })

  it('reads a peer id as text, in every key type and CID base, and as an object', () => {
    for (const peer of [P, rsa.toString(), secp.toString()]) {
      const cid = peerCID(peer)

      for (const value of [peer, cid.toString(), cid.toString(base36), cid.toString(base58btc), cid]) {
        expect(hint(value)).toEqual({ id: `p2p:${peer}`, addresses: [], protocols: [], source: 'hint', fallback: false, domains: [] })
      }
    }

    expect(hint(rsa).id).toBe(`p2p:${rsa.toString()}`)
  })

  it.each([
    [`/p2p/${P}`, []],
    [`/ip4/1.2.3.4/tcp/4001/p2p/${P}`, [`/ip4/1.2.3.4/tcp/4001/p2p/${P}`]],
    [`/ip4/1.2.3.4/tcp/4001/ipfs/${P}`, [`/ip4/1.2.3.4/tcp/4001/p2p/${P}`]],
    [`/dns4/example.com/udp/4001/quic-v1/p2p/${P}`, [`/dns4/example.com/udp/4001/quic-v1/p2p/${P}`]],
    [`/ip4/1.2.3.4/tcp/1/p2p/${RELAY}/p2p-circuit/p2p/${P}`, [`/ip4/1.2.3.4/tcp/1/p2p/${RELAY}/p2p-circuit/p2p/${P}`]],
    [`/dns4/example.com/tcp/443/https/p2p/${P}`, ['https://example.com']]
  ])('reads %s', (value, addresses) => {
    expect(hint(value)).toMatchObject({ id: `p2p:${P}`, addresses })
    expect(hint(multiaddr(value))).toEqual(hint(value))
  })

  it('writes a peer id that came as a CID in base58', () => {
    expect(hint(`/ip4/1.2.3.4/tcp/4001/p2p/${peerCID(P).toString()}`).id).toBe(`p2p:${P}`)
  })

  it.each([
    ['/ip4/1.2.3.4/tcp/4001', /neither ends in \/http or \/https nor names a peer/],
    [`/ip4/1.2.3.4/tcp/1/p2p/${RELAY}/p2p-circuit`, /nor names a peer/],
    ['/', /not a provider/],
    ['/nonsense/1', /not a provider/],
    ['/ip4/1.2.3.400/tcp/1', /not a provider/],
    [CONTENT, /neither an http\(s\) URL, a multiaddr nor a peer id/],
    [`/p2p/${CONTENT}`, /not a provider/],
    ['localhost:8080', /neither an http\(s\) URL/],
    ['12D3KooW', /neither/],
    ['QmTooShort', /neither/],
    [CID.createV1(LIBP2P_KEY, Digest.create(0x12, new Uint8Array(20))).toString(), /neither/],
    [gatewayCID('https://example.com', LIBP2P_KEY).toString(), /neither/]
  ])('refuses %s', (value, message) => {
    expect(refused(value)).toMatch(message)
  })
})

describe('toProvider', () => {
  it.each([
    [undefined, /of type undefined/], [null, /null/], [5, /of type number/], [true, /of type boolean/], [Symbol('x'), /of type symbol/], [['http://x.example'], /an array/], [() => 'x', /of type function/],
    [{}, /not a provider/], ['', /empty/], ['x'.repeat(3_000), /3000 characters, at most 2048/], [{ toString () { throw new Error('no') } }, /cannot be read/], [Object.create(null), /cannot be read/]
  ])('refuses %j', (value: unknown, message) => {
    expect(refused(value)).toMatch(message)
  })

  it('never prints control characters or much text', () => {
    const message = refused(`\u001b[2J${'x'.repeat(1_000)}`)

    expect(message).not.toMatch(/\p{Cc}/u)
    expect(message.length).toBeLessThan(400)
  })

  it('carries source and fallback', () => {
    expect(toProvider(P, { source: 'operator', fallback: true })).toMatchObject({ source: 'operator', fallback: true })
  })

  it('asks the policy which addresses share no domain', () => {
    expect(hint('http://10.0.0.1').domains).toEqual([])
    expect(hint('http://93.184.215.14').domains).toEqual(['ip4:93.184.215.0/24'])
    expect(toProvider('http://gw.example.com', { source: 'hint', policy: addressPolicy({ allow: ['gw.example.com'] }) }).domains).toEqual(['host:gw.example.com', 'operator:example.com'])
  })

  it('answers anything with a provider or an InvalidProviderError', () => {
    const parts = fc.constantFrom('ip4', 'ip6', '1.2.3.4', '::1', 'dns', 'example.com', 'tcp', '80', 'udp', 'http', 'https', 'tls', 'sni', 'p2p', P, 'p2p-circuit', 'http-path', '%2F', '%', 'ws', 'quic-v1', 'ip6zone', 'unix', 'certhash', '')
    const anything = fc.oneof(
      fc.anything(),
      fc.string({ unit: 'binary' }),
      fc.webUrl({ withFragments: true, withQueryParameters: true }),
      fc.array(parts, { maxLength: 8 }).map((list) => `/${list.join('/')}`),
      fc.tuple(fc.constantFrom('http://', 'https://'), fc.string()).map((list) => list.join('')),
      fc.uint8Array({ minLength: 1, maxLength: 60 }).map((bytes) => base58btc.encode(bytes).slice(1)),
      fc.uint8Array({ maxLength: 40 }).map((bytes) => CID.createV1(LIBP2P_KEY, Digest.create(0, bytes)))
    )

    fc.assert(fc.property(anything, (value) => {
      let provider: Provider

      try {
        provider = hint(value)
      } catch (err) {
        expect((err as Error).name).toBe('InvalidProviderError')
        return
      }

      expect(provider.id).toMatch(/^(p2p:[1-9A-HJ-NP-Za-km-z]+|https?:[a-z0-9._:[\]-]+)$/)

      for (const address of provider.addresses) {
        // what was read is read again as the same: ids and addresses are canonical
        expect(hint(address)).toEqual(provider)
      }
    }), { numRuns: 3_000 })
  })

  it('gives one id to every spelling of one origin', () => {
    fc.assert(fc.property(fc.webUrl({ validSchemes: ['http', 'https'] }), (url) => {
      const { protocol, hostname, port } = new URL(url)
      const spellings = [`${protocol}//${hostname}`, `${protocol.toUpperCase()}//${hostname.toUpperCase()}./`, `${protocol}//${hostname}:${protocol === 'http:' ? 80 : 443}`]

      fc.pre(port === '')
      fc.pre(!/(^|\.)[^.]{64,}|[^a-z0-9._-]/.test(hostname))
      expect(new Set(spellings.map((spelling) => hint(spelling).id)).size).toBe(1)
    }))
  })
})

describe('providerFromRecord', () => {
  const record = (id: ProviderRecord['id'], addresses: string[], more: Partial<ProviderRecord> = {}): ProviderRecord => ({ id, multiaddrs: addresses.map((address) => multiaddr(address)), router: 'some-router', ...more })

  it('keys a peer by its peer id, whatever addresses it has', () => {
    const withHTTP = providerFromRecord(record(peerCID(P), ['/dns4/gw.example.com/tcp/443/https', '/ip4/93.184.215.14/tcp/4001']))
    const without = providerFromRecord(record(peerCID(P), []))

    expect(withHTTP).toEqual({
      id: `p2p:${P}`,
      addresses: ['https://gw.example.com', `/ip4/93.184.215.14/tcp/4001/p2p/${P}`],
      protocols: [],
      source: 'some-router',
      fallback: false,
      domains: ['host:gw.example.com', 'operator:example.com', 'ip4:93.184.215.0/24']
    })
    expect(without).toMatchObject({ id: `p2p:${P}`, addresses: [] })
    expect(httpOrigin(withHTTP)).toEqual(['https://gw.example.com'])
  })

  it('takes a peer id object, as libp2p routers give', async () => {
    const peer = peerIdFromPrivateKey(await generateKeyPair('Ed25519'))

    expect(providerFromRecord(record(peer, [])).id).toBe(`p2p:${peer.toString()}`)
  })

  it('reads what Helia\'s own fallback router reports', async () => {
    const gateways = ['https://gw.example.com', 'http://127.0.0.1:8080/', 'http://[::1]:9090']
    const records = await all(fallbackRouter({ gateways, shuffle: false }).findProviders?.(CID.parse(CONTENT)) ?? [])

    expect(records.map((found) => providerFromRecord(found))).toMatchObject([
      { id: 'https:gw.example.com', addresses: ['https://gw.example.com'], protocols: ['transport-ipfs-gateway-http'], source: 'fallback-router', fallback: true },
      { id: 'http:127.0.0.1:8080', addresses: ['http://127.0.0.1:8080'] },
      { id: 'http:[::1]:9090', addresses: ['http://[::1]:9090'] }
    ])
  })

  it('agrees with a hint about the id of a gateway', () => {
    expect(providerFromRecord(record(gatewayCID('https://GW.example.com:443/'), ['/dns/gw.example.com/tcp/443/https'])).id).toBe(hint('https://gw.example.com').id)
  })

  it('keys a gateway by the origin that will be contacted: nobody acts under another\'s name', () => {
    const liar = providerFromRecord(record(gatewayCID('https://good.example.com'), ['/dns/evil.example.net/tcp/443/https']))

    expect(liar).toMatchObject({ id: 'https:good.example.com', addresses: ['https://good.example.com'] })
  })

  it('keys a gateway of unknown id by its first usable address, and keeps that alone', () => {
    const found = providerFromRecord(record(CID.parse(CONTENT), ['/ip4/8.8.8.8/tcp/4001', '/dns/gw.example.com/tcp/443/https', '/dns/other.example.net/tcp/443/https']))

    expect(found).toMatchObject({ id: 'https:gw.example.com', addresses: ['https://gw.example.com'] })
  })

  it('throws when there is nothing to go by', () => {
    for (const bad of [record(CID.parse(CONTENT), ['/ip4/8.8.8.8/tcp/4001']), record(gatewayCID('https://gw.example.com/path'), []), record(gatewayCID('ftp://x'), []), { ...record(CID.parse(CONTENT), []), id: undefined }, { ...record(CID.parse(CONTENT), []), id: 'x' }]) {
      expect(() => providerFromRecord(bad as ProviderRecord)).toThrow(expect.objectContaining({ name: 'InvalidProviderError' }))
    }
  })

  it('keeps eight addresses: direct, then relayed, then those that would be refused', () => {
    const relayed = `/ip4/9.9.9.9/tcp/4002/p2p/${RELAY}/p2p-circuit`
    const local = ['/ip4/192.168.1.2/tcp/4001', '/ip4/127.0.0.1/tcp/4001', '/ip6/fd00::1/tcp/4001']
    const direct = (n: number): string[] => Array.from({ length: n }, (_, i) => `/ip4/93.184.215.${i}/tcp/4001`)
    const addresses = (list: string[]): string[] => providerFromRecord(record(peerCID(P), list)).addresses.map((address) => address.replace(`/p2p/${P}`, ''))

    expect(addresses([...local, relayed, ...direct(3)])).toEqual([...direct(3), relayed, ...local])
    expect(addresses([...local, relayed, ...direct(12)])).toEqual(direct(8))
  })

  it('takes an allow-listed network for a direct one', () => {
    const policy = addressPolicy({ allow: ['192.168.1.0/24'] })
    const { addresses, domains } = providerFromRecord(record(peerCID(P), [`/ip4/9.9.9.9/tcp/4002/p2p/${RELAY}/p2p-circuit`, '/ip4/192.168.1.2/tcp/4001']), { policy })

    expect(addresses[0]).toBe(`/ip4/192.168.1.2/tcp/4001/p2p/${P}`)
    expect(domains).toEqual([])
  })

  it('lists an address once, with and without its peer id, and leaves out those of other peers', () => {
    const { addresses } = providerFromRecord(record(peerCID(P), ['/ip4/8.8.8.8/tcp/4001', `/ip4/8.8.8.8/tcp/4001/p2p/${P}`, '/dns/a.example.com/tcp/443/https', '/dns4/a.example.com/tcp/443/tls/http', `/ip4/8.8.8.9/tcp/4001/p2p/${RELAY}`]))

    expect(addresses).toEqual([`/ip4/8.8.8.8/tcp/4001/p2p/${P}`, 'https://a.example.com'])
  })

  it('leaves out addresses that cannot be read, and reads the others', () => {
    const multiaddrs = ['nonsense', '', '/x/y', { toString () { throw new Error('no') } }, null, `/dns/${'a'.repeat(3_000)}`, '/ip4/8.8.8.8/tcp/4001']

    expect(providerFromRecord({ id: peerCID(P), multiaddrs: multiaddrs as never }).addresses).toEqual([`/ip4/8.8.8.8/tcp/4001/p2p/${P}`])
    expect(providerFromRecord({ id: peerCID(P), multiaddrs: undefined as never }).addresses).toEqual([])
  })

  it('bounds what a record can make us keep', () => {
    const protocols = ['transport-bitswap', 'transport-bitswap', 'x'.repeat(65), 'with space', '\u001b', ...Array.from({ length: 100 }, (_, i) => `p${i}`)]
    const found = providerFromRecord(record(peerCID(P), [], { protocols }))

    expect(found.protocols).toEqual(['transport-bitswap', 'p0', 'p1', 'p2', 'p3', 'p4', 'p5', 'p6'])
  })

  it('lets the caller name source and fallback', () => {
    expect(providerFromRecord(record(peerCID(P), [], { fallback: true }), { source: 'connected', fallback: false })).toMatchObject({ source: 'connected', fallback: false })
    expect(providerFromRecord({ id: peerCID(P), multiaddrs: [] }).source).toBe('unknown')
  })

  it('answers any record with a provider of bounded size or an InvalidProviderError', () => {
    const text = fc.oneof(fc.string(), fc.constantFrom('/ip4/1.2.3.4/tcp/1', '/dns/a.example/tcp/443/https', `/p2p/${RELAY}/p2p-circuit`, '/ip4/10.0.0.1/tcp/80/http'), fc.ipV4().map((ip) => `/ip4/${ip}/tcp/80/http`))
    const id = fc.oneof(fc.constant(peerCID(P)), fc.uint8Array({ maxLength: 40 }).map((bytes) => CID.createV1(LIBP2P_KEY, Digest.create(0, bytes))), fc.webUrl().map((url) => gatewayCID(url)), fc.anything())

    fc.assert(fc.property(id, fc.array(text, { maxLength: 100 }), (id, multiaddrs) => {
      try {
        const found = providerFromRecord({ id, multiaddrs } as ProviderRecord)

        expect(found.addresses.length).toBeLessThanOrEqual(8)
        expect(new Set(found.addresses).size).toBe(found.addresses.length)
      } catch (err) {
        expect((err as Error).name).toBe('InvalidProviderError')
      }
    }))
  })
})
