import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { block, blocks, failure, read } from './support/blocks.ts'
import { smallCache } from './support/small-cache.ts'
import type { TestBlock } from './support/blocks.ts'
import type { CID } from 'multiformats/cid'

const ORIGIN = { origin: 'test' }

describe('what was promised', () => {
  it('can be read for five seconds after an admit, kept or not, whatever comes after it', async () => {
    const { cache, clock } = await smallCache()
    const seen: Array<TestBlock & { at: number }> = []

    for (const one of await blocks(60)) {
      await clock.run(cache.admit(one.cid, one.bytes, ORIGIN))
      seen.push({ ...one, at: clock.now() })
      for (const { cid, bytes, at } of seen) {
        if (clock.now() - at <= 5_000) {
          expect(await read(cache.get(cid))).toEqual(Buffer.from(bytes))
        }
      }
    }
    expect(cache.stats().slowedWrites).toBeGreaterThan(0)
    expect(cache.stats().evicted).toBeGreaterThan(0)
  })

  it('can be read for five seconds after has, though nobody else wants it', async () => {
    const { cache, clock } = await smallCache()
    const old = await block()
    await cache.admit(old.cid, old.bytes, ORIGIN)
    await clock.advance(60_000)
    expect(await cache.has(old.cid)).toBe(true)
    const asked = clock.now()

    for (const { cid, bytes } of await blocks(12)) {
      await cache.admit(cid, bytes, ORIGIN)
    }
    await clock.advance(asked + 5_000 - clock.now())
    expect(await read(cache.get(old.cid))).toEqual(Buffer.from(old.bytes))
  })

  it('is not readable for ever: what was declined is gone after a while', async () => {
    const { cache, clock } = await smallCache({ capacity: 500 })
    const { cid, bytes } = await block()
    expect(await cache.admit(cid, bytes, ORIGIN)).toBe(false)
    expect([await cache.has(cid), cache.stats().declined, cache.stats().diskBytes]).toEqual([true, 1, 0])
    expect([...cache.get(cid) as Generator<Uint8Array>]).toEqual([bytes])
    expect(cache.stats().hits.transit).toBe(1)
    await clock.advance(12_000)
    expect([await cache.has(cid), cache.stats().transitBytes]).toEqual([false, 0])
    expect(await failure(read(cache.get(cid)))).toBe('NotFoundError')
    await cache.close()
    expect(clock.pending).toBe(0)
  })

  it.each([
    ['small', 100_000, (size: number) => new Uint8Array(size)],
    ['large', 1_500, (size: number) => new Uint8Array(size)],
    ['small', 100_000, (size: number) => Buffer.alloc(size)]
  ])('holds no buffer for a %s part of it', async (_, size, allocate) => {
    const { cache } = await smallCache({ capacity: 500 })
    const { cid, bytes } = await block()
    const response = allocate(size)
    response.set(bytes, 400)
    expect(await cache.admit(cid, response.subarray(400, 1_400), ORIGIN)).toBe(false)
    expect(cache.stats().transitBytes).toBeLessThan(2_000)
    const [held] = cache.get(cid) as Generator<Uint8Array>
    expect([held, held?.buffer.byteLength]).toEqual([bytes, 1_000])
  })

  it('goes to disk when there is no room for it in memory, and from there when its time is over', async () => {
    const { cache, clock } = await smallCache({ capacity: 500, transitBytes: 2_000 })
    const all = await blocks(4)
    for (const { cid, bytes } of all) {
      await cache.admit(cid, bytes, ORIGIN)
    }
    expect(cache.stats().blocks).toEqual({ authored: 0, fetched: 3 })
    for (const { cid, bytes } of all) {
      expect(await read(cache.get(cid))).toEqual(Buffer.from(bytes))
    }
    await clock.advance(30_000)
    await clock.run(cache.gc())
    expect(cache.stats()).toMatchObject({ blocks: { authored: 0, fetched: 0 }, evicted: 3 })
  })

  it('slows the writer when memory and disk are full of it, and ends in an error when it is in vain', async () => {
    const { cache, clock, disk } = await smallCache({ capacity: 500, transitBytes: 1_000, maxBytes: 2_100 })
    const all = await blocks(5)
    const before = clock.now()
    for (const { cid, bytes } of all) {
      await clock.run(cache.admit(cid, bytes, ORIGIN))
    }
    expect(cache.stats().slowedWrites).toBeGreaterThan(0)
    expect(clock.now() - before).toBeGreaterThan(5_000)
    expect(disk.usage().files).toBeLessThanOrEqual(2_100)
  })

  it('ends with an explicit delete', async () => {
    const { cache } = await smallCache({ capacity: 2_000 })
    const [kept, declined] = [await block(), await block(1_990)]
    await cache.admit(kept.cid, kept.bytes, ORIGIN)
    await cache.admit(declined.cid, declined.bytes, ORIGIN)
    for (const { cid } of [kept, declined]) {
      expect(await cache.has(cid)).toBe(true)
      await cache.delete(cid)
      expect(await cache.has(cid)).toBe(false)
      expect(await failure(read(cache.get(cid)))).toBe('NotFoundError')
    }
  })
})

