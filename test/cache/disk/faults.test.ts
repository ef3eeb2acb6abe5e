import { setImmediate } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { recordBytes } from '../../../src/cache/disk/record.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'
import { MemoryFiles, systemError } from './support/memory-files.ts'
import { block, openTier } from './support/tiers.ts'
import type { DiskTier } from '../../../src/cache/disk/disk-tier.ts'
import type { FileOperation } from './support/memory-files.ts'
import type { Block } from './support/tiers.ts'

const PATH = '/cache'
const blocks = Array.from({ length: 40 }, (_, i) => block(i, 500))

async function open (files: MemoryFiles, segmentBytes = 4_096): Promise<DiskTier> {
  return (await openTier({ path: PATH, files, segmentBytes })).tier
}

async function put (tier: DiskTier, { multihash, bytes }: Block): Promise<number> {
  return tier.write(multihash, bytes, 'fetched')
}

async function expectExactly (tier: DiskTier, there: readonly Block[]): Promise<void> {
  for (const { multihash, bytes } of there) {
    expect(await tier.read(tier.find(multihash))).toEqual(bytes)
  }
  expect(tier.usage().blocks).toBe(there.length)
}

/** What is there after a crash now, too */
async function expectAfterCrash (files: MemoryFiles, there: readonly Block[]): Promise<void> {
  const tier = await open(files.image())
  await expectExactly(tier, there)
  await tier.close()
}

describe('a write that fails', () => {
  it.each(['ENOSPC', 'EIO', 'EROFS', 'EDQUOT'])('with %s says so, leaves nothing behind, and the next one works when the fault is gone', async code => {
    const files = new MemoryFiles()
    const tier = await open(files)
    await put(tier, blocks[0] as Block)
    let sick = true
    files.fault = (operation, path) => sick && operation === 'write' && path.endsWith('.seg') ? systemError(code) : undefined

    await expect(put(tier, blocks[1] as Block)).rejects.toThrow(expect.objectContaining({ code }))
    expect(tier.find((blocks[1] as Block).multihash)).toBe(-1)
    await expectExactly(tier, [blocks[0] as Block])
    await expectAfterCrash(files, [blocks[0] as Block])

    sick = false
    await put(tier, blocks[1] as Block)
    await expectExactly(tier, blocks.slice(0, 2))
    await expectAfterCrash(files, blocks.slice(0, 2))
  })

  it('half way leaves no half record, and keeps those of the same call that went in whole', async () => {
    const files = new MemoryFiles()
    const tier = await open(files, 1_000_000)
    const cost = recordBytes(34, 500)
    let room = 3 * cost + 100
    files.fault = (operation, path, bytes) => {
      if (operation !== 'write' || !path.endsWith('.seg')) {
        return undefined
      }
      const goes = Math.min(bytes, room)
      room -= goes
      return goes === 0 ? systemError('ENOSPC') : goes
    }
    const results = await Promise.allSettled(blocks.slice(0, 10).map(async each => put(tier, each)))
    const there = blocks.slice(0, 10).filter((_, i) => results[i]?.status === 'fulfilled')

    expect(there).toHaveLength(3)
    await expectExactly(tier, there)
    await expectAfterCrash(files, there)
    expect(files.inodes.get(files.paths('.seg')[0] as string)?.bytes.byteLength).toBe(3 * cost)
    room = Infinity
    await put(tier, blocks[20] as Block)
    await expectAfterCrash(files, [...there, blocks[20] as Block])
  })

  it('and whose rest cannot be cut off either ends the segment: nothing in that rest ever comes back', async () => {
    const files = new MemoryFiles()
    const tier = await open(files, 1_000_000)
    await put(tier, blocks[0] as Block)
    let sick = true
    const cost = recordBytes(34, 500)
    let written = 0
    files.fault = (operation, path) => {
      if (!sick || !path.endsWith('.seg')) {
        return undefined
      }
      if (operation === 'write') {
        // the second block arrives as a whole, and the call fails all the same
        return written++ === 0 ? cost + 8 : systemError('EIO')
      }
      return operation === 'truncate' ? systemError('EIO') : undefined
    }
    const results = await Promise.allSettled([put(tier, blocks[1] as Block), put(tier, blocks[2] as Block)])
    sick = false
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected'])
    await put(tier, blocks[3] as Block)
    expect(files.paths('.seg')).toHaveLength(2)
    await expectExactly(tier, [0, 1, 3].map(i => blocks[i] as Block))
    await tier.close()
    await expectAfterCrash(files, [0, 1, 3].map(i => blocks[i] as Block))
  })

  it.each(['put', 'copied'] as const)('though the record arrives whole, and cannot be cut off, does not bring back a block that was %s and removed', async how => {
    const files = new MemoryFiles()
    let sick = false
    const { open: openFile } = files
    // its calls fail when they are over
    files.open = async (path, mode) => {
      const file = await openFile.call(files, path, mode)
      const write = file.write.bind(file)
      file.write = async (buffers, position) => {
        const written = await write(buffers, position)
        if (sick && path.endsWith('.seg')) {
          throw systemError('EIO')
        }
        return written
      }
      return file
    }
    files.fault = (operation, path) => (operation === 'truncate' && sick) || (operation === 'open' && path.endsWith('.idx.new')) ? systemError('EIO') : undefined
    const tier = await open(files, 1_000_000)
    const [other, one] = blocks as [Block, Block]
    await put(tier, other)
    if (how === 'copied') {
      await put(tier, one)
      await put(tier, blocks[2] as Block)
      await tier.remove([tier.find((blocks[2] as Block).multihash)])
    }
    sick = true
    await expect(how === 'put' ? put(tier, one) : tier.compact()).rejects.toThrow()
    sick = false
    if (how === 'put') {
      await put(tier, one)
    }
    await tier.remove([tier.find(one.multihash)])
    await expectAfterCrash(files, [other])
  })

  it('in short pieces is no failure', async () => {
    const files = new MemoryFiles()
    files.fault = (operation, _, bytes) => operation === 'write' || operation === 'read' ? Math.min(bytes, 333) : undefined
    const tier = await open(files)
    await Promise.all(blocks.map(async each => put(tier, each)))
    await expectExactly(tier, blocks)
    await expectAfterCrash(files, blocks)
  })
})

