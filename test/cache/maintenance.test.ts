import { setImmediate } from 'node:timers/promises'
import all from 'it-all'
import { describe, expect, it } from 'vitest'
import { DamagedBlockError } from '../../src/interface/errors.ts'
import { blocks } from './support/blocks.ts'
import { MemoryDisk } from './support/memory-disk.ts'
import { smallCache } from './support/small-cache.ts'
import type { TestBlock } from './support/blocks.ts'
import type { SmallCache } from './support/small-cache.ts'
import type { CacheProgress, CacheProgressEvents, CacheVerifyProgress } from '../../src/interface/cache.ts'

const ORIGIN = { origin: 'test' }

/** Blocks of a cache whose disk takes 100 ms for each read and each removal */
async function slowCache (count: number): Promise<SmallCache & { held: TestBlock[] }> {
  const disk = new MemoryDisk()
  const small = await smallCache({ disk })
  const held = await blocks(count, 500)

  for (const { cid, bytes } of held) {
    await small.cache.admit(cid, bytes, ORIGIN)
  }
  const remove = disk.remove.bind(disk)
  disk.remove = async slots => {
    await small.clock.sleep(100)
    await remove(slots)
  }
  Object.defineProperty(disk, 'readGate', { get: async () => small.clock.sleep(100) })
  return { ...small, held }
}

function flip (disk: MemoryDisk, slot: number): void {
  const { bytes } = disk.rows[slot] ?? { bytes: new Uint8Array(1) }
  bytes[0] = (bytes[0] as number) ^ 1
}

async function verified ({ cache, clock }: SmallCache): Promise<CacheVerifyProgress[]> {
  return clock.run(all(cache.verify()))
}

describe('a verification', () => {
  it('tells how far it is a few times a second, and names each damaged block once', async () => {
    const small = await slowCache(10)
    const damaged = [1, 2, 7, 9]
    damaged.forEach(slot => { flip(small.disk, slot) })
    const all = await verified(small)

    expect(all.map(({ blocks }) => blocks)).toEqual([2, 4, 7, 9, 10])
    expect(all.map(({ damagedBlocks }) => damagedBlocks)).toEqual([1, 2, 2, 3, 4])
    expect(all.map(({ damaged }) => damaged.length)).toEqual([1, 1, 0, 1, 1])
    expect(all.flatMap(({ damaged }) => damaged.map(String))).toEqual(damaged.map(slot => String(small.held[slot]?.cid)))
    expect(all.map(({ totalBlocks, unreadBlocks }) => [totalBlocks, unreadBlocks])).toEqual(Array(5).fill([10, 0]))
  })

  it('counts a block whose name is damaged, and names no more than a line holds', async () => {
    const small = await smallCache({ capacity: 15_000 })
    for (const { cid, bytes } of await blocks(71, 20)) {
      await small.cache.admit(cid, bytes, ORIGIN)
    }
    for (let slot = 0; slot < 70; slot++) {
      flip(small.disk, slot)
    }
    const multihash = small.disk.multihash.bind(small.disk)
    small.disk.multihash = slot => {
      if (slot === 70) {
        throw new DamagedBlockError('the record is damaged')
      }
      return multihash(slot)
    }
    expect((await verified(small)).map(({ blocks, damaged, damagedBlocks }) => [blocks, damaged.length, damagedBlocks])).toEqual([[64, 64, 64], [71, 6, 71]])
  })

  it('ends when its signal aborts', async () => {
    const { cache, clock } = await slowCache(10)
    const stop = new AbortController()
    const seen: number[] = []
    const verifying = (async () => {
      for await (const { blocks } of cache.verify({ signal: stop.signal })) {
        seen.push(blocks)
        stop.abort(new Error('enough'))
      }
    })()
    await expect(clock.run(verifying)).rejects.toThrow('enough')
    expect(seen).toEqual([3])
  })

  it('says how many blocks the disk did not give, which stay', async () => {
    const small = await slowCache(3)
    small.disk.readFault = Object.assign(new Error('EIO: i/o error, read'), { code: 'EIO' })
    expect((await verified(small)).at(-1)).toEqual({ blocks: 3, bytes: 0, totalBlocks: 3, damaged: [], damagedBlocks: 0, unreadBlocks: 3 })
    expect(small.cache.stats()).toMatchObject({ quarantined: 0, blocks: { fetched: 3 } })
  })

  it('counts no block that goes meanwhile', async () => {
    const { cache, clock, held } = await slowCache(4)
    const verifying = all(cache.verify())
    const deleting = (async () => { await cache.delete(held[2]?.cid ?? expect.fail()) })()
    expect((await clock.run(verifying)).at(-1)).toMatchObject({ damagedBlocks: 0, unreadBlocks: 0 })
    await clock.run(deleting)
  })
})