describe('a block that cannot be named', () => {
  it.each(['DamagedBlockError', 'Error'])('because of a %s stops no eviction', async name => {
    const { cache, clock, disk } = await smallCache()
    const all = await blocks(60)
    const first = all[0] as TestBlock
    const slotOf = (): number => disk.find(first.cid.multihash.bytes)
    const multihash = disk.multihash.bind(disk)
    disk.multihash = async slot => {
      if (slot === slotOf()) {
        throw Object.assign(new Error('it cannot be read'), { name })
      }
      return multihash(slot)
    }
    for (const { cid, bytes } of all) {
      await clock.run(cache.admit(cid, bytes, ORIGIN))
    }
    await clock.advance(20_000)
    expect(cache.stats().evicted).toBeGreaterThan(20)
    expect(cache.health()).toEqual({ state: 'ok' })
  })
})

describe('who does not wait', () => {
  it('is never slowed: what was kept or held can be read for five seconds, what was not is not here', async () => {
    const { cache, clock, disk } = await smallCache()
    const held: TestBlock[] = []
    let gone = 0

    for (const one of await blocks(60)) {
      // time stands still: to wait would be to hang
      const kept = await cache.admit(one.cid, one.bytes, { ...ORIGIN, wait: false })
      if (await cache.has(one.cid)) {
        held.push(one)
      } else {
        expect(kept).toBe(false)
        gone++
      }
      expect(disk.usage().files).toBeLessThanOrEqual(20_000)
    }
    expect(gone).toBeGreaterThan(30)
    expect(cache.stats()).toMatchObject({ slowedWrites: 0, misses: 60 })
    await clock.advance(5_000)
    for (const { cid, bytes } of held) {
      expect(await read(cache.get(cid))).toEqual(Buffer.from(bytes))
    }
    // and there is room again for the next one
    await clock.advance(2_000)
    const next = await block()
    await cache.admit(next.cid, next.bytes, { ...ORIGIN, wait: false })
    expect(await cache.has(next.cid)).toBe(true)
  })

  it('lets whoever puts the same block after him wait, and be promised it, and it was missed once', async () => {
    const { cache, clock } = await smallCache()
    for (const { cid, bytes } of await blocks(40)) {
      await cache.admit(cid, bytes, { ...ORIGIN, wait: false })
    }
    const { cid, bytes } = await block()
    const { misses } = cache.stats()
    const admitted = cache.admit(cid, bytes, { ...ORIGIN, wait: false })
    cache.fetched(bytes)
    await clock.run(Promise.resolve(cache.put(cid, bytes)))
    expect(await admitted).toBe(false)
    expect(await read(cache.get(cid))).toEqual(Buffer.from(bytes))
    expect(cache.stats().misses).toBe(misses + 1)
    expect(cache.stats().slowedWrites).toBeGreaterThan(0)
  })
})

