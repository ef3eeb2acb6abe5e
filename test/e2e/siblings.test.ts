import { withLibp2pLight } from '@helia/libp2p'
import { createHeliaLight } from 'helia'
import { afterEach, describe, expect, it } from 'vitest'
import { parseCID } from '../../src/block/cid.ts'
import { unixfsFiles } from '../../src/cli/unixfs-files.ts'
import { systemClock } from '../../src/clock/system-clock.ts'
import { Gateway } from '../../src/gateway/gateway.ts'
import { MetricRegistry } from '../../src/gateway/metric-registry.ts'
import { heliaMixin, undiciTransport } from '../../src/index.ts'
import { createPortolan } from '../../src/portolan.ts'
import { loopbackProvider } from '../../src/testing/loopback-provider.ts'
import { sampleFile } from '../../src/testing/sample-file.ts'
import { silentLogger } from '../../src/testing/silent-logger.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'
import { loopbackLibp2p } from '../helia/loopback-libp2p.ts'
import { told } from './node.ts'
import type { HeliaContentRouting } from '../../src/helia/helia-routing.ts'
import type { DisclosureEntry } from '../../src/interface/disclosure.ts'
import type { Portolan, PortolanInit } from '../../src/portolan.ts'
import type { LoopbackProvider, LoopbackProviderInit } from '../../src/testing/loopback-provider.ts'
import type { CID } from 'multiformats/cid'

interface Reader { readonly contentRouting: HeliaContentRouting }

const open: Array<() => Promise<unknown>> = []
const gateways = new Map<Portolan, Gateway>()

afterEach(async () => {
  for (const close of open.splice(0).reverse()) {
    await close()
  }
})

const file = await sampleFile({ size: 1_000_000, chunkSize: 65_536 })
const blocks: CID[] = [file.root, ...file.others]

async function provider (init: Partial<LoopbackProviderInit> = {}): Promise<LoopbackProvider> {
  const made = await loopbackProvider({ blocks: file.blocks, ...init })
  open.push(async () => made.close())
  return made
}

async function portolan (init: PortolanInit): Promise<Portolan> {
  const node = await createPortolan(init)
  open.push(async () => node.stop())
  return node
}

/** The gateway of a node, as `portolan serve` has it */
async function gatewayOf (node: Portolan): Promise<string> {
  const gateway = new Gateway({
    contentRouting: node.contentRouting,
    files: unixfsFiles,
    parseCID: text => parseCID(text),
    clock: systemClock,
    logger: silentLogger,
    metrics: new MetricRegistry(),
    store: node.store
  }, { host: '127.0.0.1', port: 0 })
  const { url } = await gateway.start()
  open.push(async () => gateway.stop())
  gateways.set(node, gateway)
  return url
}

/** A fleet of two: how the second one reaches the first */
const WAYS: ReadonlyArray<readonly [string, (node: Portolan) => Promise<string>]> = [
  ['its gateway', gatewayOf],
  ['bitswap', async node => String(node.libp2p.getMultiaddrs()[0])]
]

