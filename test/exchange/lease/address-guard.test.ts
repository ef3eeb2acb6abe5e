import { describe, expect, it } from 'vitest'
import { AddressGuard } from '../../../src/exchange/lease/address-guard.ts'
import { addressPolicy } from '../../../src/provider/address.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'
import { never } from './nodes.ts'
import { disclose } from '../../support/disclosures.ts'

const PEER = '12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5'
const OTHER = '12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp'
const RELAY = 'QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N'

interface Names {
  /** A and AAAA records */
  hosts?: Record<string, string[]>
  /** TXT records */
  texts?: Record<string, string[]>
  allow?: string[]
}

function setup ({ hosts = {}, texts = {}, allow = [] }: Names = {}): { guard: AddressGuard, clock: VirtualClock, asked: string[], dialable (...addresses: string[]): Promise<string[]>, why (...addresses: string[]): Promise<string[]> } {
  const clock = new VirtualClock()
  const asked: string[] = []
  const guard = new AddressGuard({
    policy: addressPolicy({ allow }),
    clock,
    resolve: async name => {
      asked.push(name)
      return (hosts[name] ?? []).map(address => ({ address, family: address.includes(':') ? 6 : 4 }))
    },
    resolveText: async name => {
      asked.push(name)
      return texts[name] ?? []
    }
  })
  const check = async (addresses: string[]): ReturnType<AddressGuard['checked']> => guard.checked(addresses, PEER, { signal: never, discloseName: disclose })

  return { guard, clock, asked, dialable: async (...addresses) => (await check(addresses)).dialable.map(({ text }) => text), why: async (...addresses) => (await check(addresses)).skipped.map(({ why }) => why) }
}

describe('names', () => {
  it('are resolved once, and what comes out is an IP address; the name stays in the certificate only', async () => {
    const { dialable, asked } = setup({ hosts: { 'peer.example': ['8.8.8.8', '2606:4700::1'] } })

    expect(await dialable('/dns/peer.example/tcp/4001')).toEqual(['/ip4/8.8.8.8/tcp/4001', '/ip6/2606:4700::1/tcp/4001'])
    expect(await dialable('/dns4/peer.example/tcp/4001/ws')).toEqual(['/ip4/8.8.8.8/tcp/4001/ws'])
    expect(await dialable('/dns6/peer.example/tcp/443/wss')).toEqual(['/ip6/2606:4700::1/tcp/443/tls/sni/peer.example/ws'])
    expect(await dialable('/dns4/peer.example/tcp/443/tls/sni/other.example/ws')).toEqual(['/ip4/8.8.8.8/tcp/443/tls/sni/other.example/ws'])
    expect(asked).toHaveLength(4)
  })

  it('that lead into a private network are refused, and of several addresses those that do', async () => {
    const { dialable, why, guard } = setup({ hosts: { 'rebound.example': ['127.0.0.1', '::ffff:10.0.0.1', '169.254.169.254'], 'both.example': ['10.0.0.1', '8.8.8.8', '64:ff9b::7f00:1'] } })

    expect(await dialable('/dns/rebound.example/tcp/4001')).toEqual([])
    expect((await why('/dns/rebound.example/tcp/4001'))[0]).toMatch(/"rebound\.example" \(resolved to 127\.0\.0\.1:4001\) is refused/)
    expect(await guard.checked(['/dns/rebound.example/tcp/4001'], PEER, { signal: never, discloseName: disclose })).toMatchObject({ skipped: [{ refusal: { name: 'AddressRefusedError' } }] })
    expect(await dialable('/dns/both.example/tcp/4001')).toEqual(['/ip4/8.8.8.8/tcp/4001'])
  })

  it('that the operator allowed may lead there, but not to where credentials are handed out', async () => {
    const { dialable } = setup({ hosts: { 'nas.lan': ['192.168.1.7', '169.254.169.254'] }, allow: ['nas.lan'] })

    expect(await dialable('/dns/nas.lan/tcp/4001')).toEqual(['/ip4/192.168.1.7/tcp/4001'])
  })

  it('that are not public names are not looked up at all', async () => {
    const { why, asked } = setup()

    expect((await why('/dns/printer/tcp/4001', '/dnsaddr/vault.corp', '/dns/localhost/tcp/4001', '/dns/example.com/tcp/22')).every(text => text.includes('refused'))).toBe(true)
    expect(asked).toEqual([])
  })

  it('alternate between the families, two of each at most', async () => {
    const { dialable } = setup({ hosts: { 'many.example': ['2606:4700::1', '2606:4700::2', '2606:4700::3', '8.8.8.1', '8.8.8.2', '8.8.8.3'] } })

    expect(await dialable('/dns/many.example/tcp/4001')).toEqual(['/ip6/2606:4700::1/tcp/4001', '/ip4/8.8.8.1/tcp/4001', '/ip6/2606:4700::2/tcp/4001', '/ip4/8.8.8.2/tcp/4001'])
  })

  it.each([[[], 3_000], [['/ip4/8.8.8.8/tcp/4001'], 250]])('that nobody answers for, beside %j, cost %d ms together and nothing else', async (others, ms) => {
    const clock = new VirtualClock()
    const silent = async (): Promise<never> => new Promise<never>(() => {})
    const guard = new AddressGuard({ policy: addressPolicy(), clock, resolve: silent, resolveText: silent })
    const checked = await clock.run(guard.checked(['/dns/a.example/tcp/4001', '/dnsaddr/b.example', '/dns/c.example/tcp/4001', ...others], PEER, { signal: never, discloseName: disclose }))

    expect(clock.now()).toBe(ms)
    expect(checked.dialable.map(({ text }) => text)).toEqual(others)
    expect(checked.skipped.map(({ why }) => why)).toEqual(Array.from({ length: 3 }, () => 'its name was not resolved in time'))
    expect(clock.pending).toBe(0)
  })

  it('are not waited for by whoever leaves', async () => {
    const clock = new VirtualClock()
    const guard = new AddressGuard({ policy: addressPolicy(), clock, resolve: async () => new Promise<never>(() => {}), resolveText: async () => [] })
    const controller = new AbortController()
    const checking = guard.checked(['/dns/a.example/tcp/4001'], PEER, { signal: controller.signal, discloseName: disclose })
    controller.abort(new Error('left'))

    await expect(checking).rejects.toThrow('left')
    expect(clock.pending).toBe(0)
  })
})

