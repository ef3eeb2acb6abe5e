import fc from 'fast-check'
import type { CID } from 'multiformats/cid'
import * as Digest from 'multiformats/hashes/digest'
import { describe, expect, it } from 'vitest'
import { blockVerifier } from '../../src/block/verify.ts'
import { openBlockCache } from '../../src/cache/open-block-cache.ts'
import { endsInSha256, nativeSha256 } from '../../src/cache/native-sha256.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'
import { MemoryFiles, systemError } from './disk/support/memory-files.ts'
import { block, blocks, failure, read } from './support/blocks.ts'
import type { BlockCache } from '../../src/interface/cache.ts'
import type { TestBlock } from './support/blocks.ts'

const PATH = '/cache'
const ORIGIN = { origin: 'test' }
const MAX_BYTES = 64_000_000

interface Opened {
  readonly cache: BlockCache
  readonly files: MemoryFiles
  readonly clock: VirtualClock
  /** How many calls of the system wrote to segments since the last time */
  written (): number
}

/** A disk that has taken a write by a thread, and is prompt therefore */
async function opened (maxBytes = MAX_BYTES): Promise<Opened> {
  const files = new MemoryFiles()
  const clock = new VirtualClock()
  let writes = 0
  files.fault = (operation, path) => {
    writes += operation === 'write' && path.endsWith('.seg') ? 1 : 0
    return undefined
  }
  const cache = await openBlockCache({ path: PATH, files, clock, maxBytes, memoryBytes: 0 })
  const first = await block()
  await cache.put(first.cid, first.bytes)
  const written = (): number => {
    const count = writes
    writes = 0
    return count
  }
  written()
  return { cache, files, clock, written }
}

async function putAll (cache: BlockCache, all: readonly TestBlock[]): Promise<string[]> {
  return Promise.all(all.map(async ({ cid, bytes }) => failure(Promise.resolve(cache.put(cid, bytes)))))
}

/** What another process finds, after this one was killed now */
async function afterwards (files: MemoryFiles, all: readonly TestBlock[]): Promise<string[]> {
  const cache = await openBlockCache({ path: PATH, files: files.image(), clock: new VirtualClock(), maxBytes: MAX_BYTES })
  const found = await Promise.all(all.map(async ({ cid, bytes }) => {
    try {
      return Buffer.compare(await read(cache.get(cid)), bytes) === 0 ? 'right' : 'wrong'
    } catch (err) {
      return (err as Error).name
    }
  }))
  await cache.close()
  return found
}