describe('a verification of a block that goes', () => {
  it('while its name is read counts neither it nor the one that has its place', async () => {
    const small = await smallCache()
    const { cache, disk } = small
    const [first, second, third] = await blocks(3, 500) as [TestBlock, TestBlock, TestBlock]
    await cache.admit(first.cid, first.bytes, ORIGIN)
    await cache.admit(second.cid, second.bytes, ORIGIN)
    const multihash = disk.multihash.bind(disk)
    disk.multihash = async slot => {
      const name = multihash(slot)
      if (slot === 1) {
        disk.multihash = multihash
        await cache.delete(second.cid)
        await cache.admit(third.cid, third.bytes, ORIGIN)
      }
      return name
    }
    expect((await verified(small)).at(-1)).toMatchObject({ damagedBlocks: 0, unreadBlocks: 0 })
    expect([cache.stats().quarantined, await cache.has(third.cid)]).toEqual([0, true])
  })
})

describe('whoever waits', () => {
  const work = async (run: (onProgress: (event: CacheProgressEvents) => void) => Promise<unknown>, { clock }: SmallCache): Promise<CacheProgress[]> => {
    const told: CacheProgress[] = []
    await clock.run(run(({ type, detail }) => {
      expect(type).toBe(`portolan:cache:${detail.phase}`)
      told.push(detail)
    }))
    return told
  }

  it('for clear is told how many blocks are gone, then how much space', async () => {
    const small = await slowCache(8)
    small.disk.garbage = 700
    const told = await work(async onProgress => small.cache.clear({ onProgress }), small)

    expect(told[0]).toEqual({ phase: 'evict', blocks: 0, totalBlocks: 8 })
    const phases = told.map(({ phase }) => phase)
    expect(phases).toEqual([...phases].sort().reverse())
    expect(told.filter(({ phase }) => phase === 'evict').at(-1)).toEqual({ phase: 'evict', blocks: 8, totalBlocks: 8 })
    expect(told.filter(({ phase }) => phase === 'compact')).toEqual([{ phase: 'compact', bytes: 0, totalBytes: 700 }, { phase: 'compact', bytes: 700, totalBytes: 700 }])
    expect(small.clock.pending).toBe(1)
  })

  it('for clear is told of those that go, which what was put is among only when that was said', async () => {
    const small = await slowCache(3)
    for (const { cid, bytes } of await blocks(2, 500)) {
      await small.cache.put(cid, bytes)
    }
    const first = async (authored: boolean): Promise<CacheProgress | undefined> => (await work(async onProgress => small.cache.clear({ onProgress, authored }), small))[0]
    expect(await first(false)).toEqual({ phase: 'evict', blocks: 0, totalBlocks: 3 })
    expect(small.cache.stats().blocks).toEqual({ authored: 2, fetched: 0 })
    expect(await first(true)).toEqual({ phase: 'evict', blocks: 0, totalBlocks: 2 })
    expect(small.cache.stats().blocks).toEqual({ authored: 0, fetched: 0 })
  })

  it('for gc is told the same, as often as a clock says and not as blocks do', async () => {
    const small = await slowCache(19)
    await small.clock.advance(30_000)
    const told = await work(async onProgress => small.cache.gc({ onProgress }), small)
    const evicted = told.filter(({ phase }) => phase === 'evict')

    expect(evicted[0]).toEqual({ phase: 'evict', blocks: 0, totalBlocks: small.cache.stats().evicted })
    expect(evicted.at(-1)).toEqual({ phase: 'evict', blocks: small.cache.stats().evicted, totalBlocks: small.cache.stats().evicted })
    expect(small.cache.stats().evicted).toBeGreaterThan(0)
    expect(told.length).toBeLessThan(8)
  })

  it('may throw, which is nobody else\'s affair', async () => {
    const { cache, clock } = await slowCache(3)
    expect(await clock.run(cache.clear({ onProgress: () => { throw new Error('mine') } }))).toMatchObject({ removed: 3 })
  })
})

