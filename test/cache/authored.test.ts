import fc from 'fast-check'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { identity } from 'multiformats/hashes/identity'
import { describe, expect, it } from 'vitest'
import { block, blocks, failure, read } from './support/blocks.ts'
import { smallCache } from './support/small-cache.ts'
import type { TestBlock } from './support/blocks.ts'

const ORIGIN = { origin: 'test' }

describe('what the user put', () => {
  it('is never evicted, however much is fetched', async () => {
    const { cache, clock } = await smallCache()
    const own = await blocks(5)
    for (const { cid, bytes } of own) {
      await cache.put(cid, bytes)
    }
    for (const { cid, bytes } of await blocks(60)) {
      await clock.run(cache.admit(cid, bytes, ORIGIN))
      await clock.run(clock.sleep(1_000))
    }
    await clock.run(cache.gc())
    expect(cache.stats().blocks.authored).toBe(5)
    expect(cache.stats().diskBytes).toBeLessThanOrEqual(20_000)
    for (const { cid, bytes } of own) {
      expect(await read(cache.get(cid))).toEqual(Buffer.from(bytes))
    }
  })

  it('takes the place of what was fetched', async () => {
    const { cache, clock } = await smallCache()
    for (const { cid, bytes } of await blocks(10)) {
      await clock.run(cache.admit(cid, bytes, ORIGIN))
    }
    const own = await blocks(10)
    for (const { cid, bytes } of own) {
      await clock.run(cache.put(cid, bytes) as Promise<unknown>)
    }
    expect(cache.stats().blocks.authored).toBe(10)
    expect(cache.stats().diskBytes).toBeLessThanOrEqual(20_000)
    await clock.run(clock.sleep(20_000))
    await clock.run(cache.gc())
    expect(cache.stats().blocks).toEqual({ authored: 10, fetched: 0 })
  })

  it('for which there is no room is an error that says how much there is, and what is there stays', async () => {
    const { cache } = await smallCache()
    const own = await blocks(10)
    for (const { cid, bytes } of own) {
      await cache.put(cid, bytes)
    }
    const more = await block()
    await expect(cache.put(more.cid, more.bytes)).rejects.toMatchObject({ name: 'CacheFullError', message: expect.stringMatching(/takes 1048 bytes.*leave 520/) as string })
    for (const { cid, bytes } of own) {
      expect(await read(cache.get(cid))).toEqual(Buffer.from(bytes))
    }
    expect(await cache.has(more.cid)).toBe(false)

    await cache.delete((own[0] as TestBlock).cid)
    await cache.put(more.cid, more.bytes)
    expect(await cache.has(more.cid)).toBe(true)
  })

  it('that does not match its CID is an error, and nothing is stored', async () => {
    const { cache, disk } = await smallCache()
    const [one, other] = await blocks(2) as [TestBlock, TestBlock]
    expect(await failure(async () => cache.put(one.cid, other.bytes))).toBe('HashMismatchError')
    expect(await failure(async () => cache.admit(one.cid, other.bytes, ORIGIN))).toBe('HashMismatchError')
    expect([await cache.has(one.cid), disk.writes]).toEqual([false, []])
  })

  it('that a CID carries itself is compared with that, and takes no room', async () => {
    const { cache } = await smallCache()
    const cid = CID.createV1(raw.code, identity.digest(Uint8Array.of(1, 2, 3)))
    await cache.put(cid, Uint8Array.of(1, 2, 3))
    expect(await cache.admit(cid, Uint8Array.of(1, 2, 3), ORIGIN)).toBe(true)
    expect(await failure(async () => cache.put(cid, Uint8Array.of(1, 2)))).toBe('HashMismatchError')
    expect(await failure(async () => cache.admit(cid, Uint8Array.of(1, 2), ORIGIN))).toBe('HashMismatchError')
    expect(cache.stats().blocks).toEqual({ authored: 0, fetched: 0 })
    expect(await read(cache.get(cid))).toEqual(Buffer.of(1, 2, 3))
  })

  it('that is too large, in one piece or many, is an error', async () => {
    const { cache } = await smallCache()
    const { cid } = await block()
    const huge = new Uint8Array(2_097_153)
    expect(await failure(async () => cache.put(cid, huge))).toBe('BlockTooLargeError')
    expect(await failure(async () => cache.put(cid, (function * () { for (;;) { yield huge.subarray(0, 100_000) } })()))).toBe('BlockTooLargeError')
  })

  it('at once by many is one write', async () => {
    const { cache, disk } = await smallCache()
    const { cid, bytes } = await block()
    await Promise.all(Array.from({ length: 20 }, async () => cache.put(cid, bytes)))
    expect([disk.writes.length, cache.stats().joined]).toEqual([1, 19])
  })

  it('is the user\'s when it was fetched before, without another write', async () => {
    const { cache, disk } = await smallCache()
    const { cid, bytes } = await block()
    await cache.admit(cid, bytes, ORIGIN)
    await cache.put(cid, new Uint8Array(bytes))
    expect([disk.writes.length, cache.stats().blocks]).toEqual([1, { authored: 1, fetched: 0 }])
  })

  it('is the user\'s when it is put while it is fetched', async () => {
    const { cache, disk } = await smallCache()
    const { cid, bytes } = await block()
    let go = (): void => {}
    disk.writeGate = new Promise(resolve => { go = resolve })
    const all = [cache.admit(cid, bytes, ORIGIN), cache.put(cid, new Uint8Array(bytes)), cache.admit(cid, bytes, ORIGIN)]
    go()
    await Promise.all(all)
    expect([disk.writes.length, cache.stats().blocks]).toEqual([1, { authored: 1, fetched: 0 }])
  })

  it('that was declined a moment ago is written when it is claimed', async () => {
    const { cache, disk, clock } = await smallCache({ capacity: 500, maxBytes: 20_000 })
    const { cid, bytes } = await block(400)
    const large = await block(600)
    expect(await cache.admit(large.cid, large.bytes, ORIGIN)).toBe(false)
    expect(await cache.claim(cid)).toBe(false)
    expect(await failure(async () => cache.claim(large.cid))).toBe('CacheFullError')
    await cache.admit(cid, bytes, ORIGIN)
    expect(await cache.claim(cid)).toBe(true)
    await clock.run(clock.sleep(30_000))
    expect([await read(cache.get(cid)), disk.usage().authoredBlocks]).toEqual([Buffer.from(bytes), 1])
  })
})

