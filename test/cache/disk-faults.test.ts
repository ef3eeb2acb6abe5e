import { describe, expect, it } from 'vitest'
import { DamagedBlockError } from '../../src/interface/errors.ts'
import { block, blocks, failure, read } from './support/blocks.ts'
import { MemoryDisk } from './support/memory-disk.ts'
import { smallCache } from './support/small-cache.ts'
import type { TestBlock } from './support/blocks.ts'

const ORIGIN = { origin: 'test' }
const fault = (code: string): Error => Object.assign(new Error(`${code}: the disk says so, write`), { code })

/** Blocks that were on disk before the cache was opened, so that nobody has hashed them yet */
async function stocked (held: readonly TestBlock[]): Promise<MemoryDisk> {
  const disk = new MemoryDisk()
  for (const { cid, bytes } of held) {
    await disk.write(cid.multihash.bytes, bytes, 'authored')
  }
  return disk
}

function flip (disk: MemoryDisk, slot = 0): void {
  const bytes = disk.rows[slot]?.bytes as Uint8Array
  bytes[7] = (bytes[7] as number) ^ 1
}

describe('a block that is damaged on disk', () => {
  it('is not said to be here, and put aside', async () => {
    const one = await block()
    const disk = await stocked([one])
    flip(disk)
    const { cache } = await smallCache({ disk })
    expect(await cache.has(one.cid)).toBe(false)
    expect([cache.stats().quarantined, cache.stats().blocks.authored]).toEqual([1, 0])
  })

  it('reads as a miss at the first read, and can be put anew', async () => {
    const one = await block()
    const disk = await stocked([one])
    flip(disk)
    const { cache } = await smallCache({ disk })
    expect(await failure(read(cache.get(one.cid)))).toBe('NotFoundError')
    await cache.put(one.cid, one.bytes)
    expect(await read(cache.get(one.cid))).toEqual(Buffer.from(one.bytes))
  })

  it('is found by the tier itself, too', async () => {
    const one = await block()
    const { cache, disk } = await smallCache()
    await cache.put(one.cid, one.bytes)
    disk.readFault = new DamagedBlockError('the checksum does not match')
    expect(await failure(read(cache.get(one.cid)))).toBe('NotFoundError')
    expect([cache.stats().quarantined, await cache.has(one.cid)]).toEqual([1, false])
  })

  it.each([false, true])('is found later at the rate that was set, also where the system has it in memory: %s', async isInMemory => {
    const one = await block()
    for (const [verifyRate, name] of [[0, 'none'], [1, 'NotFoundError']] as const) {
      const { cache, disk } = await smallCache({ verifyRate })
      disk.isInMemory = isInMemory
      await cache.put(one.cid, one.bytes)
      flip(disk)
      expect(await failure(read(cache.get(one.cid)))).toBe(name)
    }
  })

  it.each([false, true])('is found at one read in so many, when that is the rate, also where the system has it in memory: %s', async isInMemory => {
    const held = await blocks(100, 10)
    const { cache, disk } = await smallCache({ verifyRate: 0.1 })
    disk.isInMemory = isInMemory
    for (const { cid, bytes } of held) {
      await cache.put(cid, bytes)
    }
    for (const [slot, { cid }] of held.entries()) {
      flip(disk, slot)
      await failure(read(cache.get(cid)))
    }
    // 10 are expected, of seeded dice
    expect(cache.stats().quarantined).toBeGreaterThan(4)
    expect(cache.stats().quarantined).toBeLessThan(20)
  })

  it('is found by verify, which names it and leaves its neighbours', async () => {
    const held = await blocks(5)
    const { cache, disk } = await smallCache()
    for (const { cid, bytes } of held) {
      await cache.put(cid, bytes)
    }
    flip(disk, 2)
    let last
    for await (const progress of cache.verify()) {
      last = progress
    }
    expect(last).toMatchObject({ blocks: 5, bytes: 4_000, totalBlocks: 5 })
    expect(last?.damaged.map(cid => cid.toString())).toEqual([held[2]?.cid.toString()])
    expect(cache.stats().blocks.authored).toBe(4)
  })
})