describe('a clearing', () => {
  it('leaves what becomes the user\'s, is pinned or promised while pins are asked about, and takes all else', async () => {
    const { cache, clock, disk } = await smallCache()
    const held = await blocks(8, 500) as [TestBlock, TestBlock, TestBlock, TestBlock, ...TestBlock[]]
    for (const { cid, bytes } of held) {
      await cache.admit(cid, bytes, ORIGIN)
    }
    const [put, claimed, asked, again] = held
    await clock.advance(1_000)
    cache.attachPins(async () => {
      await clock.sleep(100)
      return false
    })
    const clearing = cache.clear()
    await clock.advance(50)
    await cache.put(put.cid, put.bytes)
    expect(await cache.claim(claimed.cid)).toBe(true)
    expect(await cache.has(asked.cid)).toBe(true)
    expect(await cache.admit(again.cid, again.bytes, ORIGIN)).toBe(true)
    expect(await clock.run(clearing)).toMatchObject({ removed: 4 })
    expect(held.map(({ cid }) => disk.find(cid.multihash.bytes) !== -1)).toEqual([true, true, true, true, false, false, false, false])
    expect(cache.stats()).toMatchObject({ blocks: { authored: 2, fetched: 2 } })
    expect((await clock.run(cache.clear())).removed).toBe(2)
  })

  it('waits for a write of the same block, and takes neither it nor another one in its slot', async () => {
    const { cache, clock, disk } = await smallCache()
    const [one, two, three, other] = await blocks(4, 500) as [TestBlock, TestBlock, TestBlock, TestBlock]
    for (const { cid, bytes } of [one, two, three]) {
      await cache.admit(cid, bytes, ORIGIN)
    }
    await clock.advance(1_000)
    const asked = Promise.withResolvers<boolean>()
    cache.attachPins(async () => asked.promise)
    const noted = Promise.withResolvers<void>()
    const setKind = disk.setKind.bind(disk)
    disk.setKind = async (...args) => {
      await noted.promise
      await setKind(...args)
    }
    const clearing = cache.clear()
    await setImmediate()
    const slot = disk.find(two.cid.multihash.bytes)
    await cache.delete(two.cid)
    await cache.admit(other.cid, other.bytes, ORIGIN)
    expect(disk.find(other.cid.multihash.bytes)).toBe(slot)
    const putting = cache.put(one.cid, one.bytes)
    asked.resolve(false)
    await setImmediate()
    noted.resolve()
    await putting
    expect(await clock.run(clearing)).toMatchObject({ removed: 1 })
    expect([one, two, three, other].map(({ cid }) => disk.find(cid.multihash.bytes) !== -1)).toEqual([true, false, false, true])
  })

  it('and an eviction leave what was pinned after they had asked, where that can be known', async () => {
    for (const work of ['clear', 'gc'] as const) {
      const { cache, clock } = await smallCache()
      for (const { cid, bytes } of await blocks(19, 500)) {
        await cache.admit(cid, bytes, ORIGIN)
      }
      await clock.advance(30_000)
      const before = cache.stats()
      const asked = new Set<string>()
      // pinned as soon as the question was answered
      cache.attachPins(cid => asked.size === asked.add(String(cid)).size)
      await clock.run<unknown>(work === 'gc' ? cache.gc() : cache.clear())
      expect(asked.size).toBeGreaterThan(0)
      expect(cache.stats()).toMatchObject({ blocks: before.blocks, evicted: before.evicted })
    }
  })
})

describe('a list of all blocks', () => {
  it('lets others have a turn every few milliseconds, though nothing of it waits', async () => {
    const small = await smallCache({ capacity: 15_000 })
    const held = await blocks(100, 20)
    for (const { cid, bytes } of held) {
      await small.cache.admit(cid, bytes, ORIGIN)
    }
    const now = small.clock.now.bind(small.clock)
    let looks = 0
    // each look at the clock takes a millisecond
    small.clock.now = () => now() + looks++
    const names: string[] = []
    const listing = (async () => {
      for await (const { cid } of small.cache.ls()) {
        names.push(cid.toString())
      }
      return true
    })()
    let most = 0
    for (let before = 0; !await Promise.race([listing, setImmediate(false)]);) {
      most = Math.max(most, names.length - before)
      before = names.length
    }
    expect(new Set(names).size).toBe(100)
    expect(most).toBeLessThan(20)
  })
})