describe('what is put in pieces', () => {
  async function * endless (chunk: unknown): AsyncGenerator<Uint8Array> {
    for (;;) {
      yield chunk as Uint8Array
    }
  }

  it('is one block, whatever its pieces are', async () => {
    const { cache } = await smallCache()
    const { cid, bytes } = await block()
    await fc.assert(fc.asyncProperty(fc.array(fc.nat(1_000), { maxLength: 60 }), fc.boolean(), async (cuts, isSync) => {
      const at = [0, ...cuts.sort((a, b) => a - b), 1_000]
      const pieces = at.slice(1).map((end, i) => bytes.slice(at[i], end))
      await cache.put(cid, isSync ? pieces : (async function * () { yield * pieces })())
      expect(await read(cache.get(cid))).toEqual(Buffer.from(bytes))
      await cache.delete(cid)
    }), { numRuns: 50 })
  })

  it('and never ends is an error by name: of nothing, of what is no bytes, of one byte at a time', async () => {
    const { cache, verifier } = await smallCache()
    const { cid } = await block()
    for (const [chunk, name] of [[new Uint8Array(), 'InvalidOptionError'], ['text', 'InvalidOptionError'], [undefined, 'InvalidOptionError'], [new Uint8Array(1), 'BlockTooLargeError']] as const) {
      let left = false
      const pieces = (async function * (): AsyncGenerator<Uint8Array> {
        try {
          yield * endless(chunk)
        } finally {
          left = true
        }
      })()
      expect(await failure(Promise.resolve(cache.put(cid, pieces)))).toBe(name)
      await new Promise(resolve => setImmediate(resolve))
      expect(left).toBe(true)
    }
    for (const nothing of [undefined, null, 7, {}]) {
      await expect(cache.put(cid, nothing as unknown as Uint8Array)).rejects.toMatchObject({ name: 'InvalidOptionError', message: expect.stringContaining(String(cid)) as string })
    }
    for (const given of [undefined, null, 7]) {
      const pieces = { [Symbol.asyncIterator]: () => ({ next: async () => given }) } as unknown as AsyncIterable<Uint8Array>
      await expect(cache.put(cid, pieces)).rejects.toMatchObject({ name: 'InvalidOptionError', message: expect.stringContaining('next()') as string })
    }
    expect([verifier.maxBlockSize > 0, cache.stats().blocks]).toEqual([true, { authored: 0, fetched: 0 }])
  })

  it('and stalls ends with its signal, is told to end, and nothing of it is kept', async () => {
    const { cache, disk, clock } = await smallCache()
    const { cid, bytes } = await block()
    let returned = 0
    let asked = 0
    const stalls: AsyncIterable<Uint8Array> = {
      [Symbol.asyncIterator]: () => ({
        next: async () => asked++ === 0 ? { done: false, value: bytes.subarray(0, 10) } : new Promise(() => {}),
        return: async () => {
          returned++
          return new Promise(() => {})
        }
      })
    }
    const stop = new AbortController()
    const putting = failure(Promise.resolve(cache.put(cid, stalls, { signal: stop.signal })))
    await clock.advance(60_000)
    stop.abort(Object.assign(new Error('enough'), { name: 'EnoughError' }))
    expect([await putting, returned, asked, disk.writes.length, await cache.has(cid)]).toEqual(['EnoughError', 1, 2, 0, false])
    await cache.close()
    expect(clock.pending).toBe(0)
  })

  it('and is whole when the cache is closed is refused by name', async () => {
    const { cache } = await smallCache()
    const { cid, bytes } = await block()
    const late = Promise.withResolvers<Uint8Array>()
    const putting = failure(Promise.resolve(cache.put(cid, (async function * () { yield await late.promise })())))
    await cache.close()
    late.resolve(bytes)
    expect(await putting).toBe('CacheClosedError')
  })
})

