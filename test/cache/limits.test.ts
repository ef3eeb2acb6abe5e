import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openBlockCache } from '../../src/cache/open-block-cache.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'
import { block, read } from './support/blocks.ts'

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
})
