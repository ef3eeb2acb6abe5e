import { statSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { composeCache } from '../../src/cache/compose-cache.ts'
import { nodeFiles } from '../../src/cache/disk/files.ts'
import { blockVerifier } from '../../src/block/verify.ts'
import { seededRandom } from '../../src/clock/random.ts'
import { systemClock } from '../../src/clock/system-clock.ts'
import { silentLogger } from '../../src/testing/silent-logger.ts'
import { openTier, temporaryDirectory } from './disk/support/tiers.ts'
import { blocks, read } from './support/blocks.ts'
import type { TestBlock } from './support/blocks.ts'
import type { CacheFiles } from '../../src/cache/disk/files.ts'
import type { BlockCache } from '../../src/interface/cache.ts'

/** As many segments as a cache of some ten gigabytes has, in a few megabytes */
const SEGMENT_BYTES = 16_384
const BLOCK_BYTES = 4_000
const MAX_BYTES = 8_388_608
const ORIGIN = { origin: 'test' }
/** Of segments; what is opened for a moment besides is little */
const MAX_DESCRIPTORS = 192

/** The machine's own files, counted; syncing them is not what this is about */
function countedFiles (): { files: CacheFiles, seen: { open: number, most: number, opened: number } } {
  const seen = { open: 0, most: 0, opened: 0 }
  const files: CacheFiles = {
    ...nodeFiles,
    open: async (path, mode) => {
      const file = await nodeFiles.open(path, mode)
      seen.opened++
      seen.most = Math.max(seen.most, ++seen.open)
      return {
        read: async (target, position) => file.read(target, position),
        write: async (buffers, position) => file.write(buffers, position),
        writeNow: (bytes, position) => file.writeNow?.(bytes, position) ?? 0,
        truncate: async length => file.truncate(length),
        sync: async () => {},
        size: async () => file.size(),
        close: async () => {
          await file.close()
          seen.open--
        }
      }
    },
    syncDirectory: async () => {}
  }
  return { files, seen }
}

async function open (path: string, files: CacheFiles): Promise<BlockCache> {
  const { tier } = await openTier({ path, files, segmentBytes: SEGMENT_BYTES })
  return composeCache({ disk: tier, verifier: blockVerifier(), clock: systemClock, random: seededRandom(1), log: silentLogger.forComponent('portolan:cache') }, {
    maxBytes: MAX_BYTES,
    memoryBytes: 0,
    transitBytes: 262_144,
    capacity: 6_500_000,
    puts: 'authored',
    verifyRate: 0
  })
}

async function segmentsIn (path: string): Promise<number> {
  return (await readdir(join(path, 'segments'))).filter(name => name.endsWith('.seg')).length
}

async function sizeOf (path: string): Promise<number> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true })
  return entries.filter(entry => entry.isFile()).reduce((sum, each) => {
    const found = statSync(join(each.parentPath, each.name), { throwIfNoEntry: false })
    return sum + (found?.size ?? 0)
  }, 0)
}

describe('a cache of many segments', () => {
  it('opens by their sidecars, reads from all of them at once, and then has no more than 192 of them open', async () => {
    const path = await temporaryDirectory()
    const { files, seen } = countedFiles()
    const held = await blocks(1_200, BLOCK_BYTES)
    const first = await open(path, files)
    await Promise.all(held.map(async ({ cid, bytes }) => first.put(cid, bytes)))
    // segments are sealed in the background
    await expect.poll(() => seen.open).toBeLessThanOrEqual(MAX_DESCRIPTORS)
    await first.close()
    expect([seen.open, await segmentsIn(path)]).toEqual([0, expect.any(Number)])
    const segments = await segmentsIn(path)
    expect(segments).toBeGreaterThan(250)

    Object.assign(seen, { most: 0, opened: 0 })
    const cache = await open(path, files)
    // names are looked at by sidecar and segment, sidecars are read; one after the other
    expect([seen.most <= 2, seen.opened <= 3 * segments + 10]).toEqual([true, true])
    expect(cache.stats().blocks.authored).toBe(held.length)

    const bytes = await Promise.all(held.map(async ({ cid }) => read(cache.get(cid))))
    expect(held.every((each, i) => Buffer.compare(each.bytes, bytes[i] as Uint8Array) === 0)).toBe(true)
    await expect.poll(() => seen.open).toBeLessThanOrEqual(MAX_DESCRIPTORS)

    Object.assign(seen, { most: 0 })
    for (const { cid } of held) {
      await read(cache.get(cid))
    }
    // the one that is read, and the one that is closed for it
    expect(seen.most).toBeLessThanOrEqual(MAX_DESCRIPTORS + 2)
    await cache.close()
    expect(seen.open).toBe(0)
  })

  it('stays within its limit and serves what is right while it is written, read, deleted and compacted', async () => {
    const path = await temporaryDirectory()
    const { files, seen } = countedFiles()
    const cache = await open(path, files)
    const authored = await blocks(600, BLOCK_BYTES)
    const fetched = await blocks(2_400, BLOCK_BYTES)
    const random = seededRandom(7)
    const any = (all: readonly TestBlock[]): TestBlock => all[Math.floor(random.next() * all.length)] as TestBlock
    const gone = new Set<TestBlock>()
    const wrong: string[] = []
    let largest = 0

    for (const { cid, bytes } of authored) {
      await cache.put(cid, bytes)
    }
    const check = async ({ cid, bytes }: TestBlock, mayMiss: boolean): Promise<void> => {
      try {
        if (Buffer.compare(await read(cache.get(cid)), bytes) !== 0) {
          wrong.push(`${cid}: other bytes`)
        }
      } catch (err) {
        if (!mayMiss || (err as Error).name !== 'NotFoundError') {
          wrong.push(`${cid}: ${String(err)}`)
        }
      }
    }
    const works = [
      async () => {
        for (const { cid, bytes } of fetched) {
          await cache.admit(cid, bytes, { ...ORIGIN, wait: false })
        }
      },
      async () => {
        // two of three, spread over all segments: what is left of each is copied
        for (const each of authored.filter((_, i) => i % 3 !== 0)) {
          gone.add(each)
          await cache.delete(each.cid)
        }
      },
      async () => {
        for (let i = 0; i < 1_500; i++) {
          const each = any(authored)
          await check(each, gone.has(each))
          await check(any(fetched), true)
        }
      },
      async () => {
        for (let i = 0; i < 6; i++) {
          await cache.gc()
          largest = Math.max(largest, await sizeOf(path))
        }
      }
    ]
    await Promise.all(works.map(async work => work()))
    await cache.gc()
    largest = Math.max(largest, await sizeOf(path))

    expect(wrong).toEqual([])
    expect(largest).toBeLessThanOrEqual(MAX_BYTES)
    await expect.poll(() => seen.open).toBeLessThanOrEqual(MAX_DESCRIPTORS)
    await cache.close()
    expect(seen.open).toBe(0)

    const again = await open(path, files)
    for (const { cid, bytes } of authored.filter(each => !gone.has(each))) {
      expect(Buffer.compare(await read(again.get(cid)), bytes)).toBe(0)
    }
    for (const { cid } of gone) {
      expect(await again.has(cid)).toBe(false)
    }
    await again.close()
  })
})