describe('pins', () => {
  it('hold blocks that would go, are counted, and are asked about again', async () => {
    const { cache, clock } = await smallCache()
    const held = await blocks(5)
    const pins = new Set(held.map(({ cid }) => cid.toString()))
    cache.attachPins(async cid => pins.has(cid.toString()))
    for (const { cid, bytes } of held) {
      await cache.admit(cid, bytes, ORIGIN)
    }
    await clock.advance(30_000)
    const flood = async (): Promise<void> => {
      for (const { cid, bytes } of await blocks(40)) {
        await clock.run(cache.admit(cid, bytes, ORIGIN))
        // the others are asked for again and again, the pinned ones are not
        await read(cache.get(cid))
        await read(cache.get(cid))
        await clock.advance(3_000)
      }
      await clock.run(cache.gc())
    }
    await flood()
    await flood()
    expect(cache.stats().pinnedBytes).toBeGreaterThan(0)
    for (const { cid, bytes } of held) {
      expect(await read(cache.get(cid))).toEqual(Buffer.from(bytes))
    }
    pins.clear()
    await clock.run(cache.gc())
    expect(cache.stats().pinnedBytes).toBe(0)
  })

  it('that cannot be looked up hold everything', async () => {
    const { cache, clock } = await smallCache()
    cache.attachPins(async () => { throw new Error('the datastore is closed') })
    for (const { cid, bytes } of await blocks(12)) {
      await clock.run(cache.admit(cid, bytes, ORIGIN))
    }
    await clock.advance(60_000)
    await clock.run(cache.gc())
    expect(cache.stats().evicted).toBe(0)
  })

  it('that cannot be looked up for a while pin nothing', async () => {
    const { cache, clock } = await smallCache()
    let closed = true
    cache.attachPins(async () => {
      if (closed) {
        throw new Error('the datastore is closed')
      }
      return false
    })
    for (const { cid, bytes } of await blocks(20)) {
      await clock.run(cache.admit(cid, bytes, ORIGIN))
    }
    await clock.advance(60_000)
    expect([cache.stats().pinnedBytes, cache.stats().evicted]).toEqual([0, 0])
    closed = false
    await clock.advance(20_000)
    expect(cache.stats().evicted).toBeGreaterThan(0)
    const own = await block(9_000)
    await clock.run(Promise.resolve(cache.put(own.cid, own.bytes)))
  })

  it('take time to be looked up, and what is said to be here meanwhile stays', async () => {
    const { cache, clock } = await smallCache()
    const { promise, resolve } = Promise.withResolvers<void>()
    const asked: CID[] = []
    cache.attachPins(async cid => {
      asked.push(cid)
      await promise
      return false
    })
    const held = await blocks(8)
    for (const { cid, bytes } of held) {
      await cache.admit(cid, bytes, ORIGIN)
    }
    await clock.advance(10_000)
    const own = await block(6_000)
    await clock.run(Promise.resolve(cache.put(own.cid, own.bytes)))
    await clock.advance(1)
    expect(asked.length).toBeGreaterThan(1)

    const [going, gone] = asked as [CID, CID]
    expect(await cache.has(going)).toBe(true)
    resolve()
    await clock.advance(4_900)
    expect(await failure(read(cache.get(gone)))).toBe('NotFoundError')
    expect(await failure(read(cache.get(going)))).toBe('none')
  })

  it('hold blocks against clear, which drops the rest', async () => {
    const { cache } = await smallCache()
    const [pinned, fetched, own] = await blocks(3) as [TestBlock, TestBlock, TestBlock]
    cache.attachPins(cid => cid.equals(pinned.cid))
    await cache.admit(pinned.cid, pinned.bytes, ORIGIN)
    await cache.admit(fetched.cid, fetched.bytes, ORIGIN)
    await cache.put(own.cid, own.bytes)
    expect(await cache.clear()).toEqual({ removed: 1, freedBytes: 1_048 })
    expect([await cache.has(pinned.cid), await cache.has(fetched.cid), await cache.has(own.cid)]).toEqual([true, false, true])
    expect((await cache.clear({ authored: true })).removed).toBe(1)
    expect(await cache.has(pinned.cid)).toBe(true)
  })
})

