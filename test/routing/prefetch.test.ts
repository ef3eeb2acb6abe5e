import { encode } from '@ipld/dag-cbor'
import { MemoryBlockstore } from 'blockstore-core'
import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'
import { describe, expect, it } from 'vitest'
import { blockKey } from '../../src/block/key.ts'
import { processReadBudget } from '../../src/block/read-budget.ts'
import { INITIAL_WINDOW } from '../../src/block/read-window.ts'
import { linksOf } from '../../src/block/links.ts'
import { cborTree, publish, walk } from './support/cbor-tree.ts'
import { numbered, settled, world } from './support/world.ts'
import type { CborTree } from './support/cbor-tree.ts'
import type { World, WorldInit } from './support/world.ts'
import type { DisclosureEntry } from '../../src/interface/disclosure.ts'
import type { RetrieveOptions, SessionOptions } from '../../src/interface/routing.ts'
import type { SimulatedProvider } from '../../src/testing/simulated-provider.ts'

const noHedge = { share: 0, initial: 0, shadowShare: 0 }
const tree = await cborTree({ fanout: [10, 10, 4] })
const wide = await cborTree({ fanout: [40], bytes: 100_000, seed: 1 })

interface Setting extends World {
  readonly provider: SimulatedProvider
  /** Publishes a dag-cbor block */
  node (value: unknown): Promise<CID>
}

async function setting (dag: CborTree, init: WorldInit = {}): Promise<Setting> {
  const w = await world({ routing: { hedge: noHedge }, ...init })
  const provider = w.network.add('a', { latency: 25 })
  publish(w.network, dag)
  return {
    ...w,
    provider,
    node: async value => {
      const bytes = encode(value)
      const cid = CID.createV1(0x71, await sha256.digest(bytes))
      w.network.put(cid, bytes)
      return cid
    }
  }
}

function asked ({ provider }: Setting): string[] {
  return provider.requests.map(({ key }) => key)
}

function twice (keys: readonly string[]): string[] {
  return keys.filter((key, i) => keys.indexOf(key) !== i)
}

/** How long a walk takes in virtual ms */
async function walking (s: Setting, dag: CborTree, options: SessionOptions): Promise<number> {
  const session = s.manager.createSession(dag.root, options)
  const started = s.clock.now()
  const read = await s.clock.run(walk(dag.root, async cid => session.retrieve(cid)))
  expect(read).toEqual(dag.cids.map(String))
  session.close()
  return s.clock.now() - started
}

/** A caller's own block by its place in the document */
function block (dag: CborTree, index: number): CID {
  return dag.cids[index] as CID
}

describe('a walk over a dag-cbor DAG in a session that prefetches', () => {
  it.each<[string, SessionOptions, WorldInit]>([
    ['with a store', {}, { parts: { store: new MemoryBlockstore() } }],
    ['of a caller who stores himself', { store: false }, {}],
    ['without a store', {}, {}]
  ])('%s is at least five times as fast, and asks for each block once', async (_, options, init) => {
    const plain = await setting(tree)
    const alone = await walking(plain, tree, { store: false })
    const s = await setting(tree, init)
    const ahead = await walking(s, tree, { ...options, prefetch: true })
    expect(alone).toBeGreaterThanOrEqual(tree.cids.length * 25)
    expect(ahead).toBeLessThan(alone / 5)
    expect(twice(asked(s))).toEqual([])
    expect(s.provider.requestCount).toBe(tree.cids.length)
    await s.manager.stop()
    await plain.manager.stop()
  })
})