describe('a dnsaddr', () => {
  it('leads to the addresses of that peer and of no other, through others', async () => {
    const { dialable } = setup({
      texts: {
        '_dnsaddr.boot.example': [`dnsaddr=/dnsaddr/a.boot.example/p2p/${PEER}`, `dnsaddr=/ip4/8.8.8.8/tcp/4001/p2p/${OTHER}`, 'dnsaddr=/ip4/9.9.9.9/tcp/4001', 'v=spf1 -all', ''],
        '_dnsaddr.a.boot.example': [`dnsaddr=/ip4/8.8.4.4/tcp/4001/p2p/${PEER}`, `dnsaddr=/ip4/8.8.4.4/udp/4001/quic-v1/p2p/${PEER}`, `dnsaddr=/dns4/x.example/tcp/443/wss/p2p/${PEER}`]
      },
      hosts: { 'x.example': ['8.8.4.5'] }
    })

    expect(await dialable('/dnsaddr/boot.example')).toEqual(['/ip4/8.8.4.4/tcp/4001', '/ip4/8.8.4.5/tcp/443/tls/sni/x.example/ws'])
    expect(await dialable(`/dnsaddr/boot.example/p2p/${OTHER}`)).toEqual([])
  })

  it('opens no private network by what it holds', async () => {
    const { dialable, why } = setup({ texts: { '_dnsaddr.evil.example': [`dnsaddr=/ip4/127.0.0.1/tcp/4001/p2p/${PEER}`, `dnsaddr=/dns4/in.example/tcp/4001/p2p/${PEER}`, `dnsaddr=/dnsaddr/vault.corp/p2p/${PEER}`] }, hosts: { 'in.example': ['10.0.0.1'] } })

    expect(await dialable('/dnsaddr/evil.example')).toEqual([])
    expect((await why('/dnsaddr/evil.example')).map(text => /refused/.test(text))).toEqual([true, true, true])
  })

  it('that leads to itself or to ever more others comes to an end', async () => {
    const loop = setup({ texts: { '_dnsaddr.loop.example': [`dnsaddr=/dnsaddr/loop.example/p2p/${PEER}`, `dnsaddr=/dnsaddr/loop.example/p2p/${PEER}`] } })
    expect(await loop.dialable('/dnsaddr/loop.example')).toEqual([])
    expect(loop.asked.length).toBeLessThanOrEqual(8)

    const texts = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`_dnsaddr.n${i}.example`, Array.from({ length: 100 }, (_, j) => `dnsaddr=/dnsaddr/n${(i + j + 1) % 100}.example/p2p/${PEER}`)]))
    const wide = setup({ texts })
    expect((await wide.why('/dnsaddr/n0.example')).length).toBeLessThanOrEqual(32)
    expect(wide.asked.length).toBeLessThanOrEqual(8)
  })
})

it('takes eight addresses of a peer, direct ones first, and each once', async () => {
  const { dialable, why } = setup()
  const many = Array.from({ length: 40 }, (_, i) => `/ip4/8.8.8.${i + 1}/tcp/4001`)

  expect(await dialable(`/ip4/8.8.8.9/tcp/4001/p2p/${RELAY}/p2p-circuit`, '/ip4/8.8.8.8/tcp/80/ws', '/ip4/8.8.8.8/tcp/4001', `/ip4/8.8.8.8/tcp/4001/p2p/${PEER}`))
    .toEqual(['/ip4/8.8.8.8/tcp/4001', '/ip4/8.8.8.8/tcp/80/ws', `/ip4/8.8.8.9/tcp/4001/p2p/${RELAY}/p2p-circuit`])
  expect(await dialable(...many)).toEqual(many.slice(0, 8))
  expect((await why(...many))[0]).toMatch(/at most 8/)
  expect(await why(`/ip4/8.8.8.8/tcp/4001/p2p/${OTHER}`)).toEqual(['it leads to another peer'])
})
