import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { heliaMixin, undiciTransport } from '../../src/index.ts'
import { PRIVACY_PRESETS } from '../../src/interface/privacy-preset.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'
import { namedBy, portolan, reads, wrapped } from './modes/nodes.ts'
import { KAD, block, httpSpy, peerSpy } from './modes/spies.ts'
import type { PrivacyMode } from '../../src/interface/disclosure.ts'

const MODES = Object.keys(PRIVACY_PRESETS) as PrivacyMode[]

let open: AsyncDisposableStack

beforeEach(() => { open = new AsyncDisposableStack() })
afterEach(async () => { await open.disposeAsync() })

describe('of ten peers that are connected', () => {
  it.each(['balanced', 'strict'] as const)('those that hints name are all that learn of a session in mode %s, of its blocks and that they are wanted no more', async mode => {
    const blocks = await Promise.all(Array.from({ length: 6 }, async (_, i) => block(`block ${i}`)))
    const missing = await block('nobody has it')
    const spies = await Promise.all(Array.from({ length: 10 }, async () => peerSpy(open, { has: blocks })))
    const node = await portolan(open, { mode })
    await Promise.all(spies.map(async spy => node.libp2p.dial(spy.libp2p.getMultiaddrs())))
    expect(node.libp2p.getPeers()).toHaveLength(10)

    const session = node.contentRouting.createSession(blocks[0]!.cid, { providers: [spies[3]!.address, spies[7]!.address], timeout: 10_000 })
    for (const { cid, bytes } of blocks) {
      expect(await session.retrieve(cid)).toEqual(bytes)
    }
    await expect(session.retrieve(missing.cid, { timeout: 2_000 })).rejects.toThrow()
    session.close()
    const told = spies.flatMap(({ told }, i) => told.length > 0 ? [i] : [])
    expect([[3], [7], [3, 7]]).toContainEqual(told)
  })
})

describe('a redirect', () => {
  const STATUSES = [301, 302, 303, 307, 308]

  it.each(MODES)('of a gateway, a sibling or a router leads nobody elsewhere in mode %s', async mode => {
    const wanted = await block('elsewhere')
    const elsewhere = await httpSpy(open, { has: [wanted], names: [] })

    await Promise.all(STATUSES.map(async status => {
      const [gateway, sibling, router] = await Promise.all(Array.from({ length: 3 }, async () => httpSpy(open, { redirects: { to: elsewhere.url, status } })))
      const node = await portolan(open, { mode, providers: [gateway!.url], siblings: [sibling!.url], routers: [{ url: router!.url, own: true }], privacy: { lookupDelay: 0 } })
      expect(await reads(node, wanted.cid, { timeout: 10_000 })).toBe(false)
      expect([gateway, sibling, router].map(spy => spy!.asked.length > 0)).toEqual([true, true, true])
    }))
    expect(elsewhere.connections()).toBe(0)
  })
})

describe('a name', () => {
  it.each([
    ['open', ['gateway.example', 'peer.example']],
    ['balanced', ['gateway.example', 'peer.example']],
    ['strict', ['peer.example']]
  ] as const)('in a hint is looked up in mode %s where its host may be asked: %j', async (mode, names) => {
    const wanted = await block('behind names')
    const [gateway, peer] = [await httpSpy(open), await peerSpy(open)]
    const resolved = new Set<string>()
    const wrap = namedBy(async name => {
      resolved.add(name)
      return [{ address: '127.0.0.1', family: 4 }]
    })
    const node = await wrapped(open, {}, { mode, allowAddresses: ['127.0.0.0/8', 'gateway.example', 'peer.example'] }, { libp2p: true, wrap })
    await reads(node, wanted.cid, { providers: [gateway.url.replace('127.0.0.1', 'gateway.example'), peer.address.replace('/ip4/127.0.0.1/', '/dns4/peer.example/')], timeout: 6_000 })
    expect([...resolved].sort()).toEqual(names)
    expect(peer.learnt(wanted.cid).length > 0).toBe(true)
    expect(gateway.connections() > 0).toBe(mode !== 'strict')
  })
})

describe('a router that names the address of somebody else', () => {
  it.each(MODES)('has him told nothing in mode %s', async mode => {
    const wanted = await block('he has it, but is not asked')
    const victim = await peerSpy(open, { has: [wanted] })
    const router = await httpSpy(open, { names: [victim.address.replace(/\/p2p\/.*/, '')] })
    const node = await portolan(open, { mode, routers: [{ url: router.url, own: true }], privacy: { lookupDelay: 0 } })
    expect(await reads(node, wanted.cid)).toBe(false)
    expect(router.asked).not.toEqual([])
    expect(victim.told).toEqual([])
    expect(victim.identified).toEqual([])
  })
})

