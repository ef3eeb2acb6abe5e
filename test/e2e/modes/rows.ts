import { generateKeyPair } from '@libp2p/crypto/keys'
import { contentRoutingSymbol, peerRoutingSymbol } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { createLibp2p } from 'libp2p'
import { vi } from 'vitest'
import { contentRoutingFor } from '../../../src/index.ts'
import { PRIVACY_PRESETS } from '../../../src/interface/privacy-preset.ts'
import { loopbackLibp2p } from '../../helia/loopback-libp2p.ts'
import { LOOPBACK, namedBy, portolan, reads, wrapped } from './nodes.ts'
import { relayedSpy, relaySpy, relayingLibp2p } from './relays.ts'
import { KAD, block, httpSpy, peerSpy } from './spies.ts'
import type { PrivacyMode } from '../../../src/interface/disclosure.ts'
import type { PeerSpy } from './spies.ts'
import type { PeerId } from '@libp2p/interface'
import type { CID } from 'multiformats/cid'

/** What somebody learns in a mode, as the table has it */
export type Measurement = (mode: PrivacyMode, open: AsyncDisposableStack) => Promise<string>

const CID_TOLD = 'the CID'
const NOTHING = 'nothing'
/** A silent one is waited for to the end of the test */
const PATIENT = { unknown: 60_000, ceiling: 60_000, stall: 60_000 }
const seen = (learnt: boolean, what = CID_TOLD): string => learnt ? what : NOTHING

let count = 0
const fresh = async (): Promise<{ cid: CID, bytes: Uint8Array }> => block(`row ${count++} at ${process.pid}`)

/** A router of the user's, that finds nobody and says how often it was asked */
function router (name: string, fallback: boolean): { name: string, lookups: number, capabilities (): string[], findProviders (): AsyncGenerator<never> } {
  return { name, lookups: 0, capabilities: () => fallback ? ['fallback'] : [], async * findProviders () { this.lookups++ } }
}

async function routed (mode: PrivacyMode, open: AsyncDisposableStack, fallback: boolean, trustedRouters: string[] = []): Promise<string> {
  const theirs = router('theirs', fallback)
  const node = await wrapped(open, { routers: [theirs as never] }, { mode, trustedRouters, privacy: { lookupDelay: 0 } })
  await reads(node, (await fresh()).cid)
  return seen(theirs.lookups > 0)
}

async function brokered (mode: PrivacyMode, open: AsyncDisposableStack, trustedBrokers: string[], told: 'asked' | 'announced'): Promise<string> {
  const wanted = await fresh()
  const gateway = await httpSpy(open, { has: [wanted] })
  const broker = { name: 'theirs', asked: 0, announced: 0, async retrieve (): Promise<Uint8Array> { this.asked++; throw new Error('has nothing') }, announce () { this.announced++ } }
  const node = await wrapped(open, { blockBrokers: [broker as never] }, { mode, trustedBrokers, providers: told === 'announced' ? [gateway.url] : [] })
  try {
    for await (const bytes of node.blockstore.get((told === 'announced' ? wanted : await fresh()).cid)) {
      void bytes
    }
  } catch (err) {
    if (told === 'announced') {
      throw err
    }
  }
  return seen(broker[told] > 0)
}

async function gatewayOf (mode: PrivacyMode, open: AsyncDisposableStack, named: 'provider' | 'sibling' | 'hint' | 'record'): Promise<string> {
  const wanted = await fresh()
  const gateway = await httpSpy(open, { has: [wanted] })
  const router = await httpSpy(open, { names: named === 'record' ? [gateway.url] : [] })
  const node = await portolan(open, {
    mode,
    routers: [{ url: router.url, own: true }],
    providers: named === 'provider' ? [gateway.url] : [],
    siblings: named === 'sibling' ? [gateway.url] : [],
    privacy: { lookupDelay: 0 }
  })
  await reads(node, wanted.cid, named === 'hint' ? { providers: [gateway.url] } : {})
  return seen(gateway.connections() > 0)
}

