import { describe, expect, it } from 'vitest'
import { ENTRY_OVERHEAD, MemoryTier } from '../../src/cache/memory-tier.ts'
import { block, blocks } from './support/blocks.ts'
import { smallCache } from './support/small-cache.ts'
import type { TestBlock } from './support/blocks.ts'

describe('MemoryTier', () => {
  it('stays within its bytes, overhead included', () => {
    const tier = new MemoryTier(100_000)
    for (let i = 0; i < 1_000; i++) {
      tier.set(`k${i}`, new Uint8Array(i), i)
      tier.get(`k${i - 3}`)
      expect(tier.bytes).toBeLessThanOrEqual(100_000)
    }
    expect(tier.bytes).toBeGreaterThan(50_000)
  })

  it('holds what is asked for again against any number of others', () => {
    const tier = new MemoryTier(50 * (1_000 + ENTRY_OVERHEAD))
    for (let i = 0; i < 20; i++) {
      tier.set(`hot${i}`, new Uint8Array(1_000), i)
      tier.get(`hot${i}`)
    }
    for (let i = 0; i < 5_000; i++) {
      tier.set(`scan${i}`, new Uint8Array(1_000), 100 + i)
    }
    for (let i = 0; i < 20; i++) {
      expect(tier.get(`hot${i}`)?.slot).toBe(i)
    }
  })

  it('gives up what is gone from disk, and only that', () => {
    const tier = new MemoryTier(100_000)
    tier.set('a', new Uint8Array(10), 1)
    tier.set('b', new Uint8Array(10), 2)
    tier.set('c', new Uint8Array(10), -1)
    tier.deleteSlot(1)
    tier.deleteSlot(-1)
    expect([tier.get('a'), tier.get('b')?.slot, tier.get('c')?.slot]).toEqual([undefined, 2, -1])
    // the same block at another place
    tier.set('b', new Uint8Array(10), 7)
    tier.deleteSlot(2)
    expect(tier.get('b')?.slot).toBe(7)
  })

  it('does not hold a large buffer for a small part of it', () => {
    const tier = new MemoryTier(1_000_000)
    const large = new Uint8Array(100_000)
    tier.set('a', large.subarray(10, 20), 1)
    tier.set('b', Buffer.from(large.buffer, 10, 10), 2)
    expect([tier.get('a')?.bytes.buffer.byteLength, tier.get('b')?.bytes.buffer.byteLength]).toEqual([10, 10])
  })

  it('holds no more than its bytes in blocks that were cut from larger buffers, whoever made those', () => {
    for (const share of [0.01, 0.5, 0.55, 0.93, 0.95, 0.999, 1]) {
      for (const allocate of [(size: number) => new Uint8Array(size), (size: number) => Buffer.alloc(size)]) {
        const tier = new MemoryTier(1_000_000)
        const keys = Array.from({ length: 100 }, (_, i) => `k${i}`)
        for (const [i, key] of keys.entries()) {
          tier.set(key, allocate(20_000).subarray(0, 20_000 * share), i)
        }
        const held = keys.map(key => tier.peek(key)).filter(held => held != null)
        const buffers = held.reduce((sum, { bytes }) => sum + bytes.buffer.byteLength, 0)
        expect(tier.bytes).toBe(buffers + held.length * ENTRY_OVERHEAD)
        expect(tier.bytes).toBeLessThanOrEqual(1_000_000)
        expect(buffers).toBeLessThanOrEqual(held.length * Math.max(20_000 * share * 17 / 16, 20_000 * share + 256))
      }
    }
  })

  it.each([200, 1_048_576])('copies nothing for the few bytes that a record of %d has besides its block', size => {
    const tier = new MemoryTier(10_000_000)
    const bytes = new Uint8Array(size + 124).subarray(124)
    tier.set('a', bytes, 1)
    expect(tier.get('a')?.bytes).toBe(bytes)
  })

  it('does not hold one block that is most of it', () => {
    const tier = new MemoryTier(10_000)
    tier.set('a', new Uint8Array(5_000), 1)
    expect([tier.get('a'), tier.bytes]).toEqual([undefined, 0])
  })
})

describe('a hit in memory', () => {
  it('is a synchronous generator in one piece', async () => {
    const { cache } = await smallCache({ memoryBytes: 100_000 })
    const { cid, bytes } = await block()
    await cache.admit(cid, bytes, { origin: 'test' })
    const chunks = cache.get(cid) as Generator<Uint8Array>
    expect(chunks[Symbol.iterator]()).toBe(chunks)
    expect([chunks.next(), chunks.next(), chunks.next()]).toEqual([{ done: false, value: bytes }, { done: true, value: undefined }, { done: true, value: undefined }])
    const left = cache.get(cid) as Generator<Uint8Array>
    left.return(undefined)
    expect(left.next().done).toBe(true)
    expect(() => (cache.get(cid) as Generator<Uint8Array>).throw(new Error('x'))).toThrow('x')
    expect(await cache.has(cid)).toBe(true)
  })

  it('counts for the policy: what is read from memory stays on disk', async () => {
    const { cache, clock } = await smallCache({ memoryBytes: 100_000 })
    const hot = await blocks(4)
    for (const { cid, bytes } of hot) {
      await cache.admit(cid, bytes, { origin: 'test' })
    }
    for (const { cid, bytes } of await blocks(60)) {
      for (const one of hot) {
        void [...cache.get(one.cid) as Generator<Uint8Array>]
      }
      await clock.run(cache.admit(cid, bytes, { origin: 'test' }))
      await clock.advance(2_000)
    }
    for (const { cid } of hot as TestBlock[]) {
      expect(await cache.has(cid)).toBe(true)
    }
    expect(cache.stats().hits.memory).toBe(240)
  })
})