describe('small blocks that are put in one turn', () => {
  it('are one call of the system, and survive the process when their puts are over', async () => {
    const { cache, files, written } = await opened()
    const all = await blocks(32)
    expect(await putAll(cache, all)).toEqual(all.map(() => 'none'))
    expect([written(), files.promptWrites]).toEqual([1, 1])
    expect(await afterwards(files, all)).toEqual(all.map(() => 'right'))
    expect(cache.stats().blocks).toMatchObject({ authored: 33, fetched: 0 })
    await cache.close()
  })

  it('are as many calls as it takes when they are more than one can take', async () => {
    const { cache, files, written } = await opened()
    const [many, large] = [await blocks(70, 100), await blocks(20, 8_000)]
    expect(await putAll(cache, many)).toEqual(many.map(() => 'none'))
    expect(written()).toBe(3)
    expect(await putAll(cache, large)).toEqual(large.map(() => 'none'))
    expect(written()).toBe(3)
    expect(await afterwards(files, [...many, ...large])).toEqual([...many, ...large].map(() => 'right'))
    await cache.close()
  })

  it('are seen by whoever looks after them in the same turn', async () => {
    const { cache, written } = await opened()
    const all = await blocks(4) as [TestBlock, TestBlock, TestBlock, TestBlock]
    const puts: Array<Promise<unknown>> = []
    const put = ({ cid, bytes }: TestBlock): void => { puts.push(Promise.resolve(cache.put(cid, bytes))) }

    put(all[0])
    expect(cache.has(all[0].cid)).toBe(true)
    put(all[1])
    const chunks = read(cache.get(all[1].cid))
    put(all[2])
    expect(cache.stats().blocks.authored).toBe(4)
    put(all[3])
    const deleted = cache.delete(all[3].cid)
    expect(written()).toBe(4)
    await Promise.all([...puts, deleted])
    expect(Buffer.compare(await chunks, all[1].bytes)).toBe(0)
    expect(await Promise.all(all.map(async ({ cid }) => cache.has(cid)))).toEqual([true, true, true, false])
    await cache.close()
  })

  it('are written once each, however many put them, with what was fetched before', async () => {
    const { cache, files, written } = await opened()
    const [one, other, fetched] = await blocks(3) as [TestBlock, TestBlock, TestBlock]
    await cache.admit(fetched.cid, fetched.bytes, ORIGIN)
    written()
    expect(await putAll(cache, [one, other, one, fetched, one, other])).toEqual(Array.from({ length: 6 }, () => 'none'))
    expect(cache.stats()).toMatchObject({ joined: 4, blocks: { authored: 4, fetched: 0 } })
    const image = files.image()
    const reopened = await openBlockCache({ path: PATH, files: image, clock: new VirtualClock(), maxBytes: MAX_BYTES })
    expect(reopened.stats().blocks).toMatchObject({ authored: 4, fetched: 0 })
    await reopened.close()
    await cache.close()
  })

  it('are what the arrays were when they were put', async () => {
    const { cache, files } = await opened()
    const all = await blocks(3)
    const right = all.map(({ cid, bytes }) => ({ cid, bytes: Uint8Array.from(bytes) }))
    const controller = new AbortController()
    const puts = all.map(async ({ cid, bytes }, i) => failure(Promise.resolve(cache.put(cid, bytes, i === 1 ? { signal: controller.signal } : undefined))))
    all.forEach(({ bytes }) => bytes.fill(7))
    controller.abort()
    expect((await Promise.all(puts)).map((name, i) => i === 1 || name === 'none')).toEqual([true, true, true])
    expect(await afterwards(files, right)).toEqual(['right', 'right', 'right'])
    await cache.close()
  })

  it('are refused one by one when they are wrong', async () => {
    const { cache, files, written } = await opened()
    const all = await blocks(4)
    const wrong = all.map(({ cid, bytes }, i) => ({ cid, bytes: i % 2 === 0 ? bytes : bytes.map(byte => byte ^ 1) }))
    expect(await putAll(cache, wrong)).toEqual(['none', 'HashMismatchError', 'none', 'HashMismatchError'])
    expect(written()).toBe(1)
    expect(await afterwards(files, all)).toEqual(['right', 'NotFoundError', 'right', 'NotFoundError'])
    const unsound = { ...all[1]?.cid, multihash: all[0]?.cid.multihash } as unknown as CID
    expect(await failure(async () => cache.put(unsound, all[1]?.bytes as Uint8Array))).not.toBe('none')
    await cache.close()
  })

  it.each([
    ['throws', () => systemError('EIO')],
    ['takes a part', (bytes: number) => Math.floor(bytes / 2)],
    ['takes nothing', () => 0]
  ])('are written by threads when their one call %s, each once', async (_, fault) => {
    const { cache, files } = await opened()
    const all = await blocks(8)
    let faults = 0
    files.fault = (operation, path, bytes) => operation === 'write' && path.endsWith('.seg') && faults++ === 0 ? fault(bytes) : undefined
    expect(await putAll(cache, all)).toEqual(all.map(() => 'none'))
    expect(faults).toBeGreaterThan(1)
    expect(cache.stats()).toMatchObject({ joined: 0, blocks: { authored: 9 } })
    expect(await afterwards(files, all)).toEqual(all.map(() => 'right'))
    expect(cache.health().state).toBe('ok')
    await cache.close()
  })

  it('fail by name on a full disk, and what is there stays', async () => {
    const { cache, files, clock } = await opened()
    const [before, all] = [await blocks(8), await blocks(8)]
    await putAll(cache, before)
    files.fault = (operation, path) => operation === 'write' && path.endsWith('.seg') ? systemError('ENOSPC') : undefined
    expect(await clock.run(putAll(cache, all))).toEqual(all.map(() => 'CacheDiskError'))
    expect(cache.health().state).toBe('degraded')
    files.fault = undefined
    expect(await afterwards(files, [...before, ...all])).toEqual([...before.map(() => 'right'), ...all.map(() => 'NotFoundError')])
    expect(await clock.run(putAll(cache, all))).toEqual(all.map(() => 'none'))
    await clock.run(cache.close())
  })

  it('never take more than there is room for', async () => {
    const { cache, clock } = await opened(4_194_304)
    const all = await blocks(1_000, 6_000)
    const outcomes = await clock.run(putAll(cache, all))
    const kept = all.filter((_, i) => outcomes[i] === 'none')
    expect(new Set(outcomes)).toEqual(new Set(['none', 'CacheFullError']))
    expect(kept.length).toBeGreaterThan(300)
    expect(cache.stats().diskBytes).toBeLessThanOrEqual(4_194_304)
    expect(await clock.run(Promise.all(kept.map(async ({ cid }) => cache.has(cid))))).toEqual(kept.map(() => true))
    await clock.run(cache.close())
  })

  it('are over before the cache is closed', async () => {
    const { cache, files } = await opened()
    const all = await blocks(5)
    const putting = putAll(cache, all)
    await cache.close()
    expect(await putting).toEqual(all.map(() => 'none'))
    expect(await afterwards(files, all)).toEqual(all.map(() => 'right'))
  })

  it('are what a list of puts and deletes leaves, whatever faults come between', async () => {
    const held = await blocks(12, 300)
    const command = fc.record({
      type: fc.constantFrom('put' as const, 'put' as const, 'put' as const, 'delete' as const, 'has' as const, 'admit' as const, 'wait' as const),
      number: fc.nat({ max: held.length - 1 }),
      faulty: fc.nat({ max: 7 })
    })
    await fc.assert(fc.asyncProperty(fc.array(command, { minLength: 5, maxLength: 60 }), async commands => {
      const { cache, files, clock } = await opened()
      const under: Array<Promise<unknown>> = []
      const here = new Map<number, boolean>()
      const deleting = new Set<number>()
      let faults = 0
      files.fault = (operation, path, bytes) => operation === 'write' && path.endsWith('.seg') && faults-- === 1 ? Math.floor(bytes / 3) : undefined

      for (const { type, number, faulty } of commands) {
        const { cid, bytes } = held[number] as TestBlock
        faults = faulty === 0 ? 1 : faults
        switch (type) {
          case 'put':
            under.push(Promise.resolve(cache.put(cid, bytes)))
            here.set(number, true)
            break
          case 'admit':
            under.push(cache.admit(cid, Uint8Array.from(bytes), ORIGIN))
            here.set(number, true)
            break
          case 'delete':
            under.push((async () => cache.delete(cid))())
            here.set(number, false)
            deleting.add(number)
            break
          case 'has':
            // a delete that is not over yet may come before or after
            expect(deleting.has(number) || await cache.has(cid) === (here.get(number) ?? false)).toBe(true)
            break
          default:
            await clock.run(Promise.all(under))
            deleting.clear()
        }
      }
      await clock.run(Promise.all(under))
      const expected = held.map((_, i) => here.get(i) === true ? 'right' : 'NotFoundError')
      expect(await Promise.all(held.map(async ({ cid, bytes }) => read(cache.get(cid)).then(got => Buffer.compare(got, bytes) === 0 ? 'right' : 'wrong', (err: Error) => err.name)))).toEqual(expected)
      expect(await afterwards(files, held)).toEqual(expected)
      await clock.run(cache.close())
    }), { numRuns: 150 })
  })
})