describe('what is marked as fetched', () => {
  it('is fetched when it is put, once for each mark, and the user\'s after that', async () => {
    const { cache } = await smallCache()
    const { cid, bytes } = await block()
    cache.fetched(bytes)
    cache.fetched(bytes)
    await Promise.all([cache.put(cid, bytes), cache.put(cid, bytes)])
    expect(cache.stats()).toMatchObject({ blocks: { authored: 0, fetched: 1 }, joined: 1 })
    await cache.put(cid, bytes)
    expect(cache.stats().blocks).toEqual({ authored: 1, fetched: 0 })
  })

  it('and never put is the user\'s when it is put half a minute later, however often it was marked', async () => {
    const { cache, clock } = await smallCache()
    const { cid, bytes } = await block()
    cache.fetched(bytes)
    await clock.advance(20_000)
    cache.fetched(bytes)
    await clock.advance(29_999)
    await cache.put(cid, bytes)
    expect(cache.stats().blocks).toEqual({ authored: 0, fetched: 1 })
    await clock.advance(1)
    await cache.put(cid, bytes)
    expect(cache.stats().blocks).toEqual({ authored: 1, fetched: 0 })
  })

  it('joins what was admitted', async () => {
    const { cache, disk } = await smallCache()
    const { cid, bytes } = await block()
    const admitted = cache.admit(cid, bytes, ORIGIN)
    cache.fetched(bytes)
    await cache.put(cid, bytes)
    expect([await admitted, disk.writes.length, cache.stats().joined, cache.stats().blocks.authored]).toEqual([true, 1, 1, 0])
  })

  it('needs no mark where puts are fetched', async () => {
    const { cache } = await smallCache({ puts: 'fetched' })
    const { cid, bytes } = await block()
    await cache.put(cid, bytes)
    expect(cache.stats().blocks).toEqual({ authored: 0, fetched: 1 })
  })
})

describe('bytes that were verified in this process', () => {
  it('are hashed once from the network to the reader, through memory and disk', async () => {
    const { cache, verifier } = await smallCache({ memoryBytes: 100_000 })
    const { cid, bytes } = await block()
    await verifier.verify(cid, bytes)
    await cache.admit(cid, bytes, ORIGIN)
    cache.fetched(bytes)
    await cache.put(cid, bytes)
    await verifier.verify(cid, await read(cache.get(cid)).then(() => [...cache.get(cid) as Generator<Uint8Array>][0] as Uint8Array))
    expect(verifier.hashed).toBe(1)
  })

  it('are not hashed again when they come from disk', async () => {
    const { cache, verifier } = await smallCache()
    const { cid, bytes } = await block()
    await cache.put(cid, bytes)
    for await (const chunk of cache.get(cid)) {
      await verifier.verify(cid, chunk)
    }
    expect(verifier.hashed).toBe(1)
  })
})

it('an array that was put and is filled again is hashed again', async () => {
  const { cache } = await smallCache()
  const [first, second] = await blocks(2, 900) as [TestBlock, TestBlock]
  const array = Uint8Array.from(first.bytes)
  await cache.put(first.cid, array)
  array.set(second.bytes)
  await cache.put(second.cid, array)
  expect(await read(cache.get(second.cid))).toEqual(Buffer.from(second.bytes))
  await cache.delete(first.cid)
  await expect(cache.put(first.cid, array)).rejects.toMatchObject({ name: 'HashMismatchError' })
  expect(await cache.has(first.cid)).toBe(false)
})
