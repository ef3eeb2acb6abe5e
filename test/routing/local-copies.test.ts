import { MemoryBlockstore } from 'blockstore-core'
import { identity } from 'multiformats/hashes/identity'
import { CID } from 'multiformats/cid'
import { describe, expect, it } from 'vitest'
import { numbered, settled, world } from './support/world.ts'
import type { LocalStore } from '../../src/interface/cache.ts'
import type { World } from './support/world.ts'

/** A raw store whose calls can be made to hang or to take their time */
function store (overrides: Partial<LocalStore> = {}): LocalStore {
  const blocks = new Map<string, Uint8Array>()
  return {
    has: (cid: CID) => blocks.has(cid.toString()),
    async * get (cid: CID) { yield blocks.get(cid.toString()) as Uint8Array },
    put: (cid: CID, bytes: Uint8Array) => { blocks.set(cid.toString(), bytes); return cid },
    ...overrides
  }
}

function said (w: World): number {
  return w.network.requests + w.network.lookups
}

describe('what is here', () => {
  it('an identity CID is answered from itself: never sent to a network, not even looked for in the store', async () => {
    const store = new MemoryBlockstore()
    const { has } = store
    let looked = 0
    store.has = function (...args) {
      looked++
      return has.apply(this, args)
    }
    const w = await world({ parts: { store } })
    w.network.add('good')
    const cid = CID.createV1(0x55, identity.digest(numbered(1, 128)))
    expect(await w.manager.retrieve(cid)).toEqual(numbered(1, 128))
    expect(await w.manager.retrieve(cid, { offline: true, providers: ['http://good.example'] })).toEqual(numbered(1, 128))
    const session = w.manager.createSession(cid)
    expect(await session.retrieve(cid)).toEqual(numbered(1, 128))
    expect(said(w) + looked).toBe(0)
    await w.manager.stop()
    expect(await w.manager.retrieve(cid)).toEqual(numbered(1, 128))
  })

  it('a stored block is served without the network, before start and after stop too', async () => {
    const store = new MemoryBlockstore()
    const w = await world({ parts: { store }, started: false })
    w.network.add('good')
    const cid = w.network.block(numbered(1))
    await store.put(cid, numbered(1))
    expect(await w.manager.retrieve(cid)).toEqual(numbered(1))
    await w.manager.start()
    expect(await w.manager.retrieve(cid, { offline: true })).toEqual(numbered(1))
    await w.manager.stop()
    expect(await w.manager.retrieve(cid)).toEqual(numbered(1))
    expect(said(w)).toBe(0)
    expect(w.manager.stats().cache).toMatchObject({ hits: 3, hitRatio: 1, bytesSaved: 3_072 })
  })

  it('a stored block that does not match its CID is a miss, and is replaced', async () => {
    const store = new MemoryBlockstore()
    const w = await world({ parts: { store } })
    w.network.add('good')
    const cid = w.network.block(numbered(1))
    await store.put(cid, numbered(2))
    expect(await w.clock.run(w.manager.retrieve(cid))).toEqual(numbered(1))
    expect(w.manager.stats().cache.corrupt).toBe(1)
    expect(await w.clock.run(w.manager.retrieve(cid, { offline: true }))).toEqual(numbered(1))
    await w.manager.stop()
  })

  it('is not looked at, nor added to, when the caller does both', async () => {
    const store = new MemoryBlockstore()
    const w = await world({ parts: { store } })
    w.network.add('good')
    const cid = w.network.block(numbered(1))
    await w.clock.run(w.manager.retrieve(cid, { store: false }))
    expect(store.has(cid)).toBe(false)
    await store.put(cid, numbered(1))
    await w.clock.run(w.manager.retrieve(cid, { store: false }))
    expect(w.network.requests).toBe(2)
    await w.manager.stop()
  })

  it('a store that is full costs the copy, not the read', async () => {
    const store = new MemoryBlockstore()
    store.put = () => { throw new Error('ENOSPC') }
    const w = await world({ parts: { store } })
    w.network.add('good')
    expect(await w.clock.run(w.manager.retrieve(w.network.block(numbered(1))))).toEqual(numbered(1))
    expect(w.manager.stats().cache.storeFailures).toBe(1)
    await w.manager.stop()
  })

  it('fetched blocks are handed to a cache as such', async () => {
    const admitted: string[] = []
    const store = Object.assign(new MemoryBlockstore(), { admit: async (_cid: CID, _bytes: Uint8Array, { origin }: { origin: string }) => { admitted.push(origin) } })
    const w = await world({ parts: { store } })
    w.network.add('good')
    const cid = w.network.block(numbered(1))
    await w.clock.run(w.manager.retrieve(cid))
    expect(admitted).toEqual(['retrieval'])
    expect(store.has(cid)).toBe(false)
    await w.manager.stop()
  })
})

describe('offline', () => {
  it('is a named error for what is not here, and nobody hears of it', async () => {
    const w = await world({ parts: { store: new MemoryBlockstore() } })
    w.network.add('good')
    const cid = w.network.block(numbered(1))
    const { error } = await settled(w.manager.retrieve(cid, { offline: true, providers: ['http://good.example'] }))
    expect(error).toMatchObject({ name: 'OfflineError', message: expect.stringContaining(cid.toString()) })
    await w.clock.advance(1_000)
    expect(said(w)).toBe(0)
    expect(await w.clock.run(w.manager.retrieve(cid))).toEqual(numbered(1))
    await w.manager.stop()
  })
})

describe('a store', () => {
  it('whose put hangs costs the copy, not the read', async () => {
    const { network, clock, manager } = await world({ parts: { store: store({ put: async () => new Promise(() => {}) }) } })
    network.add('good')
    const result = settled(manager.retrieve(network.block(numbered(1))))
    await clock.advance(31_000)
    expect(await Promise.race([result, Promise.resolve('still waiting')])).toMatchObject({ value: numbered(1) })
    await manager.stop()
  })

  it('whose has hangs does not hold a read beyond its deadline', async () => {
    const { network, clock, manager } = await world({ parts: { store: store({ has: async () => new Promise(() => {}) }) } })
    network.add('good')
    const cid = network.block(numbered(1))
    const result = settled(manager.retrieve(cid, { timeout: 1_000 }))
    await clock.advance(2_000)
    const raced = await Promise.race([result, Promise.resolve('still waiting')])
    expect(raced).not.toBe('still waiting')
    await manager.stop()
  })

  it('whose has hangs lets a caller leave', async () => {
    const { network, clock, manager } = await world({ parts: { store: store({ has: async () => new Promise(() => {}) }) } })
    network.add('good')
    const leaving = new AbortController()
    const result = settled(manager.retrieve(network.block(numbered(1)), { signal: leaving.signal }))
    await clock.advance(10)
    leaving.abort(new Error('I leave'))
    await clock.advance(10)
    const raced = await Promise.race([result, Promise.resolve('still waiting')])
    expect(raced).toMatchObject({ error: { message: 'I leave' } })
    await manager.stop()
  })

  it('with a copy as large as the caller accepts is believed', async () => {
    const kept = store()
    const { network, clock, manager } = await world({ parts: { store: kept } })
    network.add('good')
    const cid = network.block(numbered(1, 3_000_000))
    await clock.run(manager.retrieve(cid, { maxBlockSize: 4_000_000 }))
    await clock.run(manager.retrieve(cid, { maxBlockSize: 4_000_000 }))
    expect(network.requests).toBe(1)
    expect(manager.stats().cache.corrupt).toBe(0)
    await manager.stop()
  })
})