describe('shares', () => {
  it('let no client own more than its part, and its own oldest go first', async () => {
    const { cache, clock } = await smallCache({ maxShare: 0.5 })
    const theirs = await blocks(3)
    for (const { cid, bytes } of theirs) {
      await cache.admit(cid, bytes, { ...ORIGIN, client: 'b' })
      await read(cache.get(cid))
    }
    await clock.advance(20_000)
    for (const { cid, bytes } of await blocks(30)) {
      await clock.run(cache.admit(cid, bytes, { ...ORIGIN, client: 'a' }))
      await clock.advance(2_000)
    }
    await clock.advance(30_000)
    await clock.run(cache.gc())
    for (const { cid } of theirs) {
      expect(await cache.has(cid)).toBe(true)
    }
    expect(cache.stats().blocks.fetched).toBeLessThanOrEqual(8)
  })

  it('are not kept beyond by reading what has to go', async () => {
    const { cache, clock } = await smallCache({ maxShare: 0.3 })
    const theirs = await blocks(9)
    for (const { cid, bytes } of theirs) {
      await clock.run(cache.admit(cid, bytes, { ...ORIGIN, client: 'a' }))
      for (const one of theirs) {
        await read(cache.get(one.cid)).catch((err: Error) => { expect(err.name).toBe('NotFoundError') })
      }
    }
    await clock.advance(30_000)
    await clock.run(cache.gc())
    expect(cache.stats().bytes.fetched).toBeLessThanOrEqual(0.3 * 11_000)
  })

  it('decline a block that is larger than the share', async () => {
    const { cache } = await smallCache({ maxShare: 0.05 })
    const { cid, bytes } = await block()
    expect(await cache.admit(cid, bytes, { ...ORIGIN, client: 'a' })).toBe(false)
    expect(await cache.admit((await block(400)).cid, (await block(400)).bytes, ORIGIN).catch((err: Error) => err.name)).toBe('HashMismatchError')
    expect(await cache.admit(cid, bytes, ORIGIN)).toBe(true)
  })
})

describe('any order of anything', () => {
  it('serves no wrong byte, keeps its promises, and stays within its limits', async () => {
    const known = await blocks(8, 1_500)
    const small = await blocks(8, 300)
    const all = [...known, ...small]
    const operation = fc.record({ kind: fc.constantFrom('put', 'admit', 'fetched', 'get', 'has', 'delete', 'wait', 'gc'), which: fc.nat(all.length - 1), wait: fc.nat(4_000), await: fc.boolean() })

    await fc.assert(fc.asyncProperty(fc.array(operation, { minLength: 20, maxLength: 60 }), fc.constantFrom(0, 5_000), async (operations, memoryBytes) => {
      const { cache, clock, disk } = await smallCache({ memoryBytes, capacity: 5_000, maxBytes: 9_000, transitBytes: 2_500 })
      const promised = new Map<number, number>()
      const running: Array<Promise<unknown>> = []

      for (const { kind, which, wait, await: waits } of operations) {
        const { cid, bytes } = all[which] as TestBlock
        const fresh = new Uint8Array(bytes)
        const act = async (): Promise<void> => {
          switch (kind) {
            case 'put':
            case 'fetched':
            case 'admit': {
              promised.delete(which)
              if (kind === 'fetched') {
                cache.fetched(fresh)
              }
              const done = kind === 'admit' ? cache.admit(cid, fresh, ORIGIN) : cache.put(cid, fresh)
              await Promise.resolve(done).then(() => { promised.set(which, clock.now()) }, (err: Error) => { expect(err.name).toBe('CacheFullError') })
              return
            }
            case 'get':
              await read(cache.get(cid)).then(got => { expect(Buffer.compare(got, bytes)).toBe(0) }, (err: Error) => { expect(err.name).toBe('NotFoundError') })
              return
            case 'has':
              if (await cache.has(cid)) {
                promised.set(which, clock.now())
              }
              return
            case 'delete':
              promised.delete(which)
              await cache.delete(cid)
              promised.delete(which)
              return
            case 'gc':
              await cache.gc()
              return
            default:
              await clock.sleep(wait)
          }
        }
        const done = act()
        running.push(done)
        if (waits) {
          await clock.run(Promise.all(running.splice(0)))
          for (const [which, at] of promised) {
            if (clock.now() - at <= 5_000) {
              const { cid, bytes } = all[which] as TestBlock
              expect(Buffer.compare(await read(cache.get(cid)), bytes)).toBe(0)
            }
          }
        }
        expect(disk.usage().files).toBeLessThanOrEqual(9_000)
      }
      await clock.run(Promise.all(running))
      await clock.run(cache.close())
      expect(clock.pending).toBe(0)
    }), { numRuns: 150 })
  })
})