describe.each(['ENOSPC', 'EIO', 'EMFILE', 'EROFS'])('a disk that says %s', code => {
  it('costs what was fetched its place and nobody his read, and is used again when it works', async () => {
    const { cache, disk, clock } = await smallCache({ memoryBytes: 50_000 })
    const [before, during, later] = await blocks(3) as [TestBlock, TestBlock, TestBlock]
    await cache.admit(before.cid, before.bytes, ORIGIN)

    disk.writeFault = fault(code)
    expect(await cache.admit(during.cid, during.bytes, ORIGIN)).toBe(false)
    expect(await read(cache.get(during.cid))).toEqual(Buffer.from(during.bytes))
    expect(await read(cache.get(before.cid))).toEqual(Buffer.from(before.bytes))
    expect(cache.health()).toMatchObject({ state: 'degraded', reason: expect.stringContaining(code) as string })
    const tried = disk.writes.length
    expect(await cache.admit(later.cid, later.bytes, ORIGIN)).toBe(false)
    expect([disk.writes.length, cache.stats().skippedWrites]).toEqual([tried, 2])

    disk.writeFault = undefined
    await clock.advance(60_000)
    expect(cache.health()).toEqual({ state: 'ok' })
    expect(await cache.admit(later.cid, later.bytes, ORIGIN)).toBe(true)
    await cache.close()
    expect(clock.pending).toBe(0)
  })

  it('is what a user hears who deletes a block, however often, until it works; and what is gone is written down then', async () => {
    for (const retried of [true, false]) {
      const { cache, disk, clock } = await smallCache()
      const [one, other] = await blocks(2) as [TestBlock, TestBlock]
      await cache.put(one.cid, one.bytes)
      disk.removeFault = fault(code)

      for (const { cid } of [one, one, other]) {
        await expect(cache.delete(cid)).rejects.toMatchObject({ name: 'CacheDiskError', cause: disk.removeFault })
      }
      expect([cache.health().state, cache.stats().deleted]).toEqual(['degraded', 1])
      await clock.advance(60_000)
      expect(cache.health().state).toBe('degraded')
      disk.removeFault = undefined
      if (retried) {
        await cache.delete(one.cid)
      } else {
        await clock.advance(60_000)
        expect(cache.health().state).toBe('ok')
      }
      expect(disk.owes).toBe(false)
      await cache.close()
    }
  })

  it('is what a user hears who puts a block', async () => {
    const { cache, disk } = await smallCache()
    const [one, other] = await blocks(2) as [TestBlock, TestBlock]
    await cache.put(one.cid, one.bytes)
    disk.writeFault = fault(code)
    await expect(cache.put(other.cid, other.bytes)).rejects.toMatchObject({ name: 'CacheDiskError', message: expect.stringContaining(code) as string, cause: disk.writeFault })
    expect([await cache.has(other.cid), await cache.has(one.cid)]).toEqual([false, true])

    // the disk works again, and the user's own try finds out before any probe
    disk.writeFault = undefined
    await cache.put(other.cid, other.bytes)
    expect([await cache.has(other.cid), cache.health().state]).toEqual([true, 'ok'])
  })

  it('reads as a miss, and is not said to have the block until it was read', async () => {
    const { cache, disk, clock } = await smallCache()
    const one = await block()
    await cache.put(one.cid, one.bytes)
    disk.readFault = fault(code)
    expect(await failure(read(cache.get(one.cid)))).toBe('NotFoundError')
    expect([await cache.has(one.cid), cache.health().state]).toEqual([false, 'degraded'])
    disk.readFault = undefined
    expect([await cache.has(one.cid), await read(cache.get(one.cid))]).toEqual([true, Buffer.from(one.bytes)])
    await clock.advance(60_000)
    expect(cache.health().state).toBe('ok')
  })
})

