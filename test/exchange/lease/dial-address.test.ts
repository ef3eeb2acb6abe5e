import { BlockList, isIPv6 } from 'node:net'
import { multiaddr } from '@multiformats/multiaddr'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { systemClock } from '../../../src/clock/system-clock.ts'
import { AddressGuard } from '../../../src/exchange/lease/address-guard.ts'
import { dialText, readDialAddress } from '../../../src/exchange/lease/dial-address.ts'
import { addressPolicy } from '../../../src/provider/address.ts'
import { noNames } from './nodes.ts'

const PEER = '12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5'
const RELAY = 'QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N'
const strict = new AddressGuard({ policy: addressPolicy(), clock: systemClock, ...noNames })

/** What the guard says to an address before any name is resolved */
function verdict (text: string, guard = strict): string {
  const read = readDialAddress(text)

  if ('why' in read) {
    return `skipped: ${read.why}`
  }
  try {
    guard.check(read.address)
    return 'allowed'
  } catch (error) {
    expect((error as Error).name).toBe('AddressRefusedError')
    return `refused: ${(error as Error).message}`
  }
}

describe('an address that is to be dialled', () => {
  it.each([
    // loopback
    '/ip4/127.0.0.1/tcp/4001', '/ip4/127.255.255.254/tcp/4001', '/ip6/::1/tcp/4001', '/ip6/0:0:0:0:0:0:0:1/tcp/4001', '/ip6/::ffff:127.0.0.1/tcp/4001', '/ip6/::ffff:7f00:1/tcp/4001',
    '/ip6/::FFFF:7F00:0001/tcp/4001', '/ip6/64:ff9b::127.0.0.1/tcp/4001', '/ip6/64:ff9b::7f00:1/tcp/4001', '/ip6/2002:7f00:1::/tcp/4001', '/ip6/2002:7f00:1::1/tcp/4001',
    '/dns4/127.0.0.1/tcp/4001', '/dns/127.1/tcp/4001', '/dns/2130706433/tcp/4001', '/dns4/0x7f000001/tcp/4001', '/dns/0177.0.0.1/tcp/4001', '/dns/0x7f.1/tcp/4001', '/dns4/１２７.０.０.１/tcp/4001',
    '/dns/localhost/tcp/4001', '/dns4/LOCALHOST/tcp/4001', '/dns6/localhost./tcp/4001', '/dnsaddr/localhost', '/dnsaddr/a.localhost', '/dns6/::1/tcp/4001',
    // private, carrier-grade NAT, link-local
    '/ip4/10.0.0.1/tcp/4001', '/ip4/172.16.0.1/tcp/4001', '/ip4/172.31.255.255/tcp/4001', '/ip4/192.168.1.1/tcp/4001', '/ip4/100.64.0.1/tcp/4001', '/ip4/100.127.255.255/tcp/4001',
    '/ip4/169.254.1.1/tcp/4001', '/ip6/fe80::1/tcp/4001', '/ip6/fc00::1/tcp/4001', '/ip6/fd12:3456::1/tcp/4001', '/ip6/fec0::1/tcp/4001', '/ip6/::ffff:10.0.0.1/tcp/4001', '/ip6/2002:a00:1::/tcp/4001',
    '/dns/printer/tcp/4001', '/dns4/nas.local/tcp/4001', '/dns/db.internal/tcp/4001', '/dns/gw.lan/tcp/4001', '/dns/x.home.arpa/tcp/4001', '/dnsaddr/vault.corp',
    // where clouds hand out credentials
    '/ip4/169.254.169.254/tcp/80', '/ip4/169.254.170.2/tcp/80', '/ip4/100.100.100.200/tcp/80', '/ip4/168.63.129.16/tcp/80', '/ip6/fd00:ec2::254/tcp/80', '/ip6/::ffff:169.254.169.254/tcp/80', '/dns/metadata.google.internal/tcp/80',
    // nobody, everybody, nothing
    '/ip4/0.0.0.0/tcp/4001', '/ip6/::/tcp/4001', '/ip4/224.0.0.1/tcp/4001', '/ip6/ff02::1/tcp/4001', '/ip4/255.255.255.255/tcp/4001', '/ip4/192.0.2.1/tcp/4001', '/ip6/2001:db8::1/tcp/4001', '/ip4/198.18.0.1/tcp/4001', '/ip4/240.0.0.1/tcp/4001',
    // other services
    '/ip4/8.8.8.8/tcp/22', '/ip4/8.8.8.8/tcp/25', '/dns/example.com/tcp/1023', '/ip6/2606:4700::1111/tcp/53', '/dns4/example.com/tcp/445/ws',
    // WebSockets, and the name inside TLS
    '/ip4/127.0.0.1/tcp/4001/ws', '/ip4/127.0.0.1/tcp/443/wss', '/ip4/127.0.0.1/tcp/443/tls/ws', '/ip4/127.0.0.1/tcp/443/tls/sni/example.com/ws', '/ip4/8.8.8.8/tcp/443/tls/sni/localhost/ws',
    '/ip4/8.8.8.8/tcp/443/tls/sni/vault.corp/ws', '/dns4/example.com/tcp/443/tls/sni/printer/ws', '/dns4/localhost/tcp/443/tls/ws',
    // the relay's host
    `/ip4/127.0.0.1/tcp/4001/p2p/${RELAY}/p2p-circuit`, `/ip4/10.0.0.1/tcp/4001/p2p/${RELAY}/p2p-circuit/p2p/${PEER}`, `/dns4/localhost/tcp/4001/ws/p2p/${RELAY}/p2p-circuit`, `/ip4/8.8.8.8/tcp/22/p2p/${RELAY}/p2p-circuit/p2p/${PEER}`
  ])('%s is refused', text => {
    expect(verdict(text)).toMatch(/^refused/)
    expect(verdict(text.includes('circuit') ? text : `${text}/p2p/${PEER}`)).toMatch(/^refused/)
  })

  it.each([
    '/ip4/8.8.8.8/tcp/4001', '/ip4/8.8.8.8/tcp/443', '/ip4/8.8.8.8/tcp/80/ws', '/ip6/2606:4700:4700::1111/tcp/4001', '/ip6/::ffff:8.8.8.8/tcp/4001', '/ip6/64:ff9b::8.8.8.8/tcp/4001', '/dns/example.com/tcp/4001',
    '/dns4/example.com/tcp/443/wss', '/dns4/example.com/tcp/443/tls/ws', '/dns6/example.com/tcp/4001', '/dnsaddr/bootstrap.libp2p.io', `/dnsaddr/bootstrap.libp2p.io/p2p/${RELAY}`, '/ip4/8.8.8.8/tcp/443/tls/sni/example.com/ws',
    `/ip4/8.8.8.8/tcp/4001/p2p/${RELAY}/p2p-circuit/p2p/${PEER}`, `/ip4/8.8.8.8/tcp/4001/p2p/${PEER}`, '/dns4/example.com/tcp/80/ws/http-path/a'
  ])('%s is allowed', text => {
    expect(verdict(text)).toBe('allowed')
  })

  it.each([
    ['/ip4/8.8.8.8/udp/4001/quic-v1', /QUIC/], ['/ip4/8.8.8.8/udp/4001/quic', /QUIC/], ['/ip4/8.8.8.8/udp/4001/quic-v1/webtransport', /WebTransport/], ['/ip4/8.8.8.8/udp/4001/webrtc-direct', /WebRTC/],
    [`/ip4/8.8.8.8/tcp/4001/p2p/${RELAY}/p2p-circuit/webrtc/p2p/${PEER}`, /WebRTC/], ['/ip4/8.8.8.8/udp/4001', /UDP/], ['/dns4/example.com/tcp/443/https', /HTTP/], ['/ip4/8.8.8.8/tcp/80/http', /HTTP/],
    ['/unix/%2Fvar%2Frun%2Fdocker.sock', /file system/], ['/memory/1', /memory/], ['/ip6zone/eth0/ip6/fe80::1/tcp/4001', /zone/], [`/p2p/${PEER}`, /no host/], [`/p2p/${RELAY}/p2p-circuit/p2p/${PEER}`, /no host/], ['/p2p-circuit', /no host/],
    ['/ip4/8.8.8.8/tcp/4001/p2p-circuit', /which relay/], [`/dnsaddr/example.com/p2p/${RELAY}/p2p-circuit/p2p/${PEER}`, /which relay/], ['/ip4/8.8.8.8', /no TCP port/], ['/dnsaddr/127.0.0.1', /no TCP port/], ['/ip4/8.8.8.8/tcp/0', /no TCP port/], ['/ip4/8.8.8.8/tcp/4001/tls', /TLS without/],
    ['/ip4/8.8.8.8/tcp/443/tls/sni/127.0.0.1/ws', /no name/], ['/ip4/8.8.8.8/tcp/443/tls/sni/a%20b/ws', /no name/], ['/ip4/8.8.8.8/tcp/1/ip4/127.0.0.1/tcp/4001', /\/ip4/], ['/ip4/8.8.8.8/ipcidr/8/tcp/4001', /no TCP port/], ['/tcp/4001/ip4/127.0.0.1', /no host/],
    ['/dns4/%31.example/tcp/4001', /neither a host name/], ['/dns4/a%2fb/tcp/4001', /neither a host name/], ['/dns4/a@b/tcp/4001', /neither a host name/], ['/ip4/127.1/tcp/4001', /no multiaddr/], ['/ip4/0x7f.0.0.1/tcp/4001', /no multiaddr/], ['/ip4/8.8.8.8/tcp/99999', /no multiaddr/],
    ['/ip4/8.8.8.8/tcp/080', /no multiaddr/], ['/ip4/8.8.8.8/tcp/4001/ws/ws', /\/ws/], ['nonsense', /no multiaddr/], ['', /no/], ['127.0.0.1:4001', /no multiaddr/], ['http://127.0.0.1', /no multiaddr/], [`/dns4/${'a'.repeat(1_100)}/tcp/1`, /at most 1024/]
  ])('%s is skipped, and nobody to blame', (text, why) => {
    expect(verdict(text)).toMatch(/^skipped/)
    expect(verdict(text)).toMatch(why)
  })

  it('is opened by naming it, on the ports of services only together with the port', () => {
    const lan = new AddressGuard({ policy: addressPolicy({ allow: ['192.168.0.0/16', '10.0.0.5:22', 'nas.local'] }), clock: systemClock, ...noNames })

    expect(['/ip4/192.168.1.1/tcp/4001', '/ip4/192.168.1.1/tcp/22', '/ip4/10.0.0.5/tcp/22', '/ip4/10.0.0.5/tcp/4001', '/dns4/NAS.local./tcp/4001/ws', `/ip4/192.168.1.1/tcp/4001/p2p/${RELAY}/p2p-circuit/p2p/${PEER}`].map(text => verdict(text, lan).split(':')[0]))
      .toEqual(['allowed', 'refused', 'allowed', 'refused', 'allowed', 'allowed'])
  })

  it('never leads to an address that Node calls special, in whatever form it is written', () => {
    const special = new BlockList()
    for (const [base, prefix] of [['0.0.0.0', 8], ['10.0.0.0', 8], ['100.64.0.0', 10], ['127.0.0.0', 8], ['169.254.0.0', 16], ['172.16.0.0', 12], ['192.168.0.0', 16], ['224.0.0.0', 3]] as const) {
      special.addSubnet(base, prefix, 'ipv4')
    }
    const octets = fc.oneof(fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255), fc.nat(255)), fc.tuple(fc.constantFrom(0, 10, 100, 127, 169, 172, 192, 224), fc.constantFrom(0, 16, 64, 168, 254), fc.nat(255), fc.nat(255)))
    const tail = fc.constantFrom('', '/ws', '/tls/ws', '/wss', '/tls/sni/example.com/ws', `/p2p/${PEER}`, `/p2p/${RELAY}/p2p-circuit`, `/ws/p2p/${RELAY}/p2p-circuit/p2p/${PEER}`)

    fc.assert(fc.property(octets, fc.integer({ min: 1_024, max: 65_535 }), tail, ([a, b, c, d], port, end) => {
      const ip = `${a}.${b}.${c}.${d}`
      const hex = `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`
      const number = ((a * 256 + b) * 256 + c) * 256 + d
      fc.pre(special.check(ip))

      for (const host of [`/ip4/${ip}`, `/ip6/::ffff:${hex}`, `/ip6/64:ff9b::${hex}`, `/ip6/2002:${hex}::1`, `/dns4/${ip}`, `/dns/${number}`, `/dns/0x${number.toString(16)}`, `/dns6/::ffff:${hex}`, `/dns/${ip}.`]) {
        expect([host, verdict(`${host}/tcp/${port}${end}`).split(':')[0]]).toEqual([host, 'refused'])
      }
    }), { numRuns: 500 })
  })

  it('says of every text what it is, and dials nothing of it that was not checked', () => {
    const part = fc.constantFrom('ip4', 'ip6', 'dns', 'dns4', 'dnsaddr', 'tcp', 'udp', 'ws', 'wss', 'tls', 'sni', 'p2p', 'p2p-circuit', 'quic-v1', 'http', 'ip6zone', '127.0.0.1', '8.8.8.8', '::1', '2606:4700::1', 'example.com', 'localhost', '4001', '443', PEER, RELAY, '%2f', '')

    fc.assert(fc.property(fc.oneof(fc.array(part, { maxLength: 14 }).map(parts => `/${parts.join('/')}`), fc.string({ unit: 'binary' })), text => {
      const read = readDialAddress(text)

      if ('why' in read) {
        expect(read.why).not.toBe('')
      } else if (read.address.lookup === 'none') {
        const { host, port, kind, sni, relay } = read.address
        const again = readDialAddress(dialText(read.address))

        expect(isIPv6(host.text) ? 16 : 4).toBe(host.ip?.byteLength)
        expect(again).toEqual({ address: { kind, lookup: 'none', host, port, ...(sni == null ? {} : { sni }), ...(relay == null ? {} : { relay }) } })
        expect(() => multiaddr(dialText(read.address))).not.toThrow()
      }
    }), { numRuns: 3_000 })
  })

  it('takes whatever it is given', () => {
    fc.assert(fc.property(fc.anything(), value => {
      expect(readDialAddress(value as string)).toBeTypeOf('object')
    }))
  })
})
