import { createLibp2p } from 'libp2p'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { contentRoutingFor } from '../../src/index.ts'
import { loopbackLibp2p } from '../helia/loopback-libp2p.ts'
import { LOOPBACK, namedBy, portolan, reads, wrapped } from './modes/nodes.ts'
import { KAD, block, httpSpy, peerSpy } from './modes/spies.ts'
import type { Libp2p } from '@libp2p/interface'

let open: AsyncDisposableStack

beforeEach(() => { open = new AsyncDisposableStack() })
afterEach(async () => { await open.disposeAsync() })

describe('balanced', () => {
  it('tells two peers that hints name, of ten that are connected, and no host that nobody named', async () => {
    const wanted = await block('one of ten has it')
    const spies = await Promise.all(Array.from({ length: 10 }, async (_, i) => peerSpy(open, { has: i === 1 ? [wanted] : [] })))
    const [stranger, fallback] = [await httpSpy(open, { has: [wanted] }), { name: 'gateways', lookups: 0, capabilities: () => ['fallback'], async * findProviders () { this.lookups++ } }]
    const resolved: string[] = []
    const wrap = namedBy(async name => {
      resolved.push(name)
      return [{ address: '127.0.0.1', family: 4 }]
    })
    const broker = { name: 'adopted', asked: 0, announced: 0, async retrieve (): Promise<Uint8Array> { this.asked++; throw new Error('has nothing') }, announce () { this.announced++ } }
    const node = await wrapped(open, { routers: [fallback as never], blockBrokers: [broker as never] }, { mode: 'balanced' }, { libp2p: true, wrap })
    const { libp2p } = node as unknown as { libp2p: Libp2p }
    await Promise.all(spies.map(async spy => libp2p.dial(spy.libp2p.getMultiaddrs())))
    expect(libp2p.getPeers()).toHaveLength(10)

    expect(await reads(node, wanted.cid, { providers: spies.slice(0, 2).map(({ address }) => address) })).toBe(true)
    const nowhere = await block('nobody has it')
    expect(await reads(node, nowhere.cid, { providers: spies.slice(0, 2).map(({ address }) => address) })).toBe(false)

    for (const { cid } of [wanted, nowhere]) {
      expect(spies.map(spy => spy.learnt(cid).length > 0).slice(2)).toEqual(Array(8).fill(false))
    }
    expect(spies.slice(0, 2).some(spy => spy.learnt(wanted.cid).length > 0)).toBe(true)
    expect([stranger.connections(), fallback.lookups, broker.asked, broker.announced, resolved]).toEqual([0, 0, 0, 0, []])
  })

  it('takes a want back that nobody has any more', async () => {
    const spy = await peerSpy(open, { silent: true })
    const { cid } = await block('given up')
    const node = await portolan(open, {})
    const leaving = new AbortController()
    const reading = reads(node, cid, { providers: [spy.address], signal: leaving.signal })
    await vi.waitFor(() => { expect(spy.learnt(cid).map(({ what }) => what)).toEqual(['want']) }, { timeout: 10_000 })
    leaving.abort()
    expect(await reading).toBe(false)
    await vi.waitFor(() => { expect(spy.learnt(cid).map(({ what }) => what)).toEqual(['want', 'cancel']) }, { timeout: 10_000 })
  })

  it.each([['balanced', 'portolan', 0], ['strict', 'portolan', 0], ['open', undefined, 1]] as const)('in mode %s peers are told %s and %d private addresses', async (mode, agent, addresses) => {
    const spy = await peerSpy(open)
    const node = await portolan(open, { mode, listen: ['/ip4/127.0.0.1/tcp/0'] })
    await node.libp2p.dial(spy.libp2p.getMultiaddrs())
    await vi.waitFor(() => { expect(spy.identified).toHaveLength(1) }, { timeout: 10_000 })
    const told = spy.identified[0]
    expect(told?.listenAddrs).toHaveLength(addresses)
    expect(told?.signedPeerRecord?.addresses ?? []).toHaveLength(addresses)
    if (agent == null) {
      expect(told?.agentVersion).toContain(process.versions.node)
    } else {
      expect(told?.agentVersion).toBe(agent)
    }
    // its operator sees where it listens all the same
    expect(node.libp2p.getMultiaddrs()).toHaveLength(1)
  })
})