async function lookedUp (mode: PrivacyMode, open: AsyncDisposableStack): Promise<{ server: PeerSpy, self: string, cid: CID }> {
  const wanted = await fresh()
  const holder = await peerSpy(open, { has: [wanted] })
  const server = await peerSpy(open, { names: () => [holder] })
  const node = await portolan(open, { mode, bootstrap: [server.address], dhtProtocol: KAD, privacy: { lookupDelay: 0 } })
  await reads(node, wanted.cid, { timeout: 15_000 })
  return { server, self: node.libp2p.peerId.toString(), cid: wanted.cid }
}

async function identified (mode: PrivacyMode, open: AsyncDisposableStack): Promise<PeerSpy['identified'][number]> {
  const spy = await peerSpy(open)
  const node = await portolan(open, { mode, listen: ['/ip4/127.0.0.1/tcp/0'] })
  await node.libp2p.dial(spy.libp2p.getMultiaddrs())
  await vi.waitFor(() => { if (spy.identified.length === 0) { throw new Error('not yet') } }, { timeout: 10_000 })
  return spy.identified[0] as PeerSpy['identified'][number]
}

/** By the first column of the table. Each is measured on real nodes in each mode, but where it says why not. */
export const ROWS: Readonly<Record<string, Measurement>> = {
  'Anybody, of a block that is here': async (mode, open) => {
    const wanted = await fresh()
    const [spy, gateway] = [await peerSpy(open), await httpSpy(open)]
    const node = await portolan(open, { mode, providers: [gateway.url] })
    await node.libp2p.dial(spy.libp2p.getMultiaddrs())
    await node.store.put(wanted.cid, wanted.bytes)
    await reads(node, wanted.cid)
    return seen(spy.learnt(wanted.cid).length + gateway.asked.length > 0)
  },
  'A peer that was named for the read': async (mode, open) => {
    const wanted = await fresh()
    const spy = await peerSpy(open, { has: [wanted] })
    await reads(await portolan(open, { mode }), wanted.cid, { providers: [spy.address] })
    return seen(spy.learnt(wanted.cid).length > 0)
  },
  'The same, when nobody wants the block any more': async (mode, open) => {
    const { cid } = await fresh()
    const spy = await peerSpy(open, { silent: true })
    const leaving = new AbortController()
    const reading = reads(await portolan(open, { mode }), cid, { providers: [spy.address], signal: leaving.signal })
    const hears = async (times: number): Promise<void> => { await vi.waitFor(() => { if (spy.learnt(cid).length < times) { throw new Error('not yet') } }, { timeout: 10_000 }) }
    await hears(1)
    leaving.abort()
    await reading
    await hears(2)
    return spy.learnt(cid)[1]?.what === 'cancel' ? 'a CANCEL' : 'another want'
  },
  'A second one, while the first is slow': async (mode, open) => {
    const { cid } = await fresh()
    const spies = [await peerSpy(open, { silent: true }), await peerSpy(open, { silent: true })]
    const told = (): boolean => spies.every(spy => spy.learnt(cid).length > 0)
    const leaving = new AbortController()
    const reading = reads(await portolan(open, { mode, timeouts: PATIENT }), cid, { providers: spies.map(({ address }) => address), signal: leaving.signal })
    await Promise.race([reading, vi.waitFor(() => { if (!told()) { throw new Error('not yet') } }, { timeout: 20_000 }).catch(() => {})])
    leaving.abort()
    await reading
    return seen(told())
  },
  // whom dice choose is tested with dice that are known: test/routing/hedging.test.ts
  'One that is asked only to measure it': async mode => seen(PRIVACY_PRESETS[mode].measurements),
  // publishers need a history: test/routing/related.test.ts
  'Who delivered what is related': async mode => seen(PRIVACY_PRESETS[mode].related),
  'A peer that is connected, when nobody else has it': async (mode, open) => {
    const { cid } = await fresh()
    const spy = await peerSpy(open)
    const node = await portolan(open, { mode })
    await node.libp2p.dial(spy.libp2p.getMultiaddrs())
    await reads(node, cid)
    return seen(spy.learnt(cid).length > 0)
  },
  'A peer that connects while a block is wanted': async (mode, open) => {
    const { cid } = await fresh()
    const [slow, late] = [await peerSpy(open, { silent: true }), await peerSpy(open)]
    // who is asked at last, because he is connected, is the row above
    const node = await portolan(open, { mode, listen: ['/ip4/127.0.0.1/tcp/0'], timeouts: PATIENT, hedge: { minDelay: 60_000, coldDelay: 60_000, blindDelay: 60_000 } })
    const leaving = new AbortController()
    const reading = reads(node, cid, { providers: [slow.address], timeout: 20_000, signal: leaving.signal })
    await late.libp2p.dial(node.libp2p.getMultiaddrs())
    await vi.waitFor(() => { if (late.identified.length === 0 || slow.learnt(cid).length === 0) { throw new Error('not yet') } }, { timeout: 10_000 })
    leaving.abort()
    await reading
    return seen(late.learnt(cid).length > 0)
  },
  'A node of your own fleet (`siblings`)': async (mode, open) => gatewayOf(mode, open, 'sibling'),
  'A gateway that you named (`providers`)': async (mode, open) => gatewayOf(mode, open, 'provider'),
  'A gateway that a caller named for the read': async (mode, open) => gatewayOf(mode, open, 'hint'),
  'A gateway that a router named': async (mode, open) => gatewayOf(mode, open, 'record'),
  'The resolver of its name': async (mode, open) => {
    const wanted = await fresh()
    const names: string[] = []
    const router = await httpSpy(open, { names: ['/dns4/gateway.example/tcp/80/http'] })
    const wrap = namedBy(async name => {
      names.push(name)
      throw new Error('no such name')
    })
    const node = await wrapped(open, {}, { mode, routers: [{ url: router.url, own: true }], privacy: { lookupDelay: 0 } }, { wrap })
    await reads(node, wanted.cid)
    return seen(names.includes('gateway.example'), 'the name')
  },
  'A router over HTTP (`routers`)': async (mode, open) => {
    const router = await httpSpy(open)
    try {
      const node = await portolan(open, { mode, routers: [router.url] })
      await reads(node, (await fresh()).cid)
    } catch (err) {
      return (err as Error).name === 'InvalidOptionError' ? 'nothing: refused at the start' : String(err)
    }
    return seen(router.asked.length > 0)
  },
  'The same, of your own (`own: true`)': async (mode, open) => {
    const router = await httpSpy(open)
    await reads(await portolan(open, { mode, routers: [{ url: router.url, own: true }], privacy: { lookupDelay: 0 } }), (await fresh()).cid)
    return seen(router.asked.length > 0)
  },
  'A router that your Helia node has': async (mode, open) => routed(mode, open, false),
  'Its router of last resort': async (mode, open) => routed(mode, open, true),
  'Either, named in `trustedRouters`': async (mode, open) => {
    const both = [await routed(mode, open, false, ['theirs']), await routed(mode, open, true, ['theirs'])]
    return both.every(one => one === CID_TOLD) ? CID_TOLD : both.join(' and ')
  },
  'A peer router that your libp2p node has': async (mode, open) => {
    const asked: string[] = []
    const somebody = peerIdFromPrivateKey(await generateKeyPair('Ed25519'))
    const init = loopbackLibp2p()
    const theirs = {
      // it names him in every mode, and does not say where he is
      [contentRoutingSymbol]: { provide: async () => {}, cancelReprovide: async () => {}, put: async () => {}, get: async () => new Uint8Array(), async * findProviders () { yield { id: somebody, multiaddrs: [], routing: 'theirs' } } },
      [peerRoutingSymbol]: {
        async findPeer (id: PeerId) {
          asked.push(id.toString())
          return { id, multiaddrs: [] }
        },
        async * getClosestPeers () {}
      }
    }
    const libp2p = await createLibp2p({ ...init, services: { ...init.services, theirs: () => theirs } })
    open.defer(async () => { await libp2p.stop() })
    const contentRouting = contentRoutingFor(libp2p, { mode, allowAddresses: LOOPBACK, trustedRouters: ['theirs'], privacy: { lookupDelay: 0 } })
    await contentRouting.start()
    open.defer(async () => { await contentRouting.stop() })
    const { cid } = await fresh()
    await reads({ contentRouting }, cid)
    return String(contentRouting.explain(cid)).includes(somebody.toString()) ? seen(asked.length > 0, 'whom this node is about to ask') : 'nobody was named'
  },
  'A block broker that your Helia node has': async (mode, open) => brokered(mode, open, [], 'asked'),
  'The same, named in `trustedBrokers`': async (mode, open) => brokered(mode, open, ['theirs'], 'asked'),
  'A block broker, of a block that came': async (mode, open) => brokered(mode, open, [], 'announced'),
  'Servers of the DHT on the way': async (mode, open) => {
    const { server, self, cid } = await lookedUp(mode, open)
    const [lookup] = server.learnt(cid)
    return lookup == null ? NOTHING : lookup.from === self ? 'the multihash, from this node' : 'the multihash, from nobody they know'
  },
  'Servers of the DHT, of a block that was read': async (mode, open) => {
    const { server, cid } = await lookedUp(mode, open)
    return seen(server.learnt(cid).some(({ what }) => what === 'announcement'))
  },
  // the moment is nothing to be measured on a busy machine: test/discovery/lookup-batches.test.ts
  'All who are asked for providers: when it was wanted': async mode => PRIVACY_PRESETS[mode].lookupDelay === 0 ? 'at once' : `up to ${PRIVACY_PRESETS[mode].lookupDelay / 1_000} s later, with others`,
  'A relay that you did not name (`relays`)': async (mode, open) => {
    const { cid } = await fresh()
    const relay = await relaySpy(open)
    const target = await relayedSpy(open, relay, {})
    const libp2p = await relayingLibp2p(open)
    const node = contentRoutingFor(libp2p, { mode, allowAddresses: LOOPBACK })
    await node.start()
    open.defer(async () => { await node.stop() })
    await reads({ contentRouting: node }, cid, { providers: [target.relayed] })
    return seen(relay.visitors.includes(libp2p.peerId.toString()), 'whom this node talks to')
  },
  'A peer that asks for what is here': async (mode, open) => {
    const here = await fresh()
    const spy = await peerSpy(open)
    const node = await portolan(open, { mode, listen: ['/ip4/127.0.0.1/tcp/0'] })
    await node.store.put(here.cid, here.bytes)
    await spy.ask(node.libp2p.getMultiaddrs(), here.cid)
    await vi.waitFor(() => { if (spy.learnt(here.cid).length === 0) { throw new Error('not yet') } }, { timeout: 10_000 })
    return seen(spy.learnt(here.cid).some(({ what }) => what === 'presence' || what === 'block'), 'that it is here')
  },
  'A peer that is connected: what runs here': async (mode, open) => {
    const { agentVersion = '' } = await identified(mode, open)
    return agentVersion.includes(process.versions.node) ? 'all versions, and the platform' : `\`${agentVersion}\``
  },
  'A peer that is connected: private addresses': async (mode, open) => {
    const { listenAddrs, signedPeerRecord } = await identified(mode, open)
    return seen(listenAddrs.length + (signedPeerRecord?.addresses.length ?? 0) > 0, 'all of them')
  }
}
