import * as dagPb from '@ipld/dag-pb'
import { MemoryDatastore } from 'datastore-core'
import { Key } from 'interface-datastore/key'
import { UnixFS } from 'ipfs-unixfs'
import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'
import { describe, expect, it } from 'vitest'
import { blockKey } from '../../src/block/key.ts'
import { Affinity, AFFINITY_PREFIX, DEFAULT_AFFINITY, DIRECTORIES_PREFIX, PUBLISHERS_PREFIX } from '../../src/routing/affinity.ts'
import { MAX_RELATIVES } from '../../src/routing/provider-group.ts'
import { silentLogger } from '../../src/testing/silent-logger.ts'
import { numbered, settled, world } from './support/world.ts'
import type { DisclosureEntry } from '../../src/interface/disclosure.ts'
import type { SimulatedNetwork } from '../../src/testing/simulated-network.ts'
import type { World } from './support/world.ts'

const routing = { hedge: { share: 0, initial: 0, shadowShare: 0, exploreShare: 0 } }
const publisher = 'docs.example'
const hint = (name: string): string => `http://${name}.example`

async function directory (network: SimulatedNetwork, links: ReadonlyArray<readonly [name: string, cid: CID]>): Promise<CID> {
  const bytes = dagPb.encode(dagPb.createNode(new UnixFS({ type: 'directory' }).marshal(), links.map(([Name, Hash]) => ({ Name, Hash, Tsize: 1_000 }))))
  const cid = CID.createV1(dagPb.code, await sha256.digest(bytes))
  network.put(cid, bytes)
  return cid
}

async function read (w: World, cid: CID, options: Parameters<World['manager']['retrieve']>[1] = {}): Promise<string> {
  const { value, error } = await w.clock.run(settled(w.manager.retrieve(cid, options)))
  return value == null ? error?.name ?? '' : 'read'
}

const asked = (w: World): Record<string, number> => Object.fromEntries([...w.network.providers.values()].map(({ name, requests }) => [name, requests.length]))

