import { blockKey } from '../../src/block/key.ts'
import { describe, expect, it } from 'vitest'
import { sampleFile } from '../../src/testing/sample-file.ts'
import { numbered, settled, world } from './support/world.ts'
import type { SampleFile } from '../../src/testing/sample-file.ts'
import type { World } from './support/world.ts'

const noHedge = { share: 0, initial: 0, shadowShare: 0 }

async function read (w: World, count: number, from = 0): Promise<void> {
  for (let i = from; i < from + count; i++) {
    await w.clock.run(w.manager.retrieve(w.network.block(numbered(i))))
  }
}

function publish (w: World, file: SampleFile): void {
  for (const cid of [file.root, ...file.others]) {
    w.network.put(cid, file.blocks.get(blockKey(cid)) ?? new Uint8Array(0))
  }
}

describe('selection', () => {
  it.each([1, 2, 3, 4])('comes to prefer the faster provider (seed %i)', async seed => {
    const w = await world({ seed, routing: { hedge: noHedge } })
    const slow = w.network.add('slow', { latency: 200, sigma: 0.3 })
    const fast = w.network.add('fast', { latency: 50, sigma: 0.3 })
    await read(w, 30)
    const before = { slow: slow.requestCount, fast: fast.requestCount }
    await read(w, 100, 100)
    expect(fast.requestCount - before.fast).toBeGreaterThan(90)
    expect(slow.requestCount - before.slow).toBeLessThan(10)
    await w.manager.stop()
  })

  it('notices when the better one has become the worse one', async () => {
    const w = await world({ routing: { hedge: noHedge } })
    const a = w.network.add('a', { latency: 30, sigma: 0.2 })
    const b = w.network.add('b', { latency: 120, sigma: 0.2 })
    await read(w, 60)
    a.behaviour.factor = 20
    await read(w, 30, 100)
    const before = b.requestCount
    await read(w, 50, 200)
    expect(b.requestCount - before).toBeGreaterThan(45)
    await w.manager.stop()
  })

  it('takes big blocks from the provider with the throughput and small ones from the one with the latency', async () => {
    const w = await world({ routing: { hedge: noHedge } })
    const big = await sampleFile({ size: 40 * 1_048_576, chunkSize: 1_048_576, seed: 1 })
    const small = await sampleFile({ size: 40 * 1_024, chunkSize: 1_024, seed: 2 })
    publish(w, big)
    publish(w, small)
    const wide = w.network.add('wide', { latency: 100, throughput: 50_000 })
    const near = w.network.add('near', { latency: 20, throughput: 1_000 })
    const share = async (file: SampleFile): Promise<{ wide: number, near: number }> => {
      const session = w.manager.createSession(file.root)
      await w.clock.run(session.retrieve(file.root))
      const leaves = file.others
      // the first ones teach
      for (const cid of leaves.slice(0, 15)) {
        await w.clock.run(session.retrieve(cid))
      }
      const before = { wide: wide.requestCount, near: near.requestCount }
      for (const cid of leaves.slice(15)) {
        await w.clock.run(session.retrieve(cid))
      }
      session.close()
      return { wide: wide.requestCount - before.wide, near: near.requestCount - before.near }
    }
    const first = await share(big)
    expect(first.wide / (first.wide + first.near)).toBeGreaterThan(0.9)
    const second = await share(small)
    expect(second.near / (second.wide + second.near)).toBeGreaterThan(0.9)
    await w.manager.stop()
  })

  it('spreads reads over equal providers when many are in flight', async () => {
    const w = await world({ routing: { hedge: noHedge, select: { comfortableInFlight: 4 } } })
    const providers = Array.from({ length: 4 }, (_, i) => w.network.add(`p${i}`, { latency: 100 }))
    await read(w, 40)
    const before = providers.map(({ requestCount }) => requestCount)
    await w.clock.run(Promise.all(Array.from({ length: 40 }, async (_, i) => w.manager.retrieve(w.network.block(numbered(100 + i))))))
    expect(Math.min(...providers.map(({ requestCount }, i) => requestCount - (before[i] ?? 0)))).toBeGreaterThanOrEqual(5)
    await w.manager.stop()
  })

  it('asks every unknown provider within its first 200 eligible requests, also when there are many', async () => {
    const w = await world({ routing: { hedge: noHedge } })
    w.network.add('fast', { latency: 5 })
    await read(w, 50)
    Array.from({ length: 50 }, (_, i) => w.network.add(`slow${i}`, { latency: 400 }))
    await read(w, 200, 100)
    expect([...w.network.providers.values()].filter(provider => provider.requestCount === 0).map(({ name }) => name)).toEqual([])
    await w.manager.stop()
  })

  it('asks every unknown provider within its first 200 eligible requests, also when one lookup names as many as it may', async () => {
    const { network, clock, manager } = await world({ routing: { hedge: noHedge } })
    network.add('fast', { latency: 5 })
    for (let i = 0; i < 50; i++) {
      await clock.run(manager.retrieve(network.block(numbered(i))))
    }
    Array.from({ length: 63 }, (_, i) => network.add(`slow${i}`, { latency: 400 }))
    for (let i = 100; i < 300; i++) {
      await clock.run(manager.retrieve(network.block(numbered(i))))
    }
    expect([...network.providers.values()].filter(({ requestCount }) => requestCount === 0).map(({ name }) => name)).toEqual([])
    await manager.stop()
  })
})

describe('failure domains', () => {
  it('are not shared by concurrent attempts while another domain is available', async () => {
    const w = await world({ routing: { hedge: { shadowShare: 0, coldDelay: 20 } } })
    const one = ['a', 'b', 'c'].map(name => w.network.add(name, { silent: true }, { domains: ['ip4:192.0.2.0/24'] }))
    const other = w.network.add('other', { latency: 50 }, { domains: ['ip4:198.51.100.0/24'] })
    for (let i = 0; i < 10; i++) {
      const before = one.reduce((sum, { requestCount }) => sum + requestCount, 0)
      const reading = settled(w.manager.retrieve(w.network.block(numbered(i))))
      await w.clock.advance(25)
      // one attempt and one hedge: never both in the one domain
      expect(one.reduce((sum, { requestCount }) => sum + requestCount, 0) - before).toBeLessThanOrEqual(1)
      await w.clock.run(reading)
    }
    expect(other.requestCount).toBe(10)
    await w.manager.stop()
  })

  it('are shared when there is no other', async () => {
    const w = await world({ routing: { hedge: { shadowShare: 0, coldDelay: 20 } } })
    const one = ['a', 'b'].map(name => w.network.add(name, { silent: true }, { domains: ['ip4:192.0.2.0/24'] }))
    const reading = settled(w.manager.retrieve(w.network.block(numbered(1))))
    await w.clock.advance(100)
    expect(one.map(({ requestCount }) => requestCount)).toEqual([1, 1])
    await w.manager.stop()
    await reading
  })
})
