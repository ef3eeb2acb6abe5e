import { rm, statfs, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { openBlockCache } from '../../src/index.ts'
import { faultBlock, isRight } from './support/fault-blocks.ts'
import { noSmallDisk, smallDisk } from './support/small-disk.ts'
import type { SmallDisk } from './support/small-disk.ts'
import type { BlockCache } from '../../src/interface/cache.ts'

const MIB = 1024 ** 2
const DISK = 24 * MIB
const INIT = { maxBytes: 64 * MIB, memoryBytes: 0, transitBytes: MIB }
/** A cache looks again by itself, in steps that get longer */
const RECOVERY = { timeout: 60_000, interval: 100 }

const missing = await noSmallDisk()

async function read (cache: BlockCache, number: number): Promise<boolean> {
  const chunks: Uint8Array[] = []
  for await (const chunk of cache.get(faultBlock(number).cid)) {
    chunks.push(chunk)
  }
  return isRight(faultBlock(number), Buffer.concat(chunks))
}

/** Leaves `free` bytes */
async function fill (disk: SmallDisk, free: number): Promise<string> {
  const name = join(disk.path, 'somebody-elses')
  const { bavail, bsize } = await statfs(disk.path)
  await writeFile(name, Buffer.alloc(Math.max(0, bavail * bsize - free)))
  return name
}

async function withDisk (work: (disk: SmallDisk) => Promise<void>): Promise<void> {
  const disk = await smallDisk(DISK)
  try {
    await work(disk)
  } finally {
    await disk.remove()
  }
}

describe.skipIf(missing != null)(`a full disk${missing == null ? '' : `: ${missing}`}`, () => {
  it('full: reads go on, what is fetched is not kept, what is put is refused by name; it recovers by itself', async () => {
    await withDisk(async disk => {
      const cache = await openBlockCache({ path: join(disk.path, 'cache'), ...INIT })
      try {
        for (let i = 0; i < 20; i++) {
          await cache.put(faultBlock(i).cid, faultBlock(i).bytes)
        }
        const filler = await fill(disk, 100_000)

        // fetched blocks are read by whoever fetched them, whether they are kept or not
        for (let i = 100; i < 160; i++) {
          await cache.admit(faultBlock(i).cid, faultBlock(i).bytes, { origin: 'test' })
          expect(await read(cache, i)).toBe(true)
        }
        expect(cache.stats().skippedWrites).toBeGreaterThan(0)
        expect(cache.health()).toMatchObject({ state: 'degraded', reason: expect.stringMatching(/full|space/) as string })
        await expect(cache.put(faultBlock(209).cid, faultBlock(209).bytes)).rejects.toThrow(/full|space/)
        for (let i = 0; i < 20; i++) {
          expect(await read(cache, i)).toBe(true)
        }

        await rm(filler)
        await expect.poll(() => cache.health().state, RECOVERY).toBe('ok')
        await cache.put(faultBlock(209).cid, faultBlock(209).bytes)
        expect(await cache.admit(faultBlock(300).cid, faultBlock(300).bytes, { origin: 'test' })).toBe(true)
        expect(await read(cache, 209)).toBe(true)
      } finally {
        await cache.close()
      }
      const again = await openBlockCache({ path: join(disk.path, 'cache'), ...INIT })
      try {
        for (const number of [...Array.from({ length: 20 }, (_, i) => i), 209]) {
          expect(await read(again, number)).toBe(true)
        }
      } finally {
        await again.close()
      }
    })
  })

  it('full while it opens: it opens, and serves what it has', async () => {
    await withDisk(async disk => {
      const path = join(disk.path, 'cache')
      const cache = await openBlockCache({ path, ...INIT })
      for (let i = 0; i < 20; i++) {
        await cache.put(faultBlock(i).cid, faultBlock(i).bytes)
      }
      await cache.close()
      const filler = await fill(disk, 0)

      for (let opening = 0; opening < 3; opening++) {
        const again = await openBlockCache({ path, ...INIT })
        for (let i = 0; i < 20; i++) {
          expect(await read(again, i)).toBe(true)
        }
        await again.close()
      }
      await rm(filler)
      const last = await openBlockCache({ path, ...INIT })
      await last.put(faultBlock(30).cid, faultBlock(30).bytes)
      expect(await read(last, 30)).toBe(true)
      await last.close()
    })
  })
})
