import { readdirSync, statSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { describe, expect, it, onTestFinished } from 'vitest'
import { openBlockCache } from '../../src/open-block-cache.ts'
import { block, blocks, failure, read } from './support/blocks.ts'
import { smallCache } from './support/small-cache.ts'
import type { TestBlock } from './support/blocks.ts'
import type { SmallCache } from './support/small-cache.ts'
import type { BlockCache } from '../../src/interface/cache.ts'

const MIB = 1_048_576
const LARGE = 262_144

async function realCache (): Promise<{ cache: BlockCache, again: () => Promise<BlockCache>, segments: () => number }> {
  const path = await mkdtemp(join(tmpdir(), 'portolan-large-'))
  const open = async (): Promise<BlockCache> => openBlockCache({ path, maxBytes: 256 * MIB, memoryBytes: 0 })
  const caches = [await open()]
  onTestFinished(async () => {
    await Promise.all(caches.map(async cache => cache.close()))
    await rm(path, { recursive: true, force: true })
  })
  const cache = caches[0] as BlockCache
  // a file that is open: the next one can be begun at once
  const { cid, bytes } = await block()
  await cache.put(cid, bytes)
  return {
    cache,
    again: async () => {
      await caches.at(-1)?.close()
      caches.push(await open())
      return caches.at(-1) as BlockCache
    },
    segments: () => readdirSync(join(path, 'segments')).filter(name => name.endsWith('.seg')).reduce((sum, name) => sum + statSync(join(path, 'segments', name)).size, 0)
  }
}

/** Over a disk that takes large blocks before they are known to be right */
async function eagerCache (params: Parameters<typeof smallCache>[0] = {}): Promise<SmallCache> {
  const small = await smallCache({ maxBytes: 64 * MIB, capacity: 32 * MIB, transitBytes: 4 * MIB, ...params })
  small.disk.isEager = true
  return small
}

async function expectThere (cache: BlockCache, there: readonly TestBlock[]): Promise<void> {
  for (const { cid, bytes } of there) {
    expect(Buffer.compare(await read(cache.get(cid)), bytes)).toBe(0)
  }
}

describe('large blocks that are put', () => {
  it('are there afterwards, also when the cache was closed, however many come at once and of whatever size', async () => {
    const { cache, again } = await realCache()
    const all = await Promise.all([LARGE - 1, LARGE, LARGE + 1, 300_001, MIB, MIB + 7, 2 * MIB, MIB, MIB, 999_999, 100, MIB].map(async size => block(size)))
    await Promise.all(all.map(async ({ cid, bytes }) => cache.put(cid, bytes)))
    await expectThere(cache, all)
    const second = await again()
    expect(second.stats().blocks.authored).toBe(all.length + 1)
    await expectThere(second, all)
    for await (const { damaged } of second.verify()) {
      expect(damaged ?? []).toEqual([])
    }
  })

  it('and are wrong are refused by name, leave nothing on the disk, and hold up nobody', async () => {
    const { cache, again, segments } = await realCache()
    const right = await blocks(4, MIB)
    const before = segments()
    const wrong = await block(MIB)
    expect(await failure(cache.put(wrong.cid, new Uint8Array(MIB)) as Promise<unknown>)).toBe('HashMismatchError')
    // the next one waits until that is cut off
    await cache.put((right[0] as TestBlock).cid, (right[0] as TestBlock).bytes)
    const one = segments() - before
    expect(one).toBeLessThan(MIB + 1_000)

    const results = await Promise.all(right.flatMap(({ cid, bytes }) => [failure(cache.put(wrong.cid, bytes) as Promise<unknown>), failure(cache.put(cid, bytes) as Promise<unknown>)]))
    expect(results).toEqual(right.flatMap(() => ['HashMismatchError', 'none']))
    expect(await cache.has(wrong.cid)).toBe(false)
    await expectThere(cache, right)
    const second = await again()
    expect([segments() - before, second.stats().blocks.authored]).toEqual([4 * one, right.length + 1])
    await expectThere(second, right)
  })

  it('with wrong bytes under the same CID fail for themselves: who puts the right ones at the same time, or reads, has the block', async () => {
    const { cache } = await realCache()
    const { cid, bytes } = await block(MIB)
    const wrong = new Uint8Array(bytes)
    wrong[MIB / 2] = (wrong[MIB / 2] ?? 0) ^ 1
    const other = await block(MIB)
    const puts = [other.bytes, bytes].map(each => failure(cache.put(each === bytes ? cid : other.cid, each) as Promise<unknown>))
    const results = [wrong, bytes, wrong, bytes].map(each => failure(cache.put(cid, each) as Promise<unknown>))
    expect(await Promise.all([...puts, ...results])).toEqual(['none', 'none', 'HashMismatchError', 'none', 'HashMismatchError', 'none'])
    await expectThere(cache, [{ cid, bytes }])
  })

  it('are waited for by who reads them meanwhile, and are gone when they are deleted after that', async () => {
    const { cache } = await realCache()
    const [one, two, three] = await blocks(3, MIB) as [TestBlock, TestBlock, TestBlock]
    const puts = [one, two, three].map(async ({ cid, bytes }) => cache.put(cid, bytes))
    const reads = [one, two].map(async ({ cid }) => read(cache.get(cid)))
    const has = cache.has(two.cid)
    const deleted = cache.delete(three.cid)
    expect(await has).toBe(true)
    expect((await Promise.all(reads)).map((bytes, i) => Buffer.compare(bytes, [one, two][i]?.bytes ?? new Uint8Array()))).toEqual([0, 0])
    await Promise.all([...puts, deleted])
    expect(await failure(async () => read(cache.get(three.cid)))).toBe('NotFoundError')
  })

  it('are hashed one in a turn: whatever else the process does comes between', async () => {
    const { cache } = await realCache()
    const many = await blocks(8, MIB)
    let turns = 0
    let over = false
    const puts = Promise.all(many.map(async ({ cid, bytes }) => cache.put(cid, bytes))).finally(() => { over = true })
    while (!over) {
      await setImmediate()
      turns++
    }
    await puts
    expect(turns).toBeGreaterThanOrEqual(many.length - 1)
  })

  it('are never written when their put is aborted before their turn, and as they were when it is aborted later, though the array is filled again', async () => {
    const { cache, disk } = await eagerCache()
    const [one, two, three] = await blocks(3, LARGE) as [TestBlock, TestBlock, TestBlock]
    const right = new Uint8Array(one.bytes)
    const controller = new AbortController()
    const gate = Promise.withResolvers<void>()
    disk.writeGate = gate.promise
    const puts = [one, two, three].map(async ({ cid, bytes }) => failure(cache.put(cid, bytes, { signal: controller.signal }) as Promise<unknown>))
    const other = cache.put(one.cid, new Uint8Array(right))
    await setImmediate()
    controller.abort()
    one.bytes.fill(7)
    two.bytes.fill(7)
    three.bytes.fill(7)
    expect(await Promise.all(puts)).toEqual(['AbortError', 'AbortError', 'AbortError'])
    gate.resolve()
    await other
    await expectThere(cache, [{ cid: one.cid, bytes: right }])
    await cache.close()
    for (const { multihash, bytes } of disk.rows.filter(row => row != null)) {
      const { cid } = [one, two, three].find(({ cid }) => Buffer.compare(cid.multihash.bytes, multihash) === 0) as TestBlock
      expect(await failure(async () => (await eagerCache()).cache.put(cid, bytes))).toBe('none')
    }
    expect(disk.find(three.cid.multihash.bytes)).toBe(-1)
  })

  it('whose array was filled again after the disk did not take them in time are no blocks for anybody', async () => {
    const { cache, clock, disk } = await eagerCache()
    const { cid, bytes } = await block(LARGE)
    const right = new Uint8Array(bytes)
    const gate = Promise.withResolvers<void>()
    disk.writeGate = gate.promise
    const first = failure(cache.put(cid, bytes) as Promise<unknown>)
    await clock.run(clock.sleep(39_000))
    const other = failure(cache.put(cid, new Uint8Array(right)) as Promise<unknown>)
    await clock.run(clock.sleep(5_000))
    expect(await first).toBe('CacheDiskError')
    bytes.fill(7)
    disk.writeGate = undefined
    gate.resolve()
    await clock.run(other)
    const found = await clock.run(failure(async () => {
      expect(Buffer.compare(await read(cache.get(cid)), right)).toBe(0)
    }))
    expect(['none', 'NotFoundError']).toContain(found)
    await clock.run(clock.sleep(120_000))
    await clock.run((async () => cache.put(cid, right))())
    await expectThere(cache, [{ cid, bytes: right }])
  })

  it('and cannot be written are an error by name, after which there is as much room as before', async () => {
    const { cache, clock, disk } = await eagerCache({ capacity: LARGE * 3, maxBytes: LARGE * 4, transitBytes: 0 })
    const [one, two, three] = await blocks(3, LARGE) as [TestBlock, TestBlock, TestBlock]
    disk.writeFault = Object.assign(new Error('made by the test'), { code: 'ENOSPC' })
    for (let i = 0; i < 10; i++) {
      expect(await clock.run(failure(cache.put(one.cid, one.bytes) as Promise<unknown>))).toBe('CacheDiskError')
      expect(await clock.run(failure(cache.put(one.cid, two.bytes) as Promise<unknown>))).toBe('HashMismatchError')
    }
    expect(cache.health().state).toBe('degraded')
    disk.writeFault = undefined
    await Promise.all([cache.put(one.cid, one.bytes), cache.put(two.cid, two.bytes)])
    expect(disk.begun).toBeGreaterThan(0)
    const begun = disk.begun
    expect(await clock.run(failure(cache.put(three.cid, three.bytes) as Promise<unknown>))).toBe('CacheFullError')
    expect(disk.begun).toBe(begun)
    await expectThere(cache, [one, two])
  })

  it('are taken over while they are put again, and counted as one', async () => {
    const { cache, disk } = await eagerCache()
    const { cid, bytes } = await block(LARGE)
    await cache.admit(cid, new Uint8Array(bytes), { origin: 'test' })
    expect(disk.kind(disk.find(cid.multihash.bytes))).toBe('fetched')
    await Promise.all([cache.put(cid, bytes), cache.put(cid, new Uint8Array(bytes))])
    expect([disk.kind(disk.find(cid.multihash.bytes)), disk.writes.length, disk.begun]).toEqual(['authored', 1, 0])
  })

  it('are all there when the cache is closed right after they were given', async () => {
    const { cache, again } = await realCache()
    const many = await blocks(6, MIB)
    const puts = Promise.all(many.map(async ({ cid, bytes }) => cache.put(cid, bytes)))
    const second = await again()
    await puts
    await expectThere(second, many)
  })
})
