import { describe, expect, it } from 'vitest'
import { blockKey } from '../../src/block/key.ts'
import { sampleFile } from '../../src/testing/sample-file.ts'
import { SimulatedNetwork } from '../../src/testing/simulated-network.ts'
import { numbered, settled, world } from './support/world.ts'
import type { Provider } from '../../src/interface/provider.ts'
import type { SimulatedProvider } from '../../src/testing/simulated-provider.ts'
import type { World } from './support/world.ts'
import type { CID } from 'multiformats/cid'

const noHedge = { share: 0, initial: 0, shadowShare: 0 }

/** One provider that delivered the root of a DAG, and a leaf of it that nobody was asked for */
async function deliveredRoot (): Promise<World & { readonly only: SimulatedProvider, readonly leaf: CID }> {
  const w = await world({ routing: { hedge: noHedge, rounds: { max: 1 } } })
  const only = w.network.add('only')
  const file = await sampleFile({ size: 2 * 1_024, chunkSize: 1_024 })

  for (const cid of [file.root, ...file.others]) {
    w.network.put(cid, file.blocks.get(blockKey(cid)) as Uint8Array)
  }

  await w.clock.run(w.manager.retrieve(file.root))
  only.requests.length = 0
  return { ...w, only, leaf: file.others[0] as CID }
}

describe('a provider that stalls', () => {
  it('is asked once more in the same round when it delivered blocks of this DAG', async () => {
    const { manager, clock, only, leaf } = await deliveredRoot()
    only.behaviour.stallsAfter = 0.5
    const reading = settled(manager.retrieve(leaf))
    await clock.advance(1_000)
    only.behaviour.stallsAfter = 1
    expect((await clock.run(reading)).error).toBeUndefined()
    expect(only.requests.map(({ outcome }) => outcome)).toEqual(['aborted', 'answered'])
    await manager.stop()
  })

  it('is not asked a third time', async () => {
    const { manager, clock, only, leaf } = await deliveredRoot()
    only.behaviour.stallsAfter = 0.5
    expect((await clock.run(settled(manager.retrieve(leaf)))).error?.name).toBe('RetrievalFailedError')
    expect(only.requests).toHaveLength(2)
    await manager.stop()
  })

  it('is asked once when it delivered nothing of this DAG', async () => {
    const { manager, network, clock, only } = await deliveredRoot()
    only.behaviour.stallsAfter = 0.5
    expect((await clock.run(settled(manager.retrieve(network.block(numbered(1)))))).error?.name).toBe('RetrievalFailedError')
    expect(only.requests).toHaveLength(1)
    await manager.stop()
  })
})

describe('a provider that has never delivered', () => {
  it('gets two requests at a time, and a crowd once it has', async () => {
    const { manager, network, clock } = await world({ routing: { hedge: noHedge } })
    const only = network.add('only', { latency: 50 })
    const read = (from: number): Array<Promise<Uint8Array>> => {
      return Array.from({ length: 8 }, async (_, i) => manager.retrieve(network.block(numbered(from + i))))
    }
    const first = read(0)
    await clock.advance(40)
    expect(only.requestCount).toBe(2)
    await clock.run(Promise.all(first))
    expect(only.requestCount).toBe(8)
    const second = read(100)
    await clock.advance(40)
    expect(only.requestCount).toBe(16)
    await clock.run(Promise.all(second))
    await manager.stop()
  })
})

describe('one server under many names', () => {
  it('gets no more at a time than under one, neither as a stranger nor with all it may have', async () => {
    const network = new SimulatedNetwork()
    const server = network.add('server', { latency: 50 })
    const names = Array.from({ length: 64 }, (_, i): Provider => ({ ...server.provider, id: `p2p:name${i}` }))
    const { manager, clock } = await world({
      network,
      routing: { hedge: noHedge, limits: { perProvider: 5 } },
      parts: {
        sources: [{ name: 'named', async * find () { yield * names } }],
        fetchers: [{
          name: 'named',
          transport: 'http',
          routes: ({ id }) => [{ ...server.route, provider: id }],
          fetch: async (want, route, attempt) => network.fetcher.fetch(want, { ...route, provider: server.id }, attempt)
        }]
      }
    })
    const most = async (from: number): Promise<number> => {
      const before = server.requestCount
      const reads = Promise.all(Array.from({ length: 16 }, async (_, i) => manager.retrieve(network.block(numbered(from + i)))))
      await clock.advance(40)
      const count = server.requestCount - before
      await clock.run(reads)
      return count
    }
    expect(await most(0)).toBe(2)
    expect(await most(100)).toBe(5)
    await manager.stop()
  })
})

describe('a provider that lacked many blocks of a DAG', () => {
  it('is asked last for the next ones, although it would be faster', async () => {
    const { manager, network, clock } = await world({ routing: { hedge: noHedge } })
    const fast = network.add('fast', { latency: 50 })
    const slow = network.add('slow', { latency: 100 })
    const read = async (count: number, from: number): Promise<number> => {
      const before = slow.requestCount

      for (let i = from; i < from + count; i++) {
        await clock.run(manager.retrieve(network.block(numbered(i))))
      }

      return slow.requestCount - before
    }
    await read(60, 0)
    const others = await read(20, 100)
    const file = await sampleFile({ size: 40 * 1_024, chunkSize: 1_024 })
    const session = manager.createSession(file.root)
    const leaves = file.others

    for (const cid of [file.root, ...leaves]) {
      network.put(cid, file.blocks.get(blockKey(cid)) as Uint8Array)
    }

    fast.behaviour.has = 0
    for (const cid of [file.root, ...leaves.slice(0, 20)]) {
      await clock.run(session.retrieve(cid))
    }

    fast.behaviour.has = 1
    const [fastBefore, slowBefore] = [fast.requestCount, slow.requestCount]
    for (const cid of leaves.slice(20)) {
      await clock.run(session.retrieve(cid))
    }

    expect(others).toBeLessThan(5)
    expect(slow.requestCount - slowBefore).toBeGreaterThan(15)
    expect(fast.requestCount - fastBefore).toBeLessThan(5)
    await manager.stop()
  })
})