describe('strict', () => {
  it('looks up under another identity than it asks for blocks under, and leaves none of it behind', async () => {
    const wanted = await block('found in the DHT')
    const holder = await peerSpy(open, { has: [wanted] })
    const server = await peerSpy(open, { names: () => [holder] })
    const node = await portolan(open, { mode: 'strict', bootstrap: [server.address], dhtProtocol: KAD, privacy: { lookupDelay: 20 } })
    const self = node.libp2p.peerId.toString()

    expect(await reads(node, wanted.cid, { timeout: 15_000 })).toBe(true)
    const lookups = server.learnt(wanted.cid)
    expect(lookups.map(({ what }) => what)).toEqual(['lookup'])
    expect(lookups[0]?.from).not.toBe(self)
    expect(holder.learnt(wanted.cid).map(({ from }) => from)).toEqual([self])
    // the other one listens nowhere, and says what every node says
    const other = server.identified.find(({ peerId }) => peerId.toString() === lookups[0]?.from)
    expect(other).toMatchObject({ agentVersion: 'portolan', listenAddrs: [] })
    expect(other?.protocols.some(protocol => protocol.includes('bitswap') || protocol.includes('kad'))).toBe(false)

    await node.stop()
    await vi.waitFor(() => { expect(server.libp2p.getConnections()).toEqual([]) }, { timeout: 10_000 })
  })

  it('is what a single read may ask for, of a node in another mode', async () => {
    const [mine, apart] = [await block('as the node'), await block('as somebody else')]
    const holder = await peerSpy(open, { has: [mine, apart] })
    const server = await peerSpy(open, { names: () => [holder] })
    const node = await portolan(open, { bootstrap: [server.address], dhtProtocol: KAD })
    const self = node.libp2p.peerId.toString()
    expect(await reads(node, mine.cid, { timeout: 15_000 })).toBe(true)
    expect(await reads(node, apart.cid, { timeout: 15_000, mode: 'strict' })).toBe(true)
    expect(server.learnt(mine.cid).map(({ from }) => from === self)).toEqual([true])
    expect(server.learnt(apart.cid).map(({ from }) => from === self)).toEqual([false])
  })

  it('has another one after each start', async () => {
    const server = await peerSpy(open, { names: () => [] })
    const node = await portolan(open, { mode: 'strict', bootstrap: [server.address], dhtProtocol: KAD, privacy: { lookupDelay: 0 } })
    const [first, second] = [await block('first'), await block('second')]
    await reads(node, first.cid)
    await node.stop()
    await node.start()
    await reads(node, second.cid)
    const identities = [first, second].map(({ cid }) => server.learnt(cid)[0]?.from)
    expect(new Set([...identities, node.libp2p.peerId.toString(), undefined]).size).toBe(4)
  })

  it('gives no byte to an HTTP provider that is not named as own, however it was named', async () => {
    const wanted = await block('at two gateways')
    const [own, other] = [await httpSpy(open, { has: [wanted] }), await httpSpy(open, { has: [wanted] })]
    const router = await httpSpy(open, { names: [other.url] })
    const lone = await portolan(open, { mode: 'strict', routers: [{ url: router.url, own: true }], privacy: { lookupDelay: 0 } })
    expect(await reads(lone, wanted.cid, { providers: [other.url] })).toBe(false)
    expect(router.asked).toHaveLength(1)
    const node = await portolan(open, { mode: 'strict', routers: [{ url: router.url, own: true }], providers: [own.url], privacy: { lookupDelay: 0 } })
    expect(await reads(node, wanted.cid)).toBe(true)
    expect([own.asked.length, other.connections()]).toEqual([1, 0])
  })

  it('asks nobody else while one is slow', async () => {
    const wanted = await block('slow')
    const [slow, quick] = [await peerSpy(open, { silent: true }), await peerSpy(open, { has: [wanted] })]
    const hedging = await portolan(open, { mode: 'balanced', hedge: { exploreShare: 0 } })
    expect(await reads(hedging, wanted.cid, { providers: [slow.address, quick.address] })).toBe(true)

    const both = [await peerSpy(open, { silent: true }), await peerSpy(open, { silent: true })]
    const strict = await portolan(open, { mode: 'strict' })
    expect(await reads(strict, wanted.cid, { providers: both.map(({ address }) => address), timeout: 1_500 })).toBe(false)
    expect(both.filter(spy => spy.learnt(wanted.cid).length > 0)).toHaveLength(1)
  })

  it('does not ask routers that the node had, unless they are trusted by name', async () => {
    const wanted = await block('behind a router')
    const own = await httpSpy(open, { has: [wanted] })
    const router = { name: 'theirs', lookups: 0, async * findProviders () { this.lookups++ } }
    const trusted = { name: 'mine', lookups: 0, async * findProviders () { this.lookups++ } }
    const node = await wrapped(open, { routers: [router as never, trusted as never] }, { mode: 'strict', trustedRouters: ['mine'], privacy: { lookupDelay: 0 } })
    expect(await reads(node, wanted.cid)).toBe(false)
    // nor for somebody else who asks the node
    for await (const provider of node.routing.findProviders(wanted.cid)) {
      expect(provider).toBeUndefined()
    }
    expect([router.lookups, trusted.lookups]).toEqual([0, 2])
    expect(own.connections()).toBe(0)
    // what was not asked is not taken for an answer in another mode
    await reads(node, wanted.cid, { mode: 'balanced', skipNegativeCache: true })
    expect([router.lookups, trusted.lookups]).toEqual([1, 3])
  })
})

