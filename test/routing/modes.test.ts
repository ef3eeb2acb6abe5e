import { describe, expect, it } from 'vitest'
import { numbered, settled, world } from './support/world.ts'
import type { DisclosureEntry, Ledger } from '../../src/interface/disclosure.ts'
import type { BlockFetcher } from '../../src/interface/fetcher.ts'
import type { ProviderSource } from '../../src/interface/provider.ts'
import type { SimulatedProvider } from '../../src/testing/simulated-provider.ts'

const noHedge = { share: 0, initial: 0, shadowShare: 0 }
const MODES = ['open', 'balanced', 'strict'] as const

interface Counting extends ProviderSource {
  asked: number
}

/** Names these providers and counts who came to ask */
function source (name: string, providers: readonly SimulatedProvider[], init: { lastResort?: boolean } = {}): Counting {
  return {
    name,
    asked: 0,
    ...init,
    async * find () {
      this.asked++
      for (const { provider } of providers) {
        yield { ...provider, source: name }
      }
    }
  }
}

/** A broker as an adopted one: stands for itself, finds its own providers, says nothing until it is done */
function broker (init: Partial<BlockFetcher> & { asked?: number } = {}): BlockFetcher & { asked: number } {
  const id = 'broker:foreign' as const
  const provider = { id, addresses: [], protocols: [], source: 'adopted', fallback: false, domains: [] }
  return {
    name: 'foreign',
    transport: 'broker',
    asked: 0,
    routes: candidate => candidate.id === id ? [{ provider: id, transport: 'broker' }] : [],
    standing: () => [provider],
    async fetch () {
      this.asked++
      return numbered(1)
    },
    ...init
  }
}

describe('sources of last resort', () => {
  it('are consulted in mode open when the others named nobody', async () => {
    const w = await world({ started: false })
    const connected = w.network.add('connected')
    const last = source('connected peers', [connected], { lastResort: true })
    const v = await world({ network: w.network, parts: { sources: [source('empty', []), last] }, routing: { hedge: noHedge } })
    expect(await v.clock.run(v.manager.retrieve(v.network.block(numbered(1))))).toEqual(numbered(1))
    expect(last.asked).toBe(1)
    await v.manager.stop()
  })

  it('are consulted when everybody else was asked in vain', async () => {
    const w = await world({ started: false })
    const lacking = w.network.add('lacking', { has: 0 })
    const connected = w.network.add('connected')
    const last = source('connected peers', [connected], { lastResort: true })
    const v = await world({ network: w.network, parts: { sources: [source('dht', [lacking]), last] }, routing: { hedge: noHedge } })
    expect(await v.clock.run(v.manager.retrieve(v.network.block(numbered(1))))).toEqual(numbered(1))
    expect([lacking.requestCount, connected.requestCount]).toEqual([1, 1])
    await v.manager.stop()
  })

  it('are left alone while others deliver', async () => {
    const w = await world({ started: false })
    const last = source('connected peers', [w.network.add('connected')], { lastResort: true })
    const v = await world({ network: w.network, parts: { sources: [source('dht', [w.network.add('good')]), last] }, routing: { hedge: noHedge } })
    for (let i = 0; i < 20; i++) {
      await v.clock.run(v.manager.retrieve(v.network.block(numbered(i))))
    }
    expect(last.asked).toBe(0)
    await v.manager.stop()
  })

  it.each(['balanced', 'strict'] as const)('are never consulted in mode %s', async mode => {
    const w = await world({ started: false })
    const connected = w.network.add('connected')
    const last = source('connected peers', [connected], { lastResort: true })
    const v = await world({ network: w.network, parts: { sources: [source('empty', []), last] }, routing: { mode } })
    const { error } = await v.clock.run(settled(v.manager.retrieve(v.network.block(numbered(1)))))
    expect(error?.name).toBe('NotFoundError')
    expect(last.asked + connected.requestCount).toBe(0)
    await v.manager.stop()
  })
})

describe('providers of last resort', () => {
  const fallback = (provider: SimulatedProvider): ProviderSource => ({ name: 'gateways', async * find () { yield { ...provider.provider, fallback: true } } })

  it('are asked only when nobody else is left', async () => {
    const w = await world({ started: false })
    const gateway = w.network.add('gateway', { latency: 1 })
    const lacking = w.network.add('lacking', { latency: 50, has: 0.5 })
    const v = await world({ network: w.network, parts: { sources: [fallback(gateway), source('dht', [lacking])] }, routing: { hedge: noHedge } })
    for (let i = 0; i < 40; i++) {
      await v.clock.run(v.manager.retrieve(v.network.block(numbered(i))))
    }
    expect(lacking.requestCount).toBe(40)
    expect(gateway.requestCount).toBe(lacking.requests.filter(({ outcome }) => outcome === 'not-here').length)
    expect(gateway.requestCount).toBeGreaterThan(0)
    await v.manager.stop()
  })

  it('do not wait for ever for a lookup that takes its time', async () => {
    const w = await world({ started: false })
    const gateway = w.network.add('gateway', { latency: 1 })
    const hanging: ProviderSource = { name: 'hanging', find: () => ({ [Symbol.asyncIterator]: () => ({ next: async () => new Promise(() => {}) }) }) }
    const v = await world({ network: w.network, parts: { sources: [fallback(gateway), hanging] } })
    await v.clock.run(v.manager.retrieve(v.network.block(numbered(1))))
    expect(v.clock.now()).toBeLessThan(1_100)
    await v.manager.stop()
  })
})