describe('siblings', () => {
  it.each(MODES)('are asked in mode %s for what they have, and ask nobody else on our behalf', async mode => {
    const [near, far] = [await block('at a sibling'), await block('nowhere')]
    const headers: unknown[] = []
    const sibling = await httpSpy(open, { has: [near], heard: heard => { headers.push(heard['cache-control']) } })
    const [peer, stranger] = [await peerSpy(open, { has: [near] }), await peerSpy(open, { has: [near, far] })]
    const node = await portolan(open, { mode, siblings: [sibling.url, peer.address], hedge: { exploreShare: 0 } })
    await node.libp2p.dial(stranger.libp2p.getMultiaddrs())
    expect(await reads(node, near.cid)).toBe(true)
    expect(sibling.asked.length + peer.learnt(near.cid).length).toBeGreaterThan(0)
    expect(headers.every(header => header === 'only-if-cached')).toBe(true)
    expect(stranger.learnt(near.cid)).toEqual([])
    await reads(node, far.cid)
    expect(stranger.learnt(far.cid).length > 0).toBe(mode === 'open')
  })
})

describe('a read in a mode of its own', () => {
  it('may be stricter than the node, and is when the same block is being read otherwise', async () => {
    const wanted = await block('read twice')
    const { promise, resolve } = Promise.withResolvers<void>()
    const gateway = await httpSpy(open, { has: [wanted], until: promise })
    const node = await portolan(open, { mode: 'balanced' })
    const loose = reads(node, wanted.cid, { providers: [gateway.url], timeout: 20_000 })
    await vi.waitFor(() => { expect(gateway.asked).toHaveLength(1) }, { timeout: 10_000 })

    // it is told what it may ask for itself, and does not wait for what the other one asked for
    await expect(node.contentRouting.retrieve(wanted.cid, { mode: 'strict', providers: [gateway.url], timeout: 5_000 })).rejects.toThrow('mode "strict" asks no other host over HTTP')
    expect(gateway.asked).toHaveLength(1)
    resolve()
    expect(await loose).toBe(true)
    // here it is no matter who fetched it
    expect(await reads(node, wanted.cid, { mode: 'strict' })).toBe(true)
  })

  it('may be looser than the node, once', async () => {
    const [loose, strict] = [await block('for once'), await block('and not again')]
    const gateway = await httpSpy(open, { has: [loose, strict] })
    const spy = await peerSpy(open)
    const node = await portolan(open, { mode: 'strict' })
    await node.libp2p.dial(spy.libp2p.getMultiaddrs())
    expect(await reads(node, loose.cid, { mode: 'open', providers: [gateway.url] })).toBe(true)
    expect(await reads(node, strict.cid, { providers: [gateway.url] })).toBe(false)
    expect(gateway.asked.every(path => path.includes(loose.cid.toString()))).toBe(true)
    expect(spy.learnt(strict.cid)).toEqual([])
    // what the node says of itself it says in its own mode
    await vi.waitFor(() => { expect(spy.identified).toHaveLength(1) }, { timeout: 10_000 })
    expect(spy.identified[0]).toMatchObject({ agentVersion: 'portolan', listenAddrs: [] })
  })
})

describe('lookups in mode strict', () => {
  it('wait for each other on their way to a router, where one in another mode leaves at once', async () => {
    const router = await httpSpy(open)
    const clock = new VirtualClock()
    const wrap = heliaMixin(({ policy }) => undiciTransport({ policy }), { clock })
    const node = await wrapped(open, {}, { mode: 'strict', routers: [{ url: router.url, own: true }] }, { wrap })
    const [first, second, other] = [await block('first'), await block('second'), await block('at once')]
    const leaving = new AbortController()
    const reading = [reads(node, first.cid, { signal: leaving.signal }), reads(node, other.cid, { mode: 'balanced', signal: leaving.signal })]
    const asked = (): boolean[] => [first, second, other].map(({ cid }) => router.asked.some(path => path.includes(cid.toString())))
    await vi.waitFor(() => { expect(asked()).toEqual([false, false, true]) }, { timeout: 10_000 })

    await clock.advance(PRIVACY_PRESETS.strict.lookupDelay / 5)
    reading.push(reads(node, second.cid, { signal: leaving.signal }), reads(node, (await block('again')).cid, { mode: 'balanced', signal: leaving.signal }))
    await vi.waitFor(() => { expect(router.asked).toHaveLength(2) }, { timeout: 10_000 })
    expect(asked()).toEqual([false, false, true])

    await clock.advance(PRIVACY_PRESETS.strict.lookupDelay)
    await vi.waitFor(() => { expect(asked()).toEqual([true, true, true]) }, { timeout: 10_000 })
    leaving.abort()
    await Promise.all(reading)
  })
})

describe('what was fetched', () => {
  it.each(MODES)('is announced to nobody in mode %s, and what is announced by hand is, under the identity of the node', async mode => {
    const [fetched, own] = [await block('theirs'), await block('ours')]
    const gateway = await httpSpy(open, { has: [fetched] })
    const server = await peerSpy(open, { names: () => [] })
    const node = await portolan(open, { mode, providers: [gateway.url], bootstrap: [server.address], dhtProtocol: KAD, listen: ['/ip4/127.0.0.1/tcp/0'], serve: 'everyone' })
    expect(await reads(node, fetched.cid)).toBe(true)
    await node.store.put(own.cid, own.bytes)
    await node.contentRouting.announce(own.cid, { signal: AbortSignal.timeout(10_000) })
    expect(server.learnt(own.cid).filter(({ what }) => what === 'announcement').map(({ from }) => from)).toContain(node.libp2p.peerId.toString())
    expect(server.learnt(fetched.cid).filter(({ what }) => what === 'announcement')).toEqual([])
  })
})
