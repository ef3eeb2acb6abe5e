import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../src/clock/random.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'
import { MemoryFiles } from './support/memory-files.ts'
import { block, openTier, temporaryDirectory } from './support/tiers.ts'
import type { DiskTier } from '../../../src/cache/disk/disk-tier.ts'
import type { Block } from './support/tiers.ts'

const PATH = '/cache'
const SEGMENT_BYTES = 4_096

async function filled (files: MemoryFiles, count: number): Promise<{ tier: DiskTier, blocks: Block[] }> {
  const { tier } = await openTier({ path: PATH, files, segmentBytes: SEGMENT_BYTES })
  const blocks = Array.from({ length: count }, (_, i) => block(i, 500))
  for (const { multihash, bytes } of blocks) {
    await tier.write(multihash, bytes, 'fetched')
  }
  return { tier, blocks }
}

const SEGMENT_OF_TINY = 131_072
const TINY = 12_000
/** The format and the lock, which are not in these files */
const FIXED_BYTES = 32_768

interface OfTinyBlocks {
  readonly tier: DiskTier
  write (from: number, to: number): Promise<void>
  /** By how much the files were larger than they may be, from now until the result is called */
  over (allowed: () => number): () => number
}

/** Blocks of 8 bytes, of which two thirds are left, opened a second time */
async function ofTinyBlocks (): Promise<OfTinyBlocks> {
  const files = new MemoryFiles()
  let { tier } = await openTier({ path: PATH, files, segmentBytes: SEGMENT_OF_TINY })
  const write = async (from: number, to: number): Promise<void> => {
    await Promise.all(Array.from({ length: to - from }, async (_, i) => {
      const { multihash, bytes } = block(from + i, 8)
      await tier.write(multihash, bytes, 'fetched')
    }))
  }
  await write(0, TINY)
  await tier.close();
  ({ tier } = await openTier({ path: PATH, files, segmentBytes: SEGMENT_OF_TINY }))
  await tier.remove(Array.from({ length: TINY / 3 }, (_, i) => tier.find(block(i * 3, 8).multihash)))
  return {
    tier,
    write,
    over: allowed => {
      let over = -Infinity
      files.onChange = () => {
        over = Math.max(over, [...files.inodes.values()].reduce((sum, { bytes }) => sum + bytes.byteLength, FIXED_BYTES) - allowed())
      }
      return () => {
        files.onChange = undefined
        return over
      }
    }
  }
}

async function kindAfterCrash (files: MemoryFiles, { multihash }: Block): Promise<string> {
  const { tier } = await openTier({ path: PATH, files: files.image(), segmentBytes: SEGMENT_BYTES })
  const slot = tier.find(multihash)
  return slot === -1 ? 'absent' : tier.kind(slot)
}