describe('adopted brokers', () => {
  it.each(MODES)('that nobody named as trusted are asked in mode open only: %s', async mode => {
    const foreign = broker()
    const w = await world({ started: false })
    const v = await world({ network: w.network, parts: { fetchers: [foreign], sources: [] }, routing: { mode } })
    const { value, error } = await v.clock.run(settled(v.manager.retrieve(v.network.block(numbered(1)))))
    expect(value ?? error?.name).toEqual(mode === 'open' ? numbered(1) : 'NotFoundError')
    expect(foreign.asked).toBe(mode === 'open' ? 1 : 0)
    await v.manager.stop()
  })

  it.each(MODES)('that are trusted are asked in every mode: %s', async mode => {
    const foreign = broker({ trusted: true })
    const w = await world({ started: false })
    const v = await world({ network: w.network, parts: { fetchers: [foreign], sources: [] }, routing: { mode } })
    expect(await v.clock.run(v.manager.retrieve(v.network.block(numbered(1))))).toEqual(numbered(1))
    await v.manager.stop()
  })

  it('that say nothing are left working beside the others, and may still deliver', async () => {
    const w = await world({ started: false })
    const foreign = broker({
      fetch: async (_want, _route, attempt) => {
        await w.clock.sleep(9_000, { signal: attempt.signal })
        return numbered(1)
      }
    })
    const lacking = w.network.add('lacking', { latency: 20, has: 0 })
    const v = await world({ network: w.network, parts: { fetchers: [foreign, w.network.fetcher] }, routing: { hedge: noHedge } })
    const cid = v.network.block(numbered(1))
    expect(await v.clock.run(v.manager.retrieve(cid))).toEqual(numbered(1))
    expect(v.clock.now()).toBe(9_000)
    expect(lacking.requestCount).toBe(1)
    expect(lacking.requests[0]?.at).toBeLessThan(5_000)
    expect(v.manager.stats().outcomes).toMatchObject({ delivered: 1, 'not-here': 1, stalled: 0 })
    await v.manager.stop()
    expect(v.clock.pending).toBe(0)
  })
})

describe('disclosures', () => {
  it('are made for every request, with the purpose, the mode\'s request and the key, and settled', async () => {
    const entries: DisclosureEntry[] = []
    const ledger: Ledger = { intended: entry => { entries.push(entry) }, settled: () => {} }
    const w = await world({ started: false })
    const good = w.network.add('good')
    const silent = w.network.add('silent', { silent: true })
    const v = await world({ network: w.network, parts: { ledger }, routing: { hedge: { shadowShare: 1 } } })
    for (let i = 0; i < 5; i++) {
      await v.clock.run(v.manager.retrieve(v.network.block(numbered(i))))
    }
    await v.manager.stop()
    expect(entries.map(({ observer }) => observer).sort()).toEqual([...good.requests.map(() => good.id), ...silent.requests.map(() => silent.id)].sort())
    expect(entries.every(({ state, form, audience }) => state === 'sent' && form === 'cid' && audience === 'one')).toBe(true)
    expect(new Set(entries.map(({ request }) => request)).size).toBe(5)
    const purposes = [...good.requests, ...silent.requests].map(({ purpose }) => purpose).sort()
    expect(entries.map(({ purpose }) => purpose).sort()).toEqual(purposes)
  })

  it.each(['read', 'prefetch'] as const)('of a lookup that lingers say what it was begun for, when nobody waits any more: %s', async purpose => {
    const entries: DisclosureEntry[] = []
    const ledger: Ledger = { intended: entry => { entries.push(entry) }, settled: () => {} }
    const w = await world({ started: false })
    const { provider } = w.network.add('good')
    const lasting: ProviderSource = {
      name: 'lasting',
      async * find (_, request) {
        yield { ...provider, source: 'lasting' }
        await w.clock.sleep(500, request)
        request.disclose({ observer: 'p2p:late', form: 'multihash', transport: 'dht', audience: 'one' }).sent()
      }
    }
    const v = await world({ network: w.network, parts: { ledger, sources: [lasting] }, routing: { hedge: noHedge } })
    await v.clock.run(v.manager.retrieve(v.network.block(numbered(1)), { purpose }))
    expect(entries).toHaveLength(1)
    await v.clock.advance(600)
    expect(entries.map(({ observer, purpose }) => [observer, purpose])).toEqual([[provider.id, purpose], ['p2p:late', purpose]])
    await v.manager.stop()
  })

  it.each([['open', 1], ['balanced', 1], ['strict', 0]] as const)('of a lookup whose block has come go on in mode %s: %i', async (mode, expected) => {
    const late: DisclosureEntry[] = []
    const ledger: Ledger = { intended: entry => { late.push(entry) }, settled: () => {} }
    const w = await world({ started: false })
    w.network.add('good')
    const lasting: ProviderSource = {
      name: 'lasting',
      async * find (_, request) {
        await w.clock.sleep(500, request)
        request.disclose({ observer: 'p2p:late', form: 'multihash', transport: 'dht', audience: 'one' }).sent()
        yield * []
      }
    }
    const v = await world({ network: w.network, parts: { ledger, sources: [w.network.source, lasting] }, routing: { mode, hedge: noHedge } })
    expect(await v.clock.run(v.manager.retrieve(v.network.block(numbered(1))))).toEqual(numbered(1))
    await v.clock.advance(600)
    expect(late.filter(({ observer }) => observer === 'p2p:late')).toHaveLength(expected)
    await v.manager.stop()
  })
})