describe('content of one publisher', () => {
  it('is read from whoever delivered other content of it, with no record anywhere, and before anybody else is told', async () => {
    const w = await world({ routing })
    w.network.add('a', {}, { unlisted: true })
    w.network.add('b', {}, { unlisted: true })
    await read(w, w.network.block(numbered(1)), { publisher, providers: [hint('a')] })
    const lookups = w.network.lookups
    const second = w.network.block(numbered(2))

    expect(await read(w, second, { publisher })).toBe('read')
    expect(w.network.lookups).toBe(lookups)
    expect(asked(w)).toEqual({ a: 2, b: 0 })
    expect(String(w.manager.explain(second))).toContain('1 of them from what is related to it')
    await w.manager.stop()
  })

  it('is what nobody is asked for who delivered something else', async () => {
    const w = await world({ routing })
    w.network.add('a', {}, { unlisted: true })
    await read(w, w.network.block(numbered(1)), { publisher, providers: [hint('a')] })
    expect(await read(w, w.network.block(numbered(2)))).toBe('NotFoundError')
    expect(await read(w, w.network.block(numbered(3)), { publisher: 'other.example' })).toBe('NotFoundError')
    expect(asked(w)).toEqual({ a: 1 })
    await w.manager.stop()
  })

  it('is not asked for in mode strict, also when another reader may', async () => {
    const w = await world({ routing })
    w.network.add('a', {}, { unlisted: true })
    await read(w, w.network.block(numbered(1)), { publisher, providers: [hint('a')] })
    const second = w.network.block(numbered(2))
    expect(await read(w, second, { publisher, mode: 'strict' })).toBe('NotFoundError')
    // remembered as a miss, which a publisher gets past
    w.network.drop(second)
    expect(await read(w, second, { publisher, mode: 'balanced' })).toBe('NotFoundError')
    expect(asked(w)).toEqual({ a: 2 })
    expect(await read(w, second, { mode: 'strict', skipNegativeCache: true })).toBe('NotFoundError')
    expect(asked(w)).toEqual({ a: 2 })
    await w.manager.stop()
  })

  it('is looked for as ever when they have not got it, at once', async () => {
    const w = await world({ routing })
    const a = w.network.add('a', { latency: 20 }, { unlisted: true })
    await read(w, w.network.block(numbered(1)), { publisher, providers: [hint('a')] })
    w.network.add('b', { latency: 20 })
    a.behaviour = { latency: 20, has: 0 }
    const started = w.clock.now()
    expect(await read(w, w.network.block(numbered(2)), { publisher })).toBe('read')
    expect(w.clock.now() - started).toBeLessThan(100)
    // or when they say nothing, a moment later
    a.behaviour = { silent: true }
    const then = w.clock.now()
    expect(await read(w, w.network.block(numbered(3)), { publisher })).toBe('read')
    expect(w.clock.now() - then).toBeLessThan(2_000)
    await w.manager.stop()
  })

  it('has four strangers asked at most, and fewer and fewer of those who have nothing', async () => {
    const w = await world({ routing })
    const names = Array.from({ length: 12 }, (_, i) => `p${i}`)
    for (const [i, name] of names.entries()) {
      w.network.add(name, {}, { unlisted: true })
      await read(w, w.network.block(numbered(i)), { publisher, providers: [hint(name)] })
    }
    const before = asked(w)
    const total = (counts: Record<string, number>): number => Object.values(counts).reduce((sum, count) => sum + count, 0)
    w.network.providers.forEach(provider => { provider.behaviour = { has: 0 } })
    await read(w, w.network.block(numbered(100)), { publisher })
    expect(total(asked(w)) - total(before)).toBe(MAX_RELATIVES)

    for (let i = 101; i < 160; i++) {
      await read(w, w.network.block(numbered(i)), { publisher })
    }
    const learnt = total(asked(w))
    await read(w, w.network.block(numbered(200)), { publisher })
    expect(total(asked(w))).toBe(learnt)
    await w.manager.stop()
  })

  it('enters a read that is under way', async () => {
    const w = await world({ routing, lookupDelay: 5_000 })
    w.network.add('a', { latency: 20 }, { unlisted: true })
    await read(w, w.network.block(numbered(1)), { publisher, providers: [hint('a')] })
    const second = w.network.block(numbered(2))
    const first = w.manager.retrieve(second)
    await w.clock.advance(100)
    await w.clock.run(Promise.all([first, w.manager.retrieve(second, { publisher })]))
    expect(w.clock.now()).toBeLessThan(1_000)
    await w.manager.stop()
  })

  it('is disclosed as any read', async () => {
    const entries: DisclosureEntry[] = []
    const w = await world({ routing, parts: { ledger: { intended: entry => { entries.push(entry) }, settled: () => {} } } })
    w.network.add('a', {}, { unlisted: true })
    await read(w, w.network.block(numbered(1)), { publisher, providers: [hint('a')] })
    const second = w.network.block(numbered(2))
    await read(w, second, { publisher })
    expect(entries.filter(({ key }) => key === blockKey(second)).map(({ observer, form, purpose }) => ({ observer, form, purpose }))).toEqual([{ observer: 'http:a.example', form: 'cid', purpose: 'read' }])
    await w.manager.stop()
  })

  it('is known after a restart, without what cannot be read', async () => {
    const datastore = new MemoryDatastore()
    const w = await world({ routing, datastore })
    w.network.add('a', {}, { unlisted: true })
    await read(w, w.network.block(numbered(1)), { publisher, providers: [hint('a')] })
    await w.manager.stop()
    await datastore.put(new Key(`${PUBLISHERS_PREFIX}/x`), new Uint8Array([1]))
    const again = await world({ routing, datastore, network: w.network })
    expect(await read(again, w.network.block(numbered(2)), { publisher })).toBe('read')
    await again.manager.stop()
    expect(await datastore.has(new Key(`${PUBLISHERS_PREFIX}/x`))).toBe(false)
  })

  it.each([[''], ['x'.repeat(257)], [7]])('must have a name: %j', async name => {
    const w = await world()
    await expect(w.manager.retrieve(w.network.block(numbered(1)), { publisher: name as string })).rejects.toMatchObject({ name: 'InvalidOptionError', message: expect.stringContaining('publisher') })
    await w.manager.stop()
  })
})