describe('a full disk', () => {
  /** A disk of so many bytes */
  function limited (files: MemoryFiles, room: () => number): void {
    files.fault = (operation, _, bytes) => {
      const used = [...files.inodes.values()].reduce((sum, inode) => sum + inode.bytes.byteLength, 0)
      return operation === 'write' && used + bytes > room() ? systemError('ENOSPC') : undefined
    }
  }

  it('can be emptied: what is removed is written down and given back, and there is room again', async () => {
    const files = new MemoryFiles()
    limited(files, () => 65_536 + 20_000)
    const tier = await open(files)
    expect(files.paths('/reserve')).toHaveLength(1)
    const there: Block[] = []
    for (const each of blocks) {
      try {
        await put(tier, each)
        there.push(each)
      } catch (err) {
        expect(err).toMatchObject({ code: 'ENOSPC' })
        break
      }
    }
    expect(there.length).toBeGreaterThan(20)
    const [first, ...rest] = there
    await tier.remove(there.slice(0, 10).map(({ multihash }) => tier.find(multihash)))
    await expectAfterCrash(files, there.slice(10))
    await tier.compact()
    await put(tier, first as Block)
    await expectAfterCrash(files, [...rest.slice(9), first as Block])
    expect(files.paths('/reserve')).toHaveLength(1)
  })

  it('can be emptied, though whoever puts tries all the time to have the space that is given up for that', async () => {
    const files = new MemoryFiles()
    const room = 1_048_576
    files.fault = (operation, _, bytes) => {
      const taken = [...files.inodes.values()].reduce((sum, { bytes }) => sum + bytes.byteLength, 0)
      return operation === 'write' && taken + bytes > room ? systemError('ENOSPC') : undefined
    }
    const { tier } = await openTier({ path: PATH, files, segmentBytes: 65_536 })
    const put = async (number: number): Promise<boolean> => tier.write(block(number, 120).multihash, block(number, 120).bytes, 'authored').then(() => true, (err: unknown) => {
      expect(err).toMatchObject({ code: 'ENOSPC' })
      return false
    })
    let number = 0
    while (await put(number)) {
      number++
    }
    for (let i = 0; i < number; i++) {
      await tier.remove([tier.find(block(i, 120).multihash)])
      for (let more = 0; more < 3; more++) {
        await put(100_000 + i * 3 + more)
      }
      if (i % 100 === 99) {
        // what is too large to be copied waits for others
        await tier.compact().catch((err: unknown) => { expect(err).toMatchObject({ code: 'ENOSPC' }) })
      }
    }
    await tier.close()
    const { tier: again } = await openTier({ path: PATH, files, segmentBytes: 65_536 })
    expect(again.find(block(0, 120).multihash)).toBe(-1)
  })

  it('opens, when somebody else filled it', async () => {
    const files = new MemoryFiles()
    const tier = await open(files)
    await put(tier, blocks[0] as Block)
    await tier.close()
    let locks = 0
    const room = [...files.inodes.values()].reduce((sum, inode) => sum + inode.bytes.byteLength, 0)
    files.fault = (operation, _, bytes) => {
      const used = [...files.inodes.values()].reduce((sum, inode) => sum + inode.bytes.byteLength, 0)
      return (operation === 'lock' && (locks++ === 0 || used >= room)) || (operation === 'write' && used + bytes > room) ? systemError('ENOSPC') : undefined
    }
    const again = await open(files)
    await expectExactly(again, [blocks[0] as Block])
    expect(locks).toBe(2)
  })
})