describe('a reader who does not go depth first', () => {
  it('but level by level still waits for few blocks, and none comes twice', async () => {
    const s = await setting(tree, { parts: { store: new MemoryBlockstore() } })
    const session = s.manager.createSession(tree.root, { prefetch: true })
    const started = s.clock.now()
    const levels = [[tree.root]]
    for (const level of levels) {
      const next: CID[] = []
      for (const cid of level) {
        const bytes = await s.clock.run(session.retrieve(cid))
        next.push(...linksOf(cid, bytes).map(({ cid }) => cid))
      }
      next.length > 0 && levels.push(next)
    }
    expect(levels.flat()).toHaveLength(tree.cids.length)
    expect(s.clock.now() - started).toBeLessThan(tree.cids.length * 25 / 4)
    expect(twice(asked(s))).toEqual([])
    await s.manager.stop()
  })

  it('but skips blocks gets what comes after them: those passed by are dropped from the queue', async () => {
    const s = await setting(wide)
    const session = s.manager.createSession(wide.root, { prefetch: true })
    await s.clock.run(session.retrieve(wide.root))
    const under = asked(s).length
    await s.clock.run(session.retrieve(block(wide, 31)))
    await s.clock.advance(10_000)
    const fetched = new Set(asked(s))
    const passed = wide.cids.slice(under, 31).filter(cid => fetched.has(blockKey(cid)))
    expect(under).toBeLessThanOrEqual(1 + 4)
    expect(passed).toEqual([])
    expect(wide.cids.slice(31).every(cid => fetched.has(blockKey(cid)))).toBe(true)
    await s.manager.stop()
  })

  it('but reads a block that stands in many places goes on from where it is', async () => {
    const s = await setting(tree, { parts: { store: new MemoryBlockstore() } })
    const shared = s.network.block(numbered(7))
    const nodes: CID[] = []
    for (let i = 0; i < 30; i++) {
      nodes.push(await s.node({ i, links: [shared] }))
    }
    const root = await s.node({ links: nodes })
    const session = s.manager.createSession(root, { prefetch: true })
    const started = s.clock.now()
    await s.clock.run(walk(root, async cid => session.retrieve(cid)))
    expect(s.clock.now() - started).toBeLessThan(61 * 25 / 4)
    expect(asked(s)).toHaveLength(32)
    await s.manager.stop()
  })
})

describe('a reader who leaves', () => {
  it.each([1, 3, 12])('after %i blocks has fetched no more than a window beyond', async n => {
    const s = await setting(wide, { parts: { store: new MemoryBlockstore() } })
    const session = s.manager.createSession(wide.root, { prefetch: { window: 500_000 } })
    await s.clock.run(walk(wide.root, async cid => session.retrieve(cid), n))
    await s.clock.advance(60_000)
    const read = wide.cids.slice(0, n).reduce((sum, cid) => sum + (wide.blocks.get(String(cid))?.byteLength ?? 0), 0)
    expect(s.network.bytesSent - read).toBeGreaterThan(0)
    expect(s.network.bytesSent - read).toBeLessThanOrEqual(500_000)
    session.close()
    await s.manager.stop()
  })

  it('by closing the session stops what is in flight at once, and nothing begins afterwards', async () => {
    const s = await setting(wide)
    const session = s.manager.createSession(wide.root, { prefetch: true })
    await s.clock.run(session.retrieve(wide.root))
    expect(s.provider.requestCount).toBe(1 + 4)
    session.close()
    await s.clock.advance(60_000)
    expect(s.provider.requests.slice(1).map(({ outcome, bytes }) => [outcome, bytes])).toEqual(Array(4).fill(['aborted', 0]))
    session.seen(wide.root, wide.blocks.get(String(wide.root)) as Uint8Array)
    await s.clock.advance(60_000)
    expect(s.provider.requestCount).toBe(1 + 4)
    expect(s.manager.stats().inFlight).toMatchObject({ flights: 0, attempts: 0, queued: 0 })
    expect([processReadBudget.held, processReadBudget.readers]).toEqual([0, 0])
    await s.manager.stop()
  })

  it.each(['during a read', 'between two reads'])('by the signal of a read, %s, pauses until the next one', async when => {
    const s = await setting(wide)
    const session = s.manager.createSession(wide.root, { prefetch: true })
    const leaving = new AbortController()
    const { signal } = leaving
    await s.clock.run(session.retrieve(wide.root, { signal }))
    const pending = when === 'during a read' ? settled(session.retrieve(block(wide, 9), { signal })) : undefined
    await s.clock.advance(1)
    leaving.abort(new Error('gone'))
    await s.clock.advance(60_000)
    expect((await pending)?.error?.message).toBe(pending == null ? undefined : 'gone')
    const before = s.provider.requestCount
    expect(s.provider.requests.slice(1).every(({ outcome }) => outcome === 'aborted')).toBe(true)
    expect(before).toBeLessThan(12)
    await s.clock.run(session.retrieve(block(wide, 10)))
    await s.clock.advance(1_000)
    expect(s.provider.requestCount).toBeGreaterThan(before + 5)
    await s.manager.stop()
    expect([processReadBudget.held, processReadBudget.readers]).toEqual([0, 0])
  })

  it('with the manager, which stops, leaves nothing behind', async () => {
    const s = await setting(wide)
    const session = s.manager.createSession(wide.root, { prefetch: true })
    await s.clock.run(session.retrieve(wide.root))
    await s.manager.stop()
    await s.clock.advance(60_000)
    expect(s.clock.pending).toBe(0)
    expect(s.provider.requests.slice(1).every(({ outcome }) => outcome === 'aborted')).toBe(true)
    expect([processReadBudget.held, processReadBudget.readers]).toEqual([0, 0])
  })
})