describe('content of one directory', () => {
  it('is read from whoever delivered the directory, also as a root of its own, with no record', async () => {
    const w = await world({ routing })
    w.network.add('a', {}, { unlisted: true })
    w.network.add('b', {}, { unlisted: true })
    const leaf = w.network.block(numbered(1))
    const inner = await directory(w.network, [['leaf', leaf]])
    const root = await directory(w.network, [['inner', inner]])
    await read(w, root, { providers: [hint('a')] })
    const lookups = w.network.lookups

    const session = w.manager.createSession(inner)
    await w.clock.run(session.retrieve(inner))
    await w.clock.run(session.retrieve(leaf))
    expect(asked(w)).toEqual({ a: 3, b: 0 })
    // one more provider is always welcome, beside the read
    expect(w.network.lookups - lookups).toBeLessThanOrEqual(1)
    await w.manager.stop()
  })

  it('is read first from whoever delivered something of that directory, not of one further up', async () => {
    const w = await world({ routing })
    const names = ['a', 'b', 'c', 'd', 'e', 'f']
    names.forEach(name => { w.network.add(name, {}, { unlisted: true }) })
    const files = Array.from({ length: 8 }, (_, i) => w.network.block(numbered(i)))
    const inner = await directory(w.network, [['x', files[0] as CID], ['y', files[1] as CID]])
    const root = await directory(w.network, [['inner', inner], ...files.slice(2).map((cid, i) => [`f${i}`, cid] as const)])
    // all have delivered something of the root, and f something of the directory in it
    for (const [i, name] of names.entries()) {
      const cid = [root, inner, ...files.slice(2, 5)][i] ?? files[0] as CID
      w.network.providers.forEach(provider => { provider.behaviour = { down: provider.name !== name } })
      const session = w.manager.createSession(root, { providers: [hint(name)] })
      await w.clock.run(session.retrieve(cid))
      session.close()
      await w.clock.run(w.clock.sleep(300_000))
    }
    w.network.providers.forEach(provider => { provider.behaviour = {} })
    const before = asked(w)
    const session = w.manager.createSession(files[1] as CID)
    await w.clock.run(session.retrieve(files[1] as CID))
    expect(asked(w)).toEqual({ ...before, f: (before.f ?? 0) + 1 })
    await w.manager.stop()
  })

  it('may be asked for in mode strict: who delivered the directory knows what is in it', async () => {
    const w = await world({ routing: { ...routing, mode: 'strict' } })
    w.network.add('a', {}, { unlisted: true })
    const inner = await directory(w.network, [['leaf', w.network.block(numbered(1))]])
    const root = await directory(w.network, [['inner', inner]])
    await read(w, root, { providers: [hint('a')] })
    const session = w.manager.createSession(inner)
    await w.clock.run(session.retrieve(inner))
    expect(asked(w)).toEqual({ a: 2 })
    await w.manager.stop()
  })
})

describe('groups of three kinds', () => {
  const provider = { id: 'http:a.example', addresses: [hint('a')], protocols: [], source: 'test', fallback: false, domains: [] } as const

  it('are bounded each by itself, and leave nothing behind in the store', async () => {
    const datastore = new MemoryDatastore()
    const affinity = new Affinity({ ...DEFAULT_AFFINITY, roots: 3 })
    for (let i = 0; i < 10; i++) {
      const cid = CID.createV1(0x55, await sha256.digest(numbered(i)))
      affinity.reading(blockKey(cid), cid, undefined, `publisher ${i}`).delivered(provider)
      await affinity.save(datastore)
    }
    const keys: string[] = []
    for await (const { key } of datastore.query({})) {
      keys.push(key.toString())
    }
    expect(keys.filter(key => key.startsWith(`${AFFINITY_PREFIX}/`))).toHaveLength(3)
    expect(keys.filter(key => key.startsWith(`${PUBLISHERS_PREFIX}/`))).toHaveLength(3)
    expect(keys.filter(key => key.startsWith(`${DIRECTORIES_PREFIX}/`))).toHaveLength(0)
    const again = new Affinity()
    await again.load(datastore, silentLogger)
    expect(again.size).toBe(3)
    expect(again.published('publisher 9', 'open').map(({ id }) => id)).toEqual(['http:a.example'])
    expect(again.published('publisher 9', 'strict')).toEqual([])
    expect(again.published('publisher 0', 'open')).toEqual([])
  })

  it('count one word of each root, however many blocks it has', async () => {
    const affinity = new Affinity()
    const cids = await Promise.all([1, 2].map(async n => CID.createV1(0x55, await sha256.digest(numbered(n)))))
    const [first, second] = cids.map(cid => affinity.reading(blockKey(cid), cid, undefined, publisher))
    for (let i = 0; i < 100; i++) {
      first?.delivered(provider)
    }
    expect(second?.relate('open')).toBe(1)
    const before = second?.has(provider.id) ?? 0
    expect(before).toBeGreaterThan(0.4)
    expect(before).toBeLessThan(0.8)
    for (let i = 0; i < 100; i++) {
      second?.lacked(provider.id)
    }
    const [group] = second?.relations ?? []
    expect(group?.group.get(provider.id)).toMatchObject({ delivered: 1, lacked: 1 })
    expect(second?.has(provider.id)).toBeLessThan(0.2)
    // and as soon as somebody says that it has this, it is a provider like any other
    second?.add(provider)
    expect(second?.get(provider.id)?.related).toBe(undefined)
  })
})