describe('space', () => {
  it('of whole segments and mostly dead ones comes back by itself', async () => {
    const files = new MemoryFiles()
    const { tier, blocks } = await filled(files, 70)
    const before = tier.usage().files
    // segments of 7: the first two, and most of the third
    await tier.remove(blocks.slice(0, 19).map(({ multihash }) => tier.find(multihash)))
    // whoever asks for nothing more waits for the one that is under way
    for (let i = 0; i < 5; i++) {
      await tier.compact({ target: before })
    }
    for (const id of [1, 2, 3]) {
      expect([...files.paths(`0000000${id}.seg`), ...files.paths(`0000000${id}.idx`)]).toEqual([])
    }
    expect(files.paths('00000004.seg')).toHaveLength(1)
  })

  it('is given back as far as it is asked for, most of it first', async () => {
    const files = new MemoryFiles()
    const { tier, blocks } = await filled(files, 70)
    await tier.remove(blocks.filter((_, i) => i % 7 === 0 || (i >= 35 && i < 38)).map(({ multihash }) => tier.find(multihash)))
    const before = tier.usage().files
    const { freedBytes } = await tier.compact({ target: before - 1_000 })
    expect(freedBytes).toBeGreaterThanOrEqual(1_000)
    // that with three of seven dead
    expect(files.paths('00000006.seg')).toEqual([])
    expect(files.paths('00000001.seg')).toHaveLength(1)
    await tier.compact()
    expect(files.paths('00000001.seg')).toEqual([])
    expect(tier.usage().files).toBeLessThan(before - 12 * 500)
    expect((await tier.compact()).freedBytes).toBeLessThan(1_000)
  })

  it('stays where nobody is to be found who gave the signal', async () => {
    const files = new MemoryFiles()
    const { tier, blocks } = await filled(files, 20)
    await tier.remove([tier.find((blocks[0] as Block).multihash)])
    await expect(tier.compact({ signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough')
    expect(tier.usage().blocks).toBe(19)
  })

  it('is counted as the files say', async () => {
    const path = await temporaryDirectory()
    const { tier } = await openTier({ path, segmentBytes: 100_000 })
    const random = seededRandom(5)

    for (let i = 0; i < 400; i++) {
      const { multihash, bytes } = block(i, Math.floor(random.next() * 9_000))
      const slot = await tier.write(multihash, bytes, 'fetched')
      if (random.next() < 0.5) {
        await tier.remove([slot])
      }
      if (i % 100 === 99) {
        await tier.saveNote('policy', new Uint8Array(i))
        await tier.compact()
        let bytesOfFiles = 0
        // a sidecar may be in the making, which is renamed between the one call and the other
        for (const name of (await readdir(path, { recursive: true })).filter(name => !name.endsWith('.new'))) {
          const found = await stat(join(path, name))
          bytesOfFiles += found.isFile() ? found.size : 0
        }
        expect(tier.usage().files).toBeGreaterThanOrEqual(bytesOfFiles)
        expect(tier.usage().files - bytesOfFiles).toBeLessThan(40_000)
      }
    }
  })

  it('is never more than the headroom over what it was, while it is given back', async () => {
    const files = new MemoryFiles()
    const { tier, blocks } = await filled(files, 140)
    await tier.remove(blocks.filter((_, i) => i % 3 === 0).map(({ multihash }) => tier.find(multihash)))
    const bytes = (): number => [...files.inodes.values()].reduce((sum, inode) => sum + inode.bytes.byteLength, 0)
    const before = bytes()
    let most = 0
    files.onChange = () => { most = Math.max(most, bytes()) }
    await tier.compact()
    expect(most - before).toBeLessThanOrEqual(tier.usage().headroom + 1_000)
  })

  it('is never more than the headroom over what it was, where sidecars are nearly as large as segments', async () => {
    const { tier, over } = await ofTinyBlocks()
    const { files, headroom } = tier.usage()
    const most = over(() => files + headroom)
    await tier.compact()
    expect(tier.usage().files).toBeLessThan(files * 0.75)
    expect(most()).toBeLessThanOrEqual(0)
  })

  it('is never more than it counts while something is saved, or a segment sealed that was written on', async () => {
    const { tier, write, over } = await ofTinyBlocks()
    const counted = over(() => tier.usage().files)
    for (let i = 0; i < 2; i++) {
      await tier.saveNote('policy', new Uint8Array(300_000))
    }
    expect(counted()).toBeLessThanOrEqual(0)
    // sealing and closing write sidecars; of a record that is being written the writer keeps count
    const sealed = over(() => tier.usage().files + 100 * 72)
    for (let i = TINY; i < TINY + 2_000; i += 100) {
      await write(i, i + 100)
    }
    await tier.close()
    expect(sealed()).toBeLessThanOrEqual(0)
  })

  it('is given back at 16 MiB a second where nobody waits, and at once where somebody does', async () => {
    const files = new MemoryFiles()
    const clock = new VirtualClock()
    const { tier } = await openTier({ path: PATH, files, segmentBytes: 8_388_608 }, { clock })
    const slots: number[] = []
    for (let i = 0; i < 17; i++) {
      const { multihash } = block(i, 1)
      slots.push(await tier.write(multihash, new Uint8Array(500_000), 'fetched'))
    }
    await tier.remove(slots.slice(0, 9))
    for (let i = 0; i < 1_000; i++) {
      await Promise.resolve()
    }
    // the first run of blocks is copied, and then it rests
    expect(files.calls.filter(call => call === 'read')).toHaveLength(1)
    expect(files.paths('00000001.seg')).toHaveLength(1)
    await clock.advance(80)
    expect(files.calls.filter(call => call === 'read')).toHaveLength(2)
    await tier.compact()
    expect(files.paths('00000001.seg')).toEqual([])
  })
})

describe('a kind that is set while the block is copied', () => {
  it.each([
    ['before the copy is handed over', 0],
    ['after it', 1]
  ])('%s is that of both records', async (_, when) => {
    const files = new MemoryFiles()
    const { tier, blocks } = await filled(files, 15)
    const last = blocks[6] as Block
    await tier.remove(blocks.slice(0, 3).map(({ multihash }) => tier.find(multihash)))
    const gate = Promise.withResolvers<void>()
    const reached = Promise.withResolvers<void>()
    let writes = 0
    files.fault = (operation, path) => {
      if (operation === 'write' && path.endsWith('.seg') && writes++ === 0) {
        reached.resolve()
        return gate.promise
      }
      return undefined
    }
    const slot = tier.find(last.multihash)
    const set = when === 0 ? tier.setKind(slot, 'authored') : undefined
    const compacted = tier.compact()
    await reached.promise
    if (when === 0) {
      // the copy is read and queued behind the note
      for (let i = 0; i < 200; i++) {
        await Promise.resolve()
      }
    }
    const setLater = when === 1 ? tier.setKind(slot, 'authored') : undefined
    gate.resolve()
    await Promise.all([set, setLater])
    expect(await kindAfterCrash(files, last)).toBe('authored')
    await compacted
    expect(files.paths('00000001.seg')).toEqual([])
    expect(await kindAfterCrash(files, last)).toBe('authored')
    await tier.close()
    expect(await kindAfterCrash(files, last)).toBe('authored')
  })
})

describe('what a segment says about another one', () => {
  it('outlives it', async () => {
    const files = new MemoryFiles()
    const { tier, blocks } = await filled(files, 7)
    const [promoted, removed] = blocks as [Block, Block]
    const others = Array.from({ length: 7 }, (_, i) => block(100 + i, 500))

    await tier.setKind(tier.find(promoted.multihash), 'authored')
    for (const { multihash, bytes } of others.slice(0, 6)) {
      await tier.write(multihash, bytes, 'fetched')
    }
    await tier.remove([tier.find(removed.multihash)])
    // the second segment is full, most of it is dead, and it has both notes
    await tier.write(others[6]?.multihash as Uint8Array, others[6]?.bytes as Uint8Array, 'fetched')
    await tier.remove(others.slice(0, 5).map(({ multihash }) => tier.find(multihash)))
    await tier.compact({ target: tier.usage().files - 2_000 })

    expect(files.paths('00000001.seg')).toHaveLength(1)
    expect(files.paths('00000002.seg')).toEqual([])
    expect([await kindAfterCrash(files, promoted), await kindAfterCrash(files, removed)]).toEqual(['authored', 'absent'])
    // and when there are no sidecars
    files.paths('.idx').forEach(path => files.inodes.delete(path))
    expect([await kindAfterCrash(files, promoted), await kindAfterCrash(files, removed)]).toEqual(['authored', 'absent'])
  })
})

describe('the smallest blocks', () => {
  it('take no more than is said, with sidecars nearly as large as the segments', async () => {
    const files = new MemoryFiles()
    const segmentBytes = 65_536
    const { tier } = await openTier({ path: PATH, files, segmentBytes })
    const taken = (): number => [...files.inodes.values()].reduce((sum, { bytes }) => sum + bytes.byteLength, 0)
    let costs = 0

    for (let i = 0; i < 4_000; i++) {
      const { multihash, bytes } = block(i, 8)
      costs += tier.cost(await tier.write(multihash, bytes, 'fetched'))
      expect(taken()).toBeLessThanOrEqual(tier.usage().files)
    }
    const { files: said, live } = tier.usage()
    expect(live).toBe(costs)
    await tier.close()
    expect(taken()).toBeLessThanOrEqual(said)

    // whoever keeps the costs below a limit keeps the files there, too: but for what does not grow with them
    const { tier: again } = await openTier({ path: PATH, files, segmentBytes })
    expect(again.usage().files - costs).toBeLessThan(3 * segmentBytes)
  })
})

describe('a loss of power', () => {
  it('takes no authored block that is older than five seconds', async () => {
    const files = new MemoryFiles()
    const clock = new VirtualClock()
    const { tier } = await openTier({ path: PATH, files, segmentBytes: SEGMENT_BYTES }, { clock })
    const { multihash, bytes } = block(1, 500)
    await tier.write(multihash, bytes, 'authored')
    expect(files.image({ power: true }).inodes.get(files.paths('.seg')[0] as string)?.bytes.byteLength).toBe(0)
    await clock.advance(5_000)
    const { tier: after } = await openTier({ path: PATH, files: files.image({ power: true }), segmentBytes: SEGMENT_BYTES })
    expect(await after.read(after.find(multihash))).toEqual(bytes)
    expect(after.kind(after.find(multihash))).toBe('authored')
  })

  it('takes no block that was safe before it was copied', async () => {
    const files = new MemoryFiles()
    const { tier, blocks } = await filled(files, 40)
    await tier.close()
    const { tier: again } = await openTier({ path: PATH, files, segmentBytes: SEGMENT_BYTES })
    const kept = blocks.filter((_, i) => i % 3 !== 0)
    const images: MemoryFiles[] = []
    files.onChange = () => { images.push(files.image({ power: true })) }
    await again.remove(blocks.filter((_, i) => i % 3 === 0).map(({ multihash }) => again.find(multihash)))
    await again.compact()
    expect(images.length).toBeGreaterThan(20)
    for (const image of images) {
      const { tier: after } = await openTier({ path: PATH, files: image, segmentBytes: SEGMENT_BYTES })
      for (const { multihash, bytes } of kept) {
        expect(await after.read(after.find(multihash))).toEqual(bytes)
      }
      await after.close()
    }
  })
})