describe('what is wanted ahead', () => {
  it.each<[string, SessionOptions, RetrieveOptions]>([
    ['without the option', {}, {}], ['with the option off', { prefetch: false }, {}], ['for a read in another mode', { prefetch: true }, { mode: 'strict' }]
  ])('is nothing %s', async (_, session, read) => {
    const s = await setting(wide)
    await s.clock.run(s.manager.createSession(wide.root, session).retrieve(wide.root, read))
    await s.clock.advance(10_000)
    expect(s.provider.requestCount).toBe(1)
    await s.manager.stop()
  })

  it('is nothing offline', async () => {
    const store = new MemoryBlockstore()
    await store.put(wide.root, wide.blocks.get(String(wide.root)) as Uint8Array)
    const s = await setting(wide, { parts: { store } })
    await s.clock.run(s.manager.createSession(wide.root, { prefetch: true, offline: true }).retrieve(wide.root))
    await s.clock.run(s.manager.createSession(wide.root, { prefetch: true }).retrieve(wide.root, { offline: true }))
    await s.clock.advance(10_000)
    expect(s.provider.requestCount).toBe(0)
    await s.manager.stop()
  })

  it.each(['open', 'balanced', 'strict'] as const)('is told as such in mode %s, until somebody waits for it', async mode => {
    const entries: DisclosureEntry[] = []
    const ledger = { intended: (entry: DisclosureEntry) => { entries.push(entry) }, settled: () => {} }
    const s = await setting(wide, { parts: { ledger } })
    const session = s.manager.createSession(wide.root, { prefetch: true, mode })
    await s.clock.run(session.retrieve(wide.root))
    expect(s.provider.requests.map(({ purpose }) => purpose)).toEqual(['read', ...Array(4).fill('prefetch')])
    expect(entries.map(({ purpose }) => purpose)).toEqual(['read', ...Array(4).fill('prefetch')])

    const first = block(wide, 1)
    expect(String(s.manager.explain(first))).toMatch(/purpose .*wanted ahead of its reader/)
    await s.clock.run(session.retrieve(first))
    expect(String(s.manager.explain(first))).toContain('a reader waits for it')
    await s.manager.stop()
  })

  it('is joined by its reader in one flight, and is a read from then on', async () => {
    const entries: DisclosureEntry[] = []
    const ledger = { intended: (entry: DisclosureEntry) => { entries.push(entry) }, settled: () => {} }
    const s = await setting(wide, { parts: { ledger } })
    const session = s.manager.createSession(wide.root, { prefetch: true })
    await s.clock.run(session.retrieve(wide.root))
    s.provider.behaviour.refuses = true
    const b = s.network.add('b', { latency: 25 })
    const first = block(wide, 1)
    expect((await s.clock.run(session.retrieve(first, { providers: [b.provider.addresses[0] as string] }))).byteLength).toBeGreaterThan(100_000)
    const about = entries.filter(({ key }) => key === blockKey(first))
    expect(about.map(({ purpose, observer }) => [purpose, observer])).toEqual([['prefetch', s.provider.id], ['read', b.id]])
    expect(new Set(about.map(({ request }) => request)).size).toBe(1)
    await s.manager.stop()
  })

  it.each([[10, 5], [5, 0]])('with %i tokens for second requests takes %i, and the rest when a reader waits', async (initial, spent) => {
    const s = await setting(wide, { routing: { hedge: { share: 0, initial, burst: 10, shadowShare: 0, exploreShare: 0 } } })
    const b = s.network.add('b', { latency: 25 })
    const session = s.manager.createSession(wide.root, { prefetch: { window: 1_000_000 }, providers: [s.provider, b].map(({ provider }) => provider.addresses[0] as string) })
    await s.clock.run(walk(wide.root, async cid => session.retrieve(cid), 8))
    await s.clock.advance(200)
    const before = s.manager.stats().hedges.sent
    s.provider.behaviour.silent = true
    b.behaviour.silent = true
    await s.clock.run(settled(session.retrieve(block(wide, 20), { timeout: 1 })))
    // soon enough: those who stay silent are left alone before long
    await s.clock.advance(150)
    const ahead = s.manager.stats().hedges.sent
    expect(ahead - before).toBe(spent)
    const waiting = settled(session.retrieve(block(wide, 38)))
    await s.clock.advance(400)
    expect(s.manager.stats().hedges.sent).toBeGreaterThan(ahead)
    await s.manager.stop()
    await waiting
  })

  it('is behind the reads of its session in the queue for places', async () => {
    const s = await setting(wide, { routing: { hedge: noHedge, limits: { perClient: 2 } } })
    const session = s.manager.createSession(wide.root, { prefetch: true })
    await s.clock.run(session.retrieve(wide.root))
    const last = block(wide, 40)
    const started = s.clock.now()
    await s.clock.run(session.retrieve(last))
    // one of the two places had to come free
    expect(s.clock.now() - started).toBeLessThanOrEqual(50)
    await s.manager.stop()
  })

  it('is not fetched when it is in the store: leaves are not even read', async () => {
    const store = new MemoryBlockstore()
    const s = await setting(wide, { parts: { store } })
    const leaves = Array.from({ length: 20 }, (_, i) => s.network.block(numbered(i)))
    const root = await s.node({ links: leaves })
    for (let i = 0; i < 20; i += 2) {
      await store.put(leaves[i] as CID, numbered(i))
    }
    const reads: string[] = []
    const get = store.get.bind(store)
    store.get = cid => {
      reads.push(blockKey(cid))
      return get(cid)
    }
    const session = s.manager.createSession(root, { prefetch: true })
    await s.clock.run(session.retrieve(root))
    await s.clock.advance(1_000)
    expect(s.provider.requestCount).toBe(1 + 10)
    expect(reads).toEqual([])
    expect(await store.has(leaves[19] as CID)).toBe(true)
    await s.manager.stop()
  })

  it('and nobody has costs the reader nothing more, and ends it after three', async () => {
    const s = await setting(wide)
    const gone = wide.cids.slice(1)
    gone.forEach(cid => { s.network.drop(cid) })
    const session = s.manager.createSession(wide.root, { prefetch: true })
    await s.clock.run(session.retrieve(wide.root))
    await s.clock.advance(120_000)
    const before = s.provider.requestCount
    expect(new Set(asked(s)).size).toBeLessThanOrEqual(1 + 4 + 3)
    const { error } = await s.clock.run(settled(session.retrieve(block(wide, 1))))
    expect(error?.name).toBe('NotFoundError')
    expect(s.provider.requestCount).toBeLessThanOrEqual(before + 1)
    await s.manager.stop()
  })

  it('and turns out much larger than it was said to be is asked for a few at a time', async () => {
    const s = await setting(wide)
    const small = Array.from({ length: 24 }, (_, i) => s.network.block(numbered(i, 100)))
    const large = Array.from({ length: 200 }, (_, i) => s.network.block(numbered(i, 1_000_000)))
    const root = await s.node({ links: [...small, ...large] })
    const session = s.manager.createSession(root, { prefetch: true })
    await s.clock.run(walk(root, async cid => session.retrieve(cid), 2))
    await s.clock.advance(60_000)
    // as many as may be in flight, once
    expect(s.network.bytesSent).toBeLessThanOrEqual(INITIAL_WINDOW + 24 * 1_000_000 + 10_000)
    await s.manager.stop()
  })

  it.each<[string, unknown]>([
    ['text', 'yes'], ['a number', 1], ['a window of nothing', { window: 0 }], ['half a byte', { window: 1.5 }], ['a window of text', { window: '1' }], ['no number', { window: NaN }]
  ])('is refused as %s', async (_, prefetch) => {
    const s = await setting(wide)
    expect(() => s.manager.createSession(wide.root, { prefetch } as SessionOptions)).toThrow(expect.objectContaining({ name: 'InvalidOptionError', message: expect.stringContaining('prefetch') }))
    expect(s.manager.stats().inFlight.sessions).toBe(0)
    await s.manager.stop()
  })

  it('does not change what a bad CID is told', async () => {
    const s = await setting(wide)
    const session = s.manager.createSession(wide.root, { prefetch: true })
    await expect(session.retrieve('bafy' as unknown as CID)).rejects.toMatchObject({ name: 'InvalidCIDError' })
    await s.manager.stop()
  })
})