describe('whether a multihash ends in the sha2-256 of some bytes', () => {
  it('is what the digest says', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 2_000 }), fc.nat({ max: 31 }), fc.integer({ min: 1, max: 255 }), (bytes, at, change) => {
      const multihash = Uint8Array.from(Digest.create(0x12, nativeSha256?.(bytes) as Uint8Array).bytes)
      expect(endsInSha256?.(multihash, bytes)).toBe(true)
      multihash[2 + at] = (multihash[2 + at] as number) ^ change
      expect(endsInSha256?.(multihash, bytes)).toBe(false)
    }))
  })

  it('is only asked about whole ones, of blocks that are not too large, and not where the function was replaced', async () => {
    const { cid, bytes } = await block(100)
    const multihash = cid.multihash.bytes
    const sha512 = Uint8Array.from([0x13, ...multihash.subarray(1)])
    const verifier = blockVerifier({ maxBlockSize: 100, endsInSha256 })
    expect([verifier.isRight(multihash, bytes), verifier.hashed]).toEqual([true, 1])
    expect([verifier.isRight(sha512, bytes), verifier.isRight(multihash.subarray(0, 33), bytes), verifier.isRight(multihash, new Uint8Array(101)), verifier.hashed]).toEqual([false, false, false, 1])
    const hashers = [{ name: 'sha2-256', code: 0x12, encode: () => multihash.subarray(2), digest: () => cid.multihash }] as never
    expect([blockVerifier({ endsInSha256, hashers }).isRight(multihash, bytes), blockVerifier().isRight(multihash, bytes)]).toEqual([false, false])
  })
})