describe('a disk that hangs', () => {
  it('keeps nobody waiting for a read, or for the write of what was fetched', async () => {
    const { cache, disk, clock } = await smallCache()
    const [one, other] = await blocks(2) as [TestBlock, TestBlock]
    await cache.put(one.cid, one.bytes)
    let go = (): void => {}
    disk.readGate = new Promise(resolve => { go = resolve })
    const began = clock.now()
    expect(await clock.run(failure(read(cache.get(one.cid))))).toBe('NotFoundError')
    expect(clock.now() - began).toBeLessThanOrEqual(5_000)
    go()
    await clock.advance(0)
    expect(cache.health().state).toBe('ok')

    disk.writeGate = new Promise(resolve => { go = resolve })
    const writing = cache.admit(other.cid, other.bytes, ORIGIN)
    expect(await read(cache.get(other.cid))).toEqual(Buffer.from(other.bytes))
    expect(await clock.run(writing)).toBe(false)
    expect(cache.health().reason).toMatch(/a write takes longer/)
    go()
    await clock.advance(10_000)
    expect([cache.health().state, await cache.has(other.cid)]).toEqual(['ok', true])
  })

  it('and never comes back keeps nobody waiting for ever: not who reads what is being put, nor who deletes, nor who closes', async () => {
    const { cache, disk, clock } = await smallCache()
    const [one, other] = await blocks(2) as [TestBlock, TestBlock]
    await cache.put(other.cid, other.bytes)
    disk.writeGate = new Promise(() => {})
    disk.saveNote = async () => disk.writeGate
    const outcomes = Promise.all([
      failure(Promise.resolve(cache.put(one.cid, one.bytes))),
      failure(read(cache.get(one.cid))),
      failure(Promise.resolve(cache.delete(one.cid))),
      failure((async () => cache.claim(one.cid))())
    ])
    expect(await clock.run(outcomes)).toEqual(['CacheDiskError', 'NotFoundError', 'CacheDiskError', 'none'])
    const began = clock.now()
    await clock.run(cache.close())
    expect([disk.closed, clock.now() - began <= 15_000, clock.pending]).toEqual([true, true, 0])
  })
})

describe('giving back space', () => {
  it.each(['gc', 'clear'] as const)('by %s on a disk that hangs is an error by name without any signal, health says so, and it works again', async what => {
    for (const hangs of ['remove', 'compact'] as const) {
      const { cache, disk, clock } = await smallCache()
      for (const { cid, bytes } of await blocks(10)) {
        await clock.run(cache.admit(cid, bytes, ORIGIN))
      }
      await clock.advance(20_000)
      const gate = Promise.withResolvers<void>()
      const [remove, compact] = [disk.remove.bind(disk), disk.compact.bind(disk)]
      disk.saveNote = async () => gate.promise
      disk.remove = async slots => hangs === 'remove' ? gate.promise.then(async () => remove(slots)) : remove(slots)
      disk.compact = async () => hangs === 'compact' ? gate.promise.then(compact) : compact()

      const began = clock.now()
      const seen: string[] = []
      await expect(clock.run<unknown>(cache[what]({ onProgress: ({ type }) => { seen.push(type) } }))).rejects.toMatchObject({ name: 'CacheDiskError', message: expect.stringContaining('30000 ms') as string })
      expect(clock.now() - began).toBeLessThanOrEqual(65_000)
      expect(cache.health()).toMatchObject({ state: 'degraded', reason: expect.stringMatching(/giving back space|write takes longer/) as string })
      const told = seen.length
      await clock.advance(10_000)
      expect(seen.length).toBe(told)

      gate.resolve()
      await clock.advance(60_000)
      expect(cache.health().state).toBe('ok')
      await clock.run<unknown>(cache[what]())
      await clock.run(cache.close())
      expect(clock.pending).toBe(0)
    }
  })

  it.each(['gc', 'clear'] as const)('by %s on a disk that fails, or in a cache that is closed meanwhile, is an error by name', async what => {
    const { cache, disk, clock } = await smallCache()
    const cause = fault('ENOSPC')
    disk.compact = async () => { throw cause }
    await expect(cache[what]()).rejects.toMatchObject({ name: 'CacheDiskError', message: expect.stringContaining('ENOSPC') as string, cause })

    const left = new AbortController()
    disk.compact = async () => new Promise(() => {})
    const leaving = cache[what]({ signal: left.signal })
    await new Promise(resolve => setImmediate(resolve))
    left.abort(cause)
    await expect(leaving).rejects.toBe(cause)

    disk.compact = async () => { throw new Error('The disk tier is being closed') }
    const [working] = await Promise.allSettled([cache[what](), clock.run(cache.close())])
    expect(working).toMatchObject({ reason: { name: 'CacheClosedError' } })
  })

  it('takes as long as it takes while it goes on', async () => {
    const { cache, disk, clock } = await smallCache()
    for (const { cid, bytes } of await blocks(6)) {
      await clock.run(Promise.resolve(cache.put(cid, bytes)))
    }
    disk.compact = async () => {
      for (let i = 10; i > 0; i--) {
        disk.garbage = i
        await clock.sleep(29_000)
      }
      disk.garbage = 0
      return { freedBytes: 10 }
    }
    const began = clock.now()
    expect(await clock.run(cache.gc())).toMatchObject({ evicted: 0 })
    expect([clock.now() - began, cache.health().state]).toEqual([290_000, 'ok'])
  })

  it('by clear removes many blocks at a time, and those that are being written when it is their turn', async () => {
    const { cache, disk } = await smallCache({ maxBytes: 2_000_000, capacity: 1_900_000 })
    const held = await blocks(1_000, 100)
    for (const { cid, bytes } of held.slice(0, 990)) {
      await cache.put(cid, bytes)
    }
    const gate = Promise.withResolvers<void>()
    const removals: number[] = []
    const remove = disk.remove.bind(disk)
    disk.remove = async slots => {
      removals.push(slots.length)
      await remove(slots)
    }
    // claimed while it is cleared: that has its turn first
    const busy = held[0] as TestBlock
    disk.setKind = async () => gate.promise
    disk.kind = () => 'fetched'
    const claiming = cache.claim(busy.cid)
    const clearing = cache.clear({ authored: true })
    await new Promise(resolve => setImmediate(resolve))
    gate.resolve()
    expect([await claiming, (await clearing).removed, disk.usage().blocks]).toEqual([true, 990, 0])
    expect(removals.length).toBeLessThanOrEqual(6)
  })

  it('by clear on a disk that fails says which block, once for all in the log, and the rest stays to be tried again', async () => {
    const { cache, disk } = await smallCache()
    for (const { cid, bytes } of await blocks(5)) {
      await cache.put(cid, bytes)
    }
    const remove = disk.remove.bind(disk)
    disk.remove = async () => { throw fault('EIO') }
    await expect(cache.clear({ authored: true })).rejects.toMatchObject({ name: 'CacheDiskError', message: expect.stringContaining('EIO') as string })
    expect(cache.health().state).toBe('degraded')
    disk.remove = remove
    expect((await cache.clear({ authored: true })).removed).toBe(5)
  })
})