describe('open', () => {
  it('takes nothing away: brokers, routers, gateways of last resort and connected peers are asked', async () => {
    const { cid } = await block('nowhere')
    const spy = await peerSpy(open)
    const router = { name: 'theirs', lookups: 0, async * findProviders () { this.lookups++ } }
    const fallback = { name: 'gateways', lookups: 0, capabilities: () => ['fallback'], async * findProviders () { this.lookups++ } }
    const broker = { name: 'adopted', asked: 0, async retrieve (): Promise<Uint8Array> { this.asked++; throw new Error('has nothing') } }
    const node = await wrapped(open, { routers: [router as never, fallback as never], blockBrokers: [broker as never] }, {}, { libp2p: true })
    await (node as unknown as { libp2p: Libp2p }).libp2p.dial(spy.libp2p.getMultiaddrs())
    expect(node.contentRouting.stats().mode).toEqual({ name: 'open', overrides: {} })
    expect(await reads(node, cid, { timeout: 10_000 })).toBe(false)
    expect([router.lookups, fallback.lookups, broker.asked, spy.learnt(cid).length].map(Math.sign)).toEqual([1, 1, 1, 1])
  })
})

describe('the mode of a node', () => {
  it('is balanced for a whole one, and open for one that is wrapped or has libp2p only', async () => {
    const whole = await portolan(open, {})
    const helia = await wrapped(open, {}, {})
    const libp2p = await createLibp2p(loopbackLibp2p())
    open.defer(async () => { await libp2p.stop() })
    const bare = contentRoutingFor(libp2p, { allowAddresses: LOOPBACK })
    await bare.start()
    open.defer(async () => { await bare.stop() })
    expect([whole.contentRouting.stats(), helia.contentRouting.stats(), bare.stats()].map(({ mode }) => mode?.name)).toEqual(['balanced', 'open', 'open'])
  })

  it('says what is set otherwise, and what is not is the same as the mode', async () => {
    const node = await portolan(open, { mode: 'strict', privacy: { hedges: true, agent: 'common', lookupDelay: 5 } })
    expect(node.contentRouting.stats().mode).toEqual({ name: 'strict', overrides: { hedges: true, lookupDelay: 5 } })
    await expect(portolan(open, { privacy: { relays: 'any' } as never })).rejects.toMatchObject({ name: 'InvalidOptionError', message: expect.stringContaining('privacy has no switch "relays"') as string })
    for (const mode of ['balanced', 'strict'] as const) {
      await expect(portolan(open, { mode, askConnected: 2 })).rejects.toMatchObject({ name: 'InvalidOptionError', message: expect.stringContaining(`"${mode}"`) as string })
    }
    await expect(portolan(open, { mode: 'secret' as never })).rejects.toMatchObject({ name: 'InvalidOptionError' })
  })
})