describe('removals that could not be written down', () => {
  it('are said, gone until the end of the process, and written down with the next', async () => {
    const files = new MemoryFiles()
    const tier = await open(files, 1_000_000)
    for (const each of blocks.slice(0, 3)) {
      await put(tier, each)
    }
    let sick = true
    files.fault = (operation, path) => sick && operation === 'write' && path.endsWith('.seg') ? systemError('EIO') : undefined
    await expect(tier.remove([tier.find((blocks[0] as Block).multihash)])).rejects.toThrow(expect.objectContaining({ code: 'EIO' }))
    expect(tier.find((blocks[0] as Block).multihash)).toBe(-1)
    sick = false
    await tier.remove([tier.find((blocks[1] as Block).multihash)])
    await expectAfterCrash(files, [blocks[2] as Block])
  })

  it('are settled by whoever asks for it, who hears when that fails, by the next write, and by closing', async () => {
    for (const settling of ['settle', 'write', 'close'] as const) {
      const files = new MemoryFiles()
      const tier = await open(files, 1_000_000)
      await put(tier, blocks[0] as Block)
      let sick = true
      files.fault = (operation, path) => sick && operation === 'write' && path.endsWith('.seg') ? systemError('EIO') : undefined
      await expect(tier.remove([0])).rejects.toThrow(expect.objectContaining({ code: 'EIO' }))
      await expect(Promise.all([tier.settle(), tier.settle()])).rejects.toThrow(expect.objectContaining({ code: 'EIO' }))
      sick = false
      switch (settling) {
        case 'settle': await Promise.all([tier.settle(), tier.settle()]); break
        case 'write': await put(tier, blocks[1] as Block); await tier.settle(); break
        case 'close': await tier.close()
      }
      await expectAfterCrash(files, settling === 'write' ? [blocks[1] as Block] : [])
    }
  })
})

describe('reads', () => {
  it('that the disk fails say so, and are no damage', async () => {
    const files = new MemoryFiles()
    const tier = await open(files)
    const slot = await put(tier, blocks[0] as Block)
    let sick = true
    files.fault = operation => sick && operation === 'read' ? systemError('EIO') : undefined
    await expect(tier.read(slot)).rejects.toThrow(expect.objectContaining({ code: 'EIO' }))
    sick = false
    expect(await tier.read(slot)).toEqual((blocks[0] as Block).bytes)
  })

  it('with too many files open close one and try again', async () => {
    const files = new MemoryFiles()
    const tier = await open(files)
    const slots = await Promise.all(blocks.map(async each => put(tier, each)))
    await tier.close()
    expect(files.openFiles).toBe(0)

    const again = await open(files)
    let most = 0
    files.fault = operation => {
      most = Math.max(most, files.openFiles)
      return operation === 'open' && files.openFiles >= 2 ? systemError('EMFILE') : undefined
    }
    for (const { multihash, bytes } of blocks) {
      expect(await again.read(again.find(multihash))).toEqual(bytes)
    }
    expect(slots).toHaveLength(blocks.length)
    expect(most).toBeGreaterThan(0)
    expect(most).toBeLessThanOrEqual(2)
  })

  it('get the bytes as they were, though the block is removed and its segment given back meanwhile', async () => {
    const files = new MemoryFiles()
    const tier = await open(files)
    const slots: number[] = []
    for (const each of blocks) {
      slots.push(await put(tier, each))
    }
    const gate = Promise.withResolvers<void>()
    let held = 0
    files.fault = operation => operation === 'read' && held++ < 2 ? gate.promise : undefined
    const reads = [tier.read(slots[0] as number), tier.read(slots[1] as number)]
    await tier.remove(slots.slice(0, 30))
    const compacted = tier.compact()
    // the slots are used again
    await put(tier, block(100, 500))
    await put(tier, block(101, 500))
    for (let turn = 0; turn < 50; turn++) {
      await setImmediate()
    }
    // all that could be done without the readers is done: the file waits for them
    expect(files.paths('00000001.seg')).toHaveLength(1)
    gate.resolve()
    expect(await Promise.all(reads)).toEqual([blocks[0]?.bytes, blocks[1]?.bytes])
    expect((await compacted).freedBytes).toBeGreaterThan(10_000)
    expect(files.paths('00000001.seg')).toEqual([])
  })
})

