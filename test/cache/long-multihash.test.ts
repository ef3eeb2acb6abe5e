import { createHash } from 'node:crypto'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import * as Digest from 'multiformats/hashes/digest'
import { describe, expect, it } from 'vitest'
import { openBlockCache } from '../../src/cache/open-block-cache.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'
import { MemoryFiles } from './disk/support/memory-files.ts'
import { block, failure, read } from './support/blocks.ts'
import type { TestBlock } from './support/blocks.ts'
import type { BlockCache } from '../../src/interface/cache.ts'

const SHA2_512 = 0x13
const MAX_BYTES = 4_194_304
const ORIGIN = { origin: 'test' }

/** Its multihash is longer than what is known of a block in memory, so it is read from disk when a block is named */
async function longBlock (): Promise<TestBlock> {
  const { bytes } = await block(5_000)
  return { cid: CID.createV1(raw.code, Digest.create(SHA2_512, createHash('sha512').update(bytes).digest())), bytes }
}

/** One whose record is damaged, beside one that is not */
async function damaged (where: 'bytes' | 'header'): Promise<{ cache: BlockCache, one: TestBlock, neighbour: TestBlock }> {
  const files = new MemoryFiles()
  const clock = new VirtualClock()
  const open = async (): Promise<BlockCache> => openBlockCache({ path: '/cache', maxBytes: MAX_BYTES, memoryBytes: 0, files, clock })
  const one = await longBlock()
  const neighbour = await longBlock()
  const before = await open()
  await before.admit(one.cid, one.bytes, ORIGIN)
  await before.admit(neighbour.cid, neighbour.bytes, ORIGIN)
  await before.close()
  const segment = files.inodes.get(files.paths('.seg')[0] as string)?.bytes as Buffer
  const at = segment.indexOf(one.bytes) + (where === 'bytes' ? 100 : -20)
  segment[at] = (segment[at] as number) ^ 1
  return { cache: await open(), one, neighbour }
}

describe.each(['bytes', 'header'] as const)('a block with a long multihash whose %s are damaged on disk', where => {
  it('is put aside by verify, and ends neither that nor ls', async () => {
    const { cache, one, neighbour } = await damaged(where)
    const named = async (): Promise<string[]> => {
      const all: string[] = []
      for await (const { cid } of cache.ls()) {
        all.push(cid.toString())
      }
      return all.sort()
    }
    expect(await named()).toContain(neighbour.cid.toString())
    for await (const { damaged } of cache.verify()) {
      expect(damaged.every(cid => cid.equals(one.cid))).toBe(true)
    }
    expect(await named()).toEqual([neighbour.cid.toString()])
    expect(cache.stats()).toMatchObject({ quarantined: 1, blocks: { fetched: 1 } })
    expect(await failure(read(cache.get(one.cid)))).toBe('NotFoundError')
    expect(await read(cache.get(neighbour.cid))).toEqual(Buffer.from(neighbour.bytes))
    await cache.close()
  })

  it('is dropped by clear with all others', async () => {
    const { cache } = await damaged(where)
    await cache.clear()
    expect(cache.stats().blocks).toEqual({ authored: 0, fetched: 0 })
    await cache.close()
  })
})
