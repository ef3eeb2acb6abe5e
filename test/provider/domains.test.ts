import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { addressPolicy } from '../../src/provider/address.ts'
import { failureDomains } from '../../src/provider/domains.ts'

const RELAY = '/p2p/12D3KooWE3hiTb9GMMmvBFTsDrUrMLKiwj5Ae1vpj2GdvbmMVaq8/p2p-circuit'
const domains = (...addresses: string[]): string[] => failureDomains(addresses, addressPolicy())

describe('failureDomains', () => {
  it.each([
    ['/ip4/93.184.215.14/tcp/4001', ['ip4:93.184.215.0/24']],
    ['http://93.184.215.200:8080', ['ip4:93.184.215.0/24']],
    ['/ip6/2606:4700:4700:1::1111/udp/4001/quic-v1', ['ip6:2606:4700:4700::/48']],
    ['https://[2606:4700:4700:ffff::1]', ['ip6:2606:4700:4700::/48']],
    ['/ip6zone/eth0/ip6/2606:4700:4700:1::1/tcp/1', ['ip6:2606:4700:4700::/48']],
    ['/ip6/64:ff9b::5db8:d70e/tcp/1', ['ip4:93.184.215.0/24']],
    ['/ip6/2002:5db8:d70e::1/tcp/1', ['ip4:93.184.215.0/24']],
    ['/dns4/a.b.example.com/tcp/443/https', ['host:a.b.example.com', 'operator:example.com']],
    ['https://GW.example.co.uk.', ['host:gw.example.co.uk', 'operator:example.co.uk']],
    ['/dns/1-2-3-4.k51abc.libp2p.direct/tcp/4001/tls/ws', ['host:1-2-3-4.k51abc.libp2p.direct', 'operator:k51abc.libp2p.direct']],
    ['/dnsaddr/example.com', ['host:example.com', 'operator:example.com']]
  ])('%s is in %j', (address, expected) => {
    expect(domains(address)).toEqual(expected)
  })

  it.each(['/ip4/127.0.0.1/tcp/1', 'http://localhost:1', '/ip4/192.168.1.2/tcp/1', '/ip6/fd00::1/tcp/1', 'http://nas.local', '/unix/%2Fsocket', '/p2p/x', 'nonsense', '', '/'])('%s is in none', (address) => {
    expect(domains(address)).toEqual([])
  })

  it('allowed networks have none, allowed public hosts do', () => {
    const policy = addressPolicy({ allow: ['10.0.0.0/8', 'gw.example.com', '8.8.8.8'] })

    expect(failureDomains(['/ip4/10.1.2.3/tcp/1', 'https://gw.example.com', 'http://8.8.8.8'], policy)).toEqual(['host:gw.example.com', 'operator:example.com', 'ip4:8.8.8.0/24'])
  })

  it('are listed once', () => {
    expect(domains('/ip4/93.184.215.1/tcp/1', '/ip4/93.184.215.2/tcp/1', 'http://93.184.215.3')).toEqual(['ip4:93.184.215.0/24'])
  })

  it('a relay counts only for who has no address of its own', () => {
    expect(domains(`/ip4/9.9.9.9/tcp/1${RELAY}`)).toEqual(['ip4:9.9.9.0/24'])
    expect(domains(`/ip4/9.9.9.9/tcp/1${RELAY}`, '/ip4/93.184.215.1/tcp/1')).toEqual(['ip4:93.184.215.0/24'])
  })

  it('two public addresses share a domain exactly when they share a /24', () => {
    const octet = fc.integer({ min: 0, max: 255 })

    fc.assert(fc.property(octet, octet, octet, octet, (c, d, e, f) => {
      const [a, b] = [domains(`/ip4/93.184.${c}.${d}/tcp/1`), domains(`/ip4/93.184.${e}.${f}/tcp/1`)]

      expect(a[0] === b[0]).toBe(c === e)
    }))
  })

  it('never throw', () => {
    fc.assert(fc.property(fc.array(fc.oneof(fc.string(), fc.webUrl(), fc.string().map((s) => `/dns/${s}`)), { maxLength: 8 }), (addresses) => {
      expect(new Set(domains(...addresses)).size).toBeLessThanOrEqual(16)
    }))
  })
})
