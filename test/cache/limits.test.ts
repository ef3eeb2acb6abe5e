import { readdirSync, statSync } from 'node:fs'
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { zipf } from '../../bench/cache/workloads.ts'
import { nodeFiles } from '../../src/cache/disk/files.ts'
import { openBlockCache } from '../../src/cache/open-block-cache.ts'
import { seededRandom } from '../../src/clock/random.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'
import { block, blocks, read } from './support/blocks.ts'
import type { CacheFiles } from '../../src/cache/disk/files.ts'

const MAX_BYTES = 8_388_608

describe('on a real disk', () => {
  let path: string

  beforeEach(async () => { path = await mkdtemp(join(tmpdir(), 'portolan-limits-')) })
  afterEach(async () => { await rm(path, { recursive: true }) })

  async function size (): Promise<number> {
    const entries = await readdir(path, { recursive: true, withFileTypes: true })
    const files = await Promise.all(entries.filter(entry => entry.isFile()).map(async entry => stat(join(entry.parentPath, entry.name)).catch(() => ({ size: 0 }))))
    return files.reduce((sum, { size }) => sum + size, 0)
  }

  /** All promises have ended before; time goes on while the disk works, no faster than it does */
  async function during<T> (clock: VirtualClock, work: () => Promise<T>): Promise<T> {
    await clock.advance(7_000)
    let over = false
    const done = work().finally(() => { over = true })
    done.catch(() => {})
    while (!over) {
      await setTimeout(1)
      await clock.advance(1)
    }
    return done
  }

  it('ten times as much as fits stays within the limit, in what the files really take, and what is left is right', async () => {
    const clock = new VirtualClock()
    const cache = await openBlockCache({ path, maxBytes: MAX_BYTES, memoryBytes: 0, clock })
    const own = await block(500_000)
    await during(clock, async () => cache.put(own.cid, own.bytes))

    for (let i = 0; i < 400; i++) {
      const { cid, bytes } = await block(1 + Math.floor(i * 7919 % 400_000))
      await during(clock, async () => cache.admit(cid, bytes, { origin: 'test' }))
      expect(cache.stats().diskBytes).toBeLessThanOrEqual(MAX_BYTES)
      if (i % 20 === 0) {
        expect(await size()).toBeLessThanOrEqual(MAX_BYTES)
      }
    }
    const { evicted, blocks: { authored, fetched } } = cache.stats()
    expect([evicted > 50, authored, fetched > 10]).toEqual([true, 1, true])
    await during(clock, async () => cache.gc())
    let last
    for await (const progress of cache.verify()) {
      last = progress
    }
    expect(last?.damaged).toEqual([])
    expect(Buffer.compare(await during(clock, async () => read(cache.get(own.cid))), own.bytes)).toBe(0)
    await cache.close()
    expect(await size()).toBeLessThanOrEqual(MAX_BYTES)

    const again = await openBlockCache({ path, maxBytes: MAX_BYTES / 2, clock })
    await during(clock, async () => again.gc())
    expect(again.stats().diskBytes).toBeLessThanOrEqual(MAX_BYTES / 2)
    expect(await again.has(own.cid)).toBe(true)
    await again.close()
  })

  it.each(['deleted', 'evicted', 'moved', 'closed'])('what is being read stays right when it is %s meanwhile', async what => {
    const clock = new VirtualClock()
    const cache = await openBlockCache({ path, maxBytes: MAX_BYTES, memoryBytes: 0, transitBytes: 0, clock })
    const some = await Promise.all(Array.from({ length: 8 }, async () => block(50_000)))
    for (const { cid, bytes } of some) {
      await during(clock, async () => cache.admit(cid, bytes, { origin: 'test' }))
    }
    // one that has given its first chunk, and one that was asked for it a moment ago
    const open = await Promise.all(some.slice(1, 3).map(async ({ cid }) => {
      const chunks = cache.get(cid)
      return { chunks, first: await chunks.next() }
    }))
    const asked = some.slice(3, 5).map(({ cid }) => read(cache.get(cid)))

    switch (what) {
      case 'deleted':
        await Promise.all(some.map(async ({ cid }) => cache.delete(cid)))
        await cache.gc()
        break
      case 'evicted':
        // here hours pass between two reads of the disk, which would be too slow
        await Promise.all(asked)
        for (let i = 0; i < 40; i++) {
          const { cid, bytes } = await block(500_000)
          await during(clock, async () => cache.admit(cid, bytes, { origin: 'test' }))
          // two requests are more than the one that the others had
          await read(cache.get(cid))
        }
        break
      case 'moved':
        await cache.delete((some[0] as typeof some[number]).cid)
        await cache.gc()
        break
      default:
        await cache.close()
    }
    for (const [i, { chunks, first }] of open.entries()) {
      expect(Buffer.compare(first.value as Uint8Array, (some[i + 1] as typeof some[number]).bytes)).toBe(0)
      expect(await chunks.next()).toEqual({ done: true, value: undefined })
    }
    for (const [i, bytes] of (await Promise.all(asked)).entries()) {
      expect(Buffer.compare(bytes, (some[i + 3] as typeof some[number]).bytes)).toBe(0)
    }
    if (what !== 'closed') {
      expect(cache.stats().evicted > 0).toBe(what === 'evicted')
      await cache.close()
    }
  })

  it.each([4, 8, 16])('a storm of blocks of all sizes stays within %d MiB at every moment, while space is given back too', async mebibytes => {
    const clock = new VirtualClock()
    const maxBytes = mebibytes * 1_048_576
    const cache = await openBlockCache({ path, maxBytes, memoryBytes: 0, clock })
    const random = seededRandom(mebibytes)
    const sizes: number[] = []
    const watch = setInterval(() => { sizes.push(sizeNow(path)) }, 2)

    try {
      for (let written = 0; written < 5 * maxBytes;) {
        const some = await Promise.all(Array.from({ length: 6 }, async () => block(Math.floor(1_024 * 2 ** (11 * random.next())))))
        written += some.reduce((sum, { bytes }) => sum + bytes.byteLength, 0)
        // whoever waits and whoever does not
        await during(clock, async () => Promise.all(some.map(async ({ cid, bytes }, i) => cache.admit(cid, bytes, { origin: 'test', wait: i % 2 === 0 }))))
        sizes.push(sizeNow(path))
      }
    } finally {
      clearInterval(watch)
    }
    expect(cache.stats().evictedBytes).toBeGreaterThan(maxBytes)
    expect(Math.max(...sizes)).toBeLessThanOrEqual(maxBytes)
    await cache.close()
  })

  it('for each byte that it takes it writes three or so, in a cache that is full', async () => {
    const clock = new VirtualClock()
    let written = 0
    const files: CacheFiles = {
      ...nodeFiles,
      open: async (name, mode) => {
        const file = await nodeFiles.open(name, mode)
        return name.endsWith('.seg')
          ? {
              read: async (target, at) => file.read(target, at),
              write: async (buffers, at) => {
                const bytes = await file.write(buffers, at)
                written += bytes
                return bytes
              },
              truncate: async length => file.truncate(length),
              sync: async () => file.sync(),
              size: async () => file.size(),
              close: async () => file.close()
            }
          : file
      }
    }
    const cache = await openBlockCache({ path, maxBytes: 16_777_216, memoryBytes: 0, clock, files, random: seededRandom(1) })
    const all = await blocks(3_000, 16_384)
    const draw = zipf(all.length, 0.8, seededRandom(2))
    const taken = { bytes: 0 }
    const request = async (): Promise<void> => {
      const { cid, bytes } = all[draw()] as { cid: typeof all[number]['cid'], bytes: Uint8Array }
      if (await cache.has(cid)) {
        await read(cache.get(cid))
      } else if (await during(clock, async () => cache.admit(cid, new Uint8Array(bytes), { origin: 'test' }))) {
        taken.bytes += bytes.byteLength
      }
    }
    for (let i = 0; i < 2_500; i++) {
      await request()
    }
    const before = { written, taken: taken.bytes }
    for (let i = 0; i < 3_500; i++) {
      await request()
    }
    const amplification = (written - before.written) / (taken.bytes - before.taken)
    expect(taken.bytes - before.taken).toBeGreaterThan(16_777_216)
    expect(amplification).toBeLessThan(3.5)
    await cache.close()
  }, 60_000)
})

function sizeNow (path: string): number {
  let size = 0
  for (const name of readdirSync(path, { recursive: true, encoding: 'utf8' })) {
    const found = statSync(join(path, name), { throwIfNoEntry: false })
    size += found?.isFile() === true ? found.size : 0
  }
  return size
}
