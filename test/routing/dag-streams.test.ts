import { MemoryBlockstore } from 'blockstore-core'
import { describe, expect, it } from 'vitest'
import { blockKey } from '../../src/block/key.ts'
import { cborTree, publish, walk } from './support/cbor-tree.ts'
import { world } from './support/world.ts'
import type { World, WorldInit } from './support/world.ts'
import type { SessionOptions } from '../../src/interface/routing.ts'
import type { Behaviour, SimulatedProvider } from '../../src/testing/simulated-provider.ts'

const DELAY = 25
const tree = await cborTree({ fanout: [10, 10, 4] })
const heavy = await cborTree({ fanout: [40, 8], bytes: 100_000, seed: 1 })
const order = tree.cids.map(String)

interface Setting extends World {
  readonly provider: SimulatedProvider
  /** Reads the DAG in a session that prefetches; virtual ms */
  read (options?: SessionOptions): Promise<number>
  streams (): number
  single (): string[]
}

async function setting (behaviour: Behaviour = {}, init: WorldInit = {}): Promise<Setting> {
  const w = await world({ routing: { hedge: { share: 0, initial: 0, shadowShare: 0 } }, ...init })
  const provider = w.network.add('a', { latency: DELAY, streams: true, ...behaviour })
  publish(w.network, tree)
  publish(w.network, heavy)
  return {
    ...w,
    provider,
    async read (options = {}) {
      const session = w.manager.createSession(tree.root, { prefetch: true, ...options })
      const started = w.clock.now()
      expect(await w.clock.run(walk(tree.root, async cid => session.retrieve(cid)))).toEqual(order)
      session.close()
      return w.clock.now() - started
    },
    streams: () => provider.requests.filter(({ purpose }) => purpose === 'stream').length,
    single: () => provider.requests.filter(({ purpose }) => purpose !== 'stream').map(({ key }) => key)
  }
}

describe('a DAG that is walked in a session that prefetches', () => {
  it.each<[string, SessionOptions, WorldInit]>([
    ['with a store', {}, { parts: { store: new MemoryBlockstore() } }],
    ['of a caller who stores himself', { store: false }, {}]
  ])('%s comes as one stream, behind its root', async (_, options, init) => {
    const s = await setting({}, init)
    expect(await s.read(options)).toBeLessThanOrEqual(3 * DELAY)
    expect(s.streams()).toBe(1)
    expect(s.single()).toEqual([blockKey(tree.root)])
    expect(s.manager.stats().streams).toMatchObject({ begun: 1, resumed: 0, blocks: order.length - 1 })
    expect(String(s.manager.explain(tree.root))).toMatch(/asked for all of it as one stream/)
    await s.manager.stop()
    expect(s.clock.pending).toBe(0)
  })

  it('is stored block by block, each before its reader has it', async () => {
    const store = new MemoryBlockstore()
    const s = await setting({}, { parts: { store } })
    const session = s.manager.createSession(tree.root, { prefetch: true })
    await s.clock.run(walk(tree.root, async cid => {
      const bytes = await session.retrieve(cid)
      expect(store.has(cid)).toBe(true)
      return bytes
    }, 50))
    await s.manager.stop()
  })

  it('comes block by block without the option, and when its root was here', async () => {
    const s = await setting()
    await s.read({ prefetch: false })
    expect(s.streams()).toBe(0)
    await s.manager.stop()
    const store = new MemoryBlockstore()
    await store.put(tree.root, tree.blocks.get(String(tree.root)) as Uint8Array)
    const here = await setting({}, { parts: { store } })
    await here.read()
    expect(here.streams()).toBe(0)
    expect(here.single().length).toBe(order.length - 1)
    await here.manager.stop()
  })

  it('is pulled no further than a window beyond its reader, and ends on the wire when he leaves', async () => {
    const s = await setting()
    const session = s.manager.createSession(heavy.root, { prefetch: { window: 2_000_000 } })
    const read = await s.clock.run(walk(heavy.root, async cid => session.retrieve(cid), 12))
    expect(read.length).toBe(12)
    await s.clock.advance(1_000)
    expect(s.streams()).toBe(1)
    expect(s.provider.bytesSent).toBeLessThan((12 + 20 + 2) * 101_000)
    session.close()
    await s.clock.advance(0)
    expect(s.provider.requests.filter(({ outcome }) => outcome === 'pending')).toEqual([])
    expect(s.manager.stats().streams.open).toBe(0)
    await s.manager.stop()
  })

  it.each([1, 40])('whose stream stalls after %i blocks comes block by block from there on, and nothing of it twice', async count => {
    const s = await setting({ streamStallsAfter: count })
    await s.read()
    expect(s.streams()).toBe(1)
    const single = s.single()
    expect(new Set(single).size).toBe(single.length)
    // the root came first by itself, and once more on the way
    expect(single.length).toBe(order.length - (count - 1))
    await s.manager.stop()
  })

  it('from one that makes no streams comes block by block, each once', async () => {
    const s = await setting({ streams: false })
    await s.read()
    const single = s.single()
    expect(new Set(single)).toEqual(new Set(tree.cids.map(blockKey)))
    expect(single.length).toBe(order.length)
    await s.manager.stop()
  })
})