describe.each(WAYS)('a sibling that is asked by %s', (_, way) => {
  async function fleet (): Promise<{ origin: LoopbackProvider, one: Portolan, two: Reader, entries: DisclosureEntry[] }> {
    const origin = await provider()
    const one = await portolan({ providers: [origin.url], listen: ['/ip4/127.0.0.1/tcp/0'], serve: 'everyone' })
    const entries: DisclosureEntry[] = []
    // time stands still for the one that reads: nothing is given up or hedged because the machine is slow
    const wrap = heliaMixin(undiciTransport, { clock: new VirtualClock(), ledger: { intended: entry => { entries.push(entry) }, settled: () => {} } })
    const two = wrap(withLibp2pLight(createHeliaLight(), loopbackLibp2p()), { mode: 'balanced', providers: [origin.url], siblings: [await way(one)] })
    open.push(async () => two.stop())
    await two.start()
    return { origin, one, two, entries }
  }

  it('is asked before the origin, which hears nothing of what the sibling has', async () => {
    const { origin, one, two, entries } = await fleet()
    for (const cid of blocks) {
      await one.contentRouting.retrieve(cid)
    }
    origin.clear()

    for (const cid of blocks) {
      await two.contentRouting.retrieve(cid)
      expect(told(two.contentRouting.explain(cid)).attempts[0]).toMatchObject({ transport: 'sibling', outcome: 'delivered' })
    }
    expect(origin.requests).toHaveLength(0)
    const { exchange, discovery } = two.contentRouting.stats()
    expect(exchange?.blocks).toEqual({ sibling: blocks.length, http: 0, bitswap: 0, broker: 0 })
    expect(exchange?.received.sibling).toBeGreaterThanOrEqual(1_000_000)
    expect(discovery.lookups).toBe(0)
    // all of it disclosed, to the sibling and to nobody else
    expect(entries.filter(({ form }) => form !== 'none').map(({ transport, state, audience }) => [transport, state, audience])).toEqual(blocks.map(() => ['sibling', 'sent', 'one']))
    expect(new Set(entries.map(({ observer }) => observer)).size).toBe(1)
  })

  it('that lacks a block says so, is blamed for nothing, and fetches nothing for others', async () => {
    const { origin, one, two } = await fleet()

    for (const cid of blocks.slice(0, 5)) {
      expect((await two.contentRouting.retrieve(cid)).byteLength).toBeGreaterThan(0)
    }
    // the first block is asked for there, those after it at whoever had the first
    expect(told(two.contentRouting.explain(file.root)).attempts.map(({ transport, outcome }) => [transport, outcome])).toEqual([['sibling', 'not-here'], ['http', 'delivered']])
    expect(origin.requests).toHaveLength(5)
    expect(one.contentRouting.stats().attempts).toBe(0)
    const sibling = two.contentRouting.stats().providers.find(({ id }) => id !== `http:${new URL(origin.url).host}`)
    expect(sibling).toMatchObject({ standing: 'good', breaker: 'closed', delivered: 0 })
    expect(sibling?.conduct).toBeGreaterThanOrEqual(0)
  })

  it('that is gone costs each read next to nothing', async () => {
    const { origin, one, two } = await fleet()
    // with everything of it that listens
    await gateways.get(one)?.stop()
    await one.stop()

    for (const cid of blocks) {
      await two.contentRouting.retrieve(cid)
    }
    expect(origin.requests).toHaveLength(blocks.length)
    // it is left alone after the first failures
    expect(two.contentRouting.stats().outcomes.unreachable).toBeLessThan(blocks.length / 2)
  })
})

describe('a sibling that says nothing', () => {
  it.each(['balanced', 'strict'] as const)('holds up no read in mode %s: others are asked beside it', async mode => {
    const origin = await provider()
    const silent = await provider({ behaviour: 'silent' })
    const node = await portolan({ mode, providers: [origin.url], siblings: [silent.url] })

    expect((await node.contentRouting.retrieve(file.root)).byteLength).toBeGreaterThan(0)
    const { attempts } = told(node.contentRouting.explain(file.root))
    expect(attempts.map(({ transport, outcome }) => [transport, outcome])).toEqual([['sibling', 'cancelled'], ['http', 'delivered']])
    // long before the sibling would have been given up
    expect(attempts[1]?.startedAt).toBeLessThan(2_500)
  })
})

describe('who is a sibling', () => {
  it('is asked in no other way, under whichever name it is found', async () => {
    const sibling = await provider({ blocks: new Map() })
    const node = await portolan({ siblings: [sibling.url] })
    const root = blocks[1] as CID

    // a hint names it as well
    await expect(node.contentRouting.retrieve(root, { providers: [sibling.url] })).rejects.toMatchObject({ name: 'NotFoundError' })
    expect(told(node.contentRouting.explain(root)).attempts.map(({ transport }) => transport)).toEqual(['sibling'])
    expect(sibling.requests).toHaveLength(1)
    expect(node.contacts).toEqual([sibling.url])
  })

  it.each([
    ['what is no address', { siblings: ['not an address'] }, 'InvalidProviderError'],
    ['more than there are in a fleet', { siblings: Array.from({ length: 17 }, (_, i) => `http://127.0.0.1:${8_000 + i}`) }, 'InvalidOptionError'],
    ['what is no list', { siblings: 'http://127.0.0.1:8000' as unknown as string[] }, 'InvalidOptionError'],
    ['a policy that there is not', { serve: 'friends' as 'none' }, 'InvalidOptionError'],
    ['an allow-list of something else', { serve: { allow: ['me'] } }, 'InvalidOptionError'],
    ['a lease for no time at all', { leases: { idleTimeout: -1 } }, 'InvalidOptionError'],
    ['a lease with an option that there is not', { leases: { forever: true } as object }, 'InvalidOptionError'],
    ['a way to speak bitswap that there is not', { bitswap: 'mine' as 'own' }, 'InvalidOptionError'],
    ['serving without a bitswap', { bitswap: 'off' as const, serve: 'everyone' as const }, 'InvalidOptionError']
  ])('is refused by name: %s', async (_, init, name) => {
    await expect(createPortolan(init)).rejects.toMatchObject({ name })
  })
})
