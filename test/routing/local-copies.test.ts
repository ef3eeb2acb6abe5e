import { MemoryBlockstore } from 'blockstore-core'
import { identity } from 'multiformats/hashes/identity'
import { CID } from 'multiformats/cid'
import { describe, expect, it } from 'vitest'
import { sampleFile } from '../../src/testing/sample-file.ts'
import { contentReader } from '../../src/unixfs/content-reader.ts'
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
    const store = Object.assign(new MemoryBlockstore(), {
      admit: async (_cid: CID, _bytes: Uint8Array, { origin }: { origin: string }) => {
        admitted.push(origin)
        return true
      }
    })
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

describe('blocks of a file', () => {
  const MIB = 1_048_576

  /** A store whose writes, but for the first ones, wait to be let go */
  function gated (free = 0): { store: LocalStore, open (): void, writes (): number } {
    const gate = Promise.withResolvers<void>()
    const inner = store()
    let writes = 0
    return {
      store: {
        ...inner,
        put: async (cid, bytes) => {
          if (++writes > free) {
            await gate.promise
          }
          return inner.put(cid, bytes)
        }
      },
      open: gate.resolve,
      writes: () => writes
    }
  }

  it('come before they are in the store, are read from memory meanwhile, and are there when it says so', async () => {
    const { store, open } = gated()
    const w = await world({ parts: { store } })
    w.network.add('good')
    const cid = w.network.block(numbered(1))
    const session = w.manager.createSession(cid)
    expect(await w.clock.run(session.retrieve(cid, { part: { cid, from: 0, to: 1_023 } }))).toEqual(numbered(1))
    expect(await store.has(cid)).toBe(false)
    expect(await w.manager.retrieve(cid, { offline: true })).toEqual(numbered(1))

    let stored = false
    const waiting = Promise.resolve(session.stored?.()).then(() => { stored = true })
    await w.clock.advance(10)
    expect(stored).toBe(false)
    open()
    await waiting
    expect(await store.has(cid)).toBe(true)
    session.close()
    await w.manager.stop()
  })

  it('are all in the store when the file has come to its end', async () => {
    // the root is no part of a file to its reader, and waits for its write
    const { store, open, writes } = gated(1)
    const w = await world({ parts: { store, reader: contentReader() } })
    w.network.add('good')
    const file = await sampleFile({ size: 30_000, chunkSize: 10_000 })
    file.blocks.forEach(bytes => { w.network.block(bytes) })
    let read = 0
    let over = false
    const reading = (async () => {
      for await (const piece of w.manager.retrieveContent(file.root)) {
        read += piece.byteLength
      }
      over = true
    })()
    await w.clock.advance(3_000)
    expect([read, over, writes()]).toEqual([30_000, false, 4])
    open()
    await w.clock.run(reading)
    expect([read, over, writes()]).toEqual([30_000, true, 4])
    for (const cid of [file.root, ...file.others]) {
      expect(await store.has(cid)).toBe(true)
    }
    await w.manager.stop()
  })

  it('hold up the end of their own file and of no other', async () => {
    const { store, open } = gated()
    const w = await world({ parts: { store, reader: contentReader() } })
    w.network.add('good')
    const cid = w.network.block(numbered(1))
    const session = w.manager.createSession(cid)
    const reading = session.retrieve(cid, { part: { cid, from: 0, to: 999 } })
    await w.clock.run(reading)

    const other = w.manager.createSession(cid)
    let ended = false
    await other.retrieve(cid)
    await w.clock.run(Promise.resolve(other.stored?.()).then(() => { ended = true }))
    expect(ended).toBe(true)

    open()
    await w.clock.run(Promise.resolve(session.stored?.()))
    await w.manager.stop()
  })

  it('wait for the store when 32 MiB do', async () => {
    const { store, open, writes } = gated()
    const w = await world({ parts: { store } })
    w.network.add('good')
    const cids = Array.from({ length: 34 }, (_, i) => w.network.block(numbered(i, MIB)))
    const session = w.manager.createSession(cids[0] as CID)
    let come = 0
    const reads = cids.map(async cid => {
      await session.retrieve(cid, { part: { cid, from: 0, to: MIB - 1 } })
      come++
    })
    await w.clock.advance(3_000)
    expect([come, writes()]).toEqual([32, 34])
    open()
    await Promise.all(reads)
    session.close()
    await w.manager.stop()
  })

  it('that the store does not take are counted, and the stop waits until that is known', async () => {
    const gate = Promise.withResolvers<never>()
    const w = await world({ parts: { store: store({ put: async () => gate.promise }) } })
    w.network.add('good')
    const cid = w.network.block(numbered(1))
    const session = w.manager.createSession(cid)
    await w.clock.run(session.retrieve(cid, { part: { cid, from: 0, to: 1_023 } }))
    let stopped = false
    const stopping = w.manager.stop().then(() => { stopped = true })
    await w.clock.advance(10)
    expect(stopped).toBe(false)
    gate.reject(new Error('the disk is full'))
    await stopping
    expect(w.manager.stats().cache.storeFailures).toBe(1)
  })
})