describe('many readers', () => {
  it('of one block are one read of the disk', async () => {
    const { cache, disk } = await smallCache()
    const one = await block()
    await cache.put(one.cid, one.bytes)
    await Promise.all(Array.from({ length: 30 }, async () => read(cache.get(one.cid))))
    expect(disk.reads).toBe(1)
  })

  it('of a block that is being put wait for it', async () => {
    const { cache, disk } = await smallCache()
    const one = await block()
    let go = (): void => {}
    disk.writeGate = new Promise(resolve => { go = resolve })
    const put = cache.put(one.cid, one.bytes)
    const readers = Promise.all(Array.from({ length: 10 }, async () => read(cache.get(one.cid))))
    const has = cache.has(one.cid)
    go()
    await put
    expect([await has, new Set((await readers).map(String)).size]).toEqual([true, 1])
  })

  it('leave one by one', async () => {
    const { cache, disk } = await smallCache()
    const one = await block()
    await cache.put(one.cid, one.bytes)
    let go = (): void => {}
    disk.readGate = new Promise(resolve => { go = resolve })
    const leaver = new AbortController()
    const leaving = failure(read(cache.get(one.cid, { signal: leaver.signal })))
    const staying = read(cache.get(one.cid))
    leaver.abort()
    expect(await leaving).toBe('AbortError')
    go()
    expect(await staying).toEqual(Buffer.from(one.bytes))
  })
})

describe('a block on disk', () => {
  it('is read before the generator is given, where the system has it in memory and it was hashed before', async () => {
    const one = await block()
    const { cache, disk } = await smallCache({ verifyRate: 0 })
    await cache.put(one.cid, one.bytes)
    expect(Symbol.asyncIterator in cache.get(one.cid)).toBe(true)
    disk.isInMemory = true
    const chunks = cache.get(one.cid)
    expect(Symbol.iterator in chunks && [...chunks]).toEqual([one.bytes])
    expect(cache.stats().hits).toMatchObject({ disk: 1 })
    const slot = disk.find(one.cid.multihash.bytes)
    disk.rows[slot] = { ...disk.rows[slot] as NonNullable<typeof disk.rows[0]>, checked: false }
    expect(Symbol.asyncIterator in cache.get(one.cid)).toBe(true)
  })
})
