import { describe, expect, it } from 'vitest'
import { openBlockCache } from '../../../src/cache/open-block-cache.ts'
import { silentLogger } from '../../../src/testing/silent-logger.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'
import { failure, blocks as randomBlocks } from '../support/blocks.ts'
import { MemoryFiles, systemError } from './support/memory-files.ts'
import { block, openTier } from './support/tiers.ts'
import type { DiskTier } from '../../../src/cache/disk/disk-tier.ts'
import type { Block } from './support/tiers.ts'
import type { CID } from 'multiformats/cid'

const PATH = '/cache'
/** For seven of the blocks below */
const SEGMENT_BYTES = 4_096

/** Ten segments, of which the second has three blocks less, and the others have two less */
async function holed (files: MemoryFiles): Promise<{ tier: DiskTier, left: Block[] }> {
  const { tier } = await openTier({ path: PATH, files, segmentBytes: SEGMENT_BYTES })
  const all = Array.from({ length: 70 }, (_, i) => block(i, 500))
  for (const { multihash, bytes } of all) {
    await tier.write(multihash, bytes, 'fetched')
  }
  const isGone = (i: number): boolean => i % 7 < (i >= 7 && i < 14 ? 3 : 2)
  await tier.remove(all.filter((_, i) => isGone(i)).map(({ multihash }) => tier.find(multihash)))
  return { tier, left: all.filter((_, i) => !isGone(i)) }
}

/** @returns how often it was tried */
function unreadable (files: MemoryFiles, name: string): () => number {
  let tries = 0
  files.fault = (operation, path) => {
    if (operation !== 'read' || !path.endsWith(name)) {
      return undefined
    }
    tries++
    return systemError('EIO')
  }
  return () => tries
}

const segment = (id: number): string => `${String(id).padStart(8, '0')}.seg`

describe('a segment that cannot be read', () => {
  it('keeps none of the others from being given back, and its own fault is told', async () => {
    const files = new MemoryFiles()
    const { tier, left } = await holed(files)
    const tries = unreadable(files, segment(2))
    await expect(tier.compact()).rejects.toThrow(expect.objectContaining({ code: 'EIO' }))
    expect([tries(), ...[1, 2, 3, 4, 5, 6, 7, 8, 9].map(id => files.paths(segment(id)).length)]).toEqual([1, 0, 1, 0, 0, 0, 0, 0, 0, 0])
    files.fault = undefined
    for (const { multihash, bytes } of left) {
      expect(await tier.read(tier.find(multihash))).toEqual(bytes)
    }
  })

  it('is no fault of whoever gets enough from the others, which are asked first from then on', async () => {
    const files = new MemoryFiles()
    const { tier } = await holed(files)
    const tries = unreadable(files, segment(2))
    for (let i = 0; i < 3; i++) {
      const { files: before } = tier.usage()
      expect((await tier.compact({ target: before - 900 })).freedBytes).toBeGreaterThanOrEqual(900)
    }
    expect([tries(), files.paths(segment(2)).length]).toEqual([1, 1])
  })

  it('for want of room is tried once more when the others have made some, and is an error when they have not', async () => {
    for (const isEver of [true, false]) {
      const files = new MemoryFiles()
      const { tier, left } = await holed(files)
      let refused = 0
      // the first copy, and once more when the reserve is given up for it
      files.fault = (operation, path, bytes) => {
        return operation === 'write' && path.endsWith('.seg') && bytes > 1_000 && (!isEver || refused++ < 2) ? systemError('ENOSPC') : undefined
      }
      if (isEver) {
        await tier.compact()
        expect([refused > 2, files.paths(segment(2))]).toEqual([true, []])
      } else {
        await expect(tier.compact()).rejects.toThrow(expect.objectContaining({ code: 'ENOSPC' }))
      }
      files.fault = undefined
      for (const { multihash, bytes } of left) {
        expect(await tier.read(tier.find(multihash))).toEqual(bytes)
      }
    }
  })

  it('takes no room from whoever writes', async () => {
    const files = new MemoryFiles()
    const clock = new VirtualClock()
    const cache = await openBlockCache({ path: PATH, maxBytes: 8_388_608, memoryBytes: 0, files, clock })
    const all = await randomBlocks(170, 50_000)
    let kept = 0
    // as many as are taken
    while (await clock.run(failure(async () => cache.put(all[kept]?.cid as CID, all[kept]?.bytes as Uint8Array))) === 'none') {
      kept++
    }
    // segments of five: each has a hole, and the first one two
    const gone = all.slice(0, kept).filter((_, i) => i % 5 === 0 || i === 1)
    for (const { cid } of gone) {
      await clock.run(Promise.resolve(cache.delete(cid)))
    }
    const tries = unreadable(files, segment(1))
    const more = await randomBlocks(gone.length - 5, 50_000)
    for (const { cid, bytes } of more) {
      await clock.run(Promise.resolve(cache.put(cid, bytes)))
    }
    expect([tries() > 0, more.length > 20, cache.stats().blocks.authored]).toEqual([true, true, kept - 5])
    await cache.close()
  })
})

describe('a compaction that is stopped', () => {
  it('leaves the pace of those that nobody waits for, and its segment is none that failed', async () => {
    const files = new MemoryFiles()
    const clock = new VirtualClock()
    const errors: unknown[] = []
    const log = Object.assign(() => {}, silentLogger.forComponent('portolan:cache:disk'), { error: (...args: unknown[]) => { errors.push(args) } })
    const { tier } = await openTier({ path: PATH, files, segmentBytes: 8_388_608 }, { clock, log })
    const slots: number[] = []
    for (let i = 0; i < 17; i++) {
      slots.push(await tier.write(block(i, 1).multihash, new Uint8Array(500_000), 'fetched'))
    }
    const reads = (): number => files.calls.filter(call => call === 'read').length
    await tier.remove(slots.slice(0, 4))
    const stop = new AbortController()
    files.fault = operation => {
      if (operation === 'read') {
        stop.abort(new Error('enough'))
      }
      return undefined
    }
    await expect(tier.compact({ signal: stop.signal })).rejects.toThrow('enough')
    expect([reads(), errors]).toEqual([1, []])

    // the first two of the others were copied; now most of it is gone
    await tier.remove(slots.slice(6, 12))
    await clock.advance(0)
    expect([reads(), files.paths(segment(1)).length]).toEqual([2, 1])
    await clock.advance(1_000)
    expect(files.paths(segment(1))).toEqual([])
  })
})
