import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { block, blocks, failure } from './support/blocks.ts'
import { MemoryDisk } from './support/memory-disk.ts'
import { smallCache } from './support/small-cache.ts'
import type { TestBlock } from './support/blocks.ts'

const ORIGIN = { origin: 'test' }

function promptDisk (): MemoryDisk {
  return Object.assign(new MemoryDisk(), { isPrompt: true })
}

describe('a disk that is prompt', () => {
  it('has what was put and what was admitted before anything else has its turn', async () => {
    const { cache, disk, clock } = await smallCache({ disk: promptDisk() })
    const [put, admitted] = await blocks(2) as [TestBlock, TestBlock]
    const puts = [cache.put(put.cid, put.bytes), cache.admit(admitted.cid, admitted.bytes, ORIGIN)]
    expect([disk.find(put.cid.multihash.bytes), disk.find(admitted.cid.multihash.bytes)]).toEqual([0, 1])
    // nobody waits, so there is nothing that could be late
    expect(clock.pending).toBe((await smallCache()).clock.pending)
    await Promise.all(puts)
    expect([disk.kind(0), disk.kind(1), disk.checked(0), cache.has(put.cid)]).toEqual(['authored', 'fetched', true, true])
  })

  it('is not written to at once by a cache whose disk has failed', async () => {
    const { cache, disk } = await smallCache({ disk: promptDisk() })
    const [one, other] = await blocks(2) as [TestBlock, TestBlock]
    disk.writeFault = Object.assign(new Error('EIO: made by the test'), { code: 'EIO' })
    expect(await failure(Promise.resolve(cache.put(one.cid, one.bytes)))).toBe('CacheDiskError')
    disk.writeFault = undefined
    const put = cache.put(other.cid, other.bytes)
    expect(disk.find(other.cid.multihash.bytes)).toBe(-1)
    await put
    expect([disk.find(other.cid.multihash.bytes), cache.health().state]).toEqual([0, 'ok'])
  })

  it('takes, refuses, evicts and counts the same as one that is not', async () => {
    const held = await blocks(30)
    const number = fc.nat({ max: held.length - 1 })
    const command = fc.oneof(
      { weight: 4, arbitrary: fc.record({ type: fc.constant('admit' as const), number }) },
      { weight: 1, arbitrary: fc.record({ type: fc.constant('put' as const), number }) },
      { weight: 1, arbitrary: fc.record({ type: fc.constant('delete' as const), number }) },
      { weight: 2, arbitrary: fc.record({ type: fc.constant('has' as const), number }) }
    )
    await fc.assert(fc.asyncProperty(fc.array(command, { minLength: 10, maxLength: 60 }), async commands => {
      const outcomes = await Promise.all([promptDisk(), new MemoryDisk()].map(async disk => {
        const { cache, clock } = await smallCache({ disk })
        const outcome: unknown[] = []
        for (const { type, number } of commands) {
          const { cid, bytes } = held[number] as TestBlock
          switch (type) {
            case 'admit':
              outcome.push(await clock.run(cache.admit(cid, bytes, { ...ORIGIN, wait: false })))
              break
            case 'put':
              outcome.push(await clock.run(failure(Promise.resolve(cache.put(cid, bytes)))))
              break
            case 'delete':
              await clock.run(Promise.resolve(cache.delete(cid)))
              break
            case 'has':
              outcome.push(await cache.has(cid))
          }
        }
        const stats = cache.stats()
        await clock.run(cache.close())
        return [outcome, stats]
      }))
      expect(outcomes[0]).toEqual(outcomes[1])
    }), { numRuns: 60 })
  })
})

describe('a disk that lets writes pile up', () => {
  it('is given 64 MiB of fetched blocks and no more, and what a user puts', async () => {
    let go = (): void => {}
    const disk = new MemoryDisk()
    const { cache, clock } = await smallCache({ disk, maxBytes: 2 ** 30, capacity: 2 ** 29, transitBytes: 2 ** 27 })
    const held = await blocks(32, 2_097_152)
    const more = await block(1)
    disk.writeGate = new Promise(resolve => { go = resolve })
    const admitted = held.map(async each => cache.admit(each.cid, each.bytes, { ...ORIGIN, wait: false }))
    expect(await cache.admit(more.cid, more.bytes, { ...ORIGIN, wait: false })).toBe(false)
    expect([disk.writes.length, cache.stats().skippedWrites]).toEqual([32, 1])
    const put = cache.put(more.cid, more.bytes)
    go()
    await put
    expect(await Promise.all(admitted)).toEqual(held.map(() => true))
    const late = await block()
    expect(await cache.admit(late.cid, late.bytes, { ...ORIGIN, wait: false })).toBe(true)
    await clock.run(cache.close())
  })
})

describe('a writer who waits for room in memory', () => {
  it('is told when the cache is closed, and closing does not wait for it', async () => {
    const { cache, disk, clock } = await smallCache({ transitBytes: 1_600 })
    const [one, other] = await blocks(2) as [TestBlock, TestBlock]
    disk.writeFault = Object.assign(new Error('EIO: made by the test'), { code: 'EIO' })
    await cache.admit(one.cid, one.bytes, ORIGIN)
    const waiting = failure(cache.admit(other.cid, other.bytes, ORIGIN))
    await clock.advance(100)
    const began = clock.now()
    await clock.run(cache.close())
    expect([await waiting, clock.now() - began]).toEqual(['CacheClosedError', 0])
  })
})