describe('a disk that hangs', () => {
  it('is given up when the tier is closed, which says so', async () => {
    const files = new MemoryFiles()
    const clock = new VirtualClock()
    const { tier } = await openTier({ path: PATH, files }, { clock })
    const gate = Promise.withResolvers<void>()
    files.fault = operation => operation === 'write' ? gate.promise : undefined
    const write = put(tier, blocks[0] as Block)
    const closed = tier.close()
    await Promise.all([expect(closed).rejects.toThrow(expect.objectContaining({ code: 'ETIMEDOUT' })), clock.advance(10_000)])
    gate.resolve()
    await write
  })
})

describe('what cannot be synced', () => {
  it('keeps the segment that it was copied from', async () => {
    const files = new MemoryFiles()
    const tier = await open(files)
    const slots: number[] = []
    for (const each of blocks.slice(0, 14)) {
      slots.push(await put(tier, each))
    }
    files.fault = operation => operation === 'sync' ? systemError('EIO') : undefined
    await tier.remove(slots.slice(0, 4))
    await expect(tier.compact()).rejects.toThrow(expect.objectContaining({ code: 'EIO' }))
    expect(files.paths('00000001.seg')).toHaveLength(1)
    await expectExactly(tier, blocks.slice(4, 14))
    // removed after it was copied: gone in both places
    await tier.remove([tier.find((blocks[4] as Block).multihash)])
    await expectAfterCrash(files, blocks.slice(5, 14))
  })
})

describe('a segment that cannot be unlinked', () => {
  it('brings nothing back, though all in it is there twice', async () => {
    const files = new MemoryFiles()
    const noUnlinking = (operation: FileOperation, path: string): Error | undefined => operation === 'remove' && path.endsWith('.seg') ? systemError('EIO') : undefined
    const tier = await open(files)
    for (const each of blocks.slice(0, 14)) {
      await put(tier, each)
    }
    await tier.remove([tier.find((blocks[0] as Block).multihash)])
    files.fault = noUnlinking
    await expect(tier.compact()).rejects.toThrow(expect.objectContaining({ code: 'EIO' }))

    const killed = files.image()
    killed.fault = noUnlinking
    const { tier: again, report } = await openTier({ path: PATH, files: killed, segmentBytes: 4_096 })
    expect(report.repairs).toContainEqual(expect.stringMatching(/^\d+ blocks were there twice/))
    await expectExactly(again, blocks.slice(1, 14))
    await again.remove(blocks.slice(1, 5).map(({ multihash }) => again.find(multihash)))
    await expectAfterCrash(killed, blocks.slice(5, 14))
  })
})

describe('a fault while it is opened', () => {
  it.each<FileOperation>(['list', 'open', 'read', 'size', 'lock'])('of %s is said, and harms nothing', async operation => {
    const files = new MemoryFiles()
    const tier = await open(files)
    await Promise.all(blocks.map(async each => put(tier, each)))
    await tier.close()

    for (let n = 0; n < 30; n++) {
      let calls = 0
      files.fault = each => each === operation && calls++ === n ? systemError('EIO') : undefined
      try {
        const sick = await open(files)
        await sick.close()
      } catch (err) {
        expect(err).toMatchObject({ code: 'EIO' })
      }
      files.fault = undefined
      expect(files.openFiles).toBe(0)
      const well = await open(files)
      await expectExactly(well, blocks)
      await well.close()
    }
  })
})
