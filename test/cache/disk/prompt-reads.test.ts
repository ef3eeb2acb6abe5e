import { describe, expect, it } from 'vitest'
import { PromptReads } from '../../../src/cache/disk/prompt-reads.ts'
import { newSegment } from '../../../src/cache/disk/segment.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'
import { MemoryFiles, systemError } from './support/memory-files.ts'
import { block, openTier } from './support/tiers.ts'
import type { DiskTier } from '../../../src/cache/disk/disk-tier.ts'
import type { Segment } from '../../../src/cache/disk/segment.ts'
import type { Clock } from '../../../src/interface/clock.ts'
import type { Block } from './support/tiers.ts'

const KIB = 1_024
const MIB = KIB ** 2
const MINUTE = 60_000

interface Tried {
  readonly tier: DiskTier
  readonly files: MemoryFiles
  readonly virtual: VirtualClock
  /** Passes without a turn of anything else, as while a read hangs */
  readonly time: { late: number }
  /** Reads the block, checks it, and says whether it was read at once */
  read (block: Block): Promise<boolean>
}

async function opened (...blocks: readonly Block[]): Promise<Tried> {
  const files = new MemoryFiles()
  const virtual = new VirtualClock()
  const time = { late: 0 }
  const clock: Clock = { now: () => virtual.now() + time.late, wall: () => virtual.wall(), schedule: (ms, fn) => virtual.schedule(ms, fn), sleep: async (ms, options) => virtual.sleep(ms, options), timeout: ms => virtual.timeout(ms) }
  const { tier } = await openTier({ path: '/cache', files }, { clock })
  for (const { multihash, bytes } of blocks) {
    await tier.write(multihash, bytes, 'fetched')
  }
  return {
    tier,
    files,
    virtual,
    time,
    read: async ({ multihash, bytes }) => {
      const slot = tier.find(multihash)
      const read = tier.readNow(slot)
      expect(read ?? await tier.read(slot)).toEqual(bytes)
      return read != null
    }
  }
}

describe('a read', () => {
  it('is made at once where the block was read before', async () => {
    const [one, other] = [block(1, 100 * KIB), block(2, 100 * KIB)]
    const { read } = await opened(one, other)
    expect([await read(one), await read(one), await read(one)]).toEqual([false, true, true])
    // its end is in the same part as the beginning of the other, whose end is not
    expect([await read(other), await read(other)]).toEqual([false, true])
  })

  it('goes to a thread where the block is large', async () => {
    const [fits, large] = [block(1, 128 * KIB), block(2, 140 * KIB)]
    const { read } = await opened(fits, large)
    expect([await read(fits), await read(fits), await read(large), await read(large)]).toEqual([false, true, false, false])
  })

  it('goes to a thread while others are there that the disk does not answer', async () => {
    const [one, other] = [block(1, KIB), block(2, 200 * KIB)]
    const { tier, files, read, time } = await opened(one, other)
    await read(one)
    const held = Promise.withResolvers<undefined>()
    files.fault = (operation, _path, bytes) => operation === 'read' && bytes > 100 * KIB ? held.promise : undefined
    const reading = tier.read(tier.find(other.multihash))
    expect(await read(one)).toBe(true)
    time.late += 21
    expect(await read(one)).toBe(false)
    // which was answered
    expect(await read(one)).toBe(true)
    time.late += 21
    expect(tier.readNow(tier.find(one.multihash))).toBeUndefined()
    held.resolve(undefined)
    expect(await reading).toEqual(other.bytes)
    expect(await read(one)).toBe(true)
  })

  it('goes to a thread now and then, so that others have their turn', async () => {
    const one = block(1, KIB)
    const { read, time } = await opened(one)
    await read(one)
    const at: boolean[] = []
    for (let i = 0; i < 8; i++) {
      at.push(await read(one))
      time.late++
    }
    expect(at).toEqual([true, true, true, false, true, true, true, false])
  })

  it('that fails or stops short at once is made once more by a thread', async () => {
    const one = block(1, 10 * KIB)
    const { files, read } = await opened(one)
    await read(one)
    for (const fault of [systemError('EIO'), 5_000, 0]) {
      let refused = 0
      files.fault = operation => operation === 'read' && refused++ === 0 ? fault : undefined
      await read(one)
      expect(refused).toBe(2)
    }
  })

  it('that was slow is followed by one of a thread, and the next is not', async () => {
    const one = block(1, KIB)
    const { files, read, time } = await opened(one)
    await read(one)
    for (let i = 0; i < 10; i++) {
      files.fault = operation => {
        time.late += operation === 'read' ? 6 : 0
        return undefined
      }
      expect(await read(one)).toBe(true)
      files.fault = undefined
      expect(await read(one)).toBe(false)
      for (let quick = 0; quick < 16; quick++) {
        expect(await read(one)).toBe(true)
      }
    }
  })

  it('that came from the disk after all leaves the disk to threads for a minute, then for two', async () => {
    const one = block(1, KIB)
    const { files, read, time, virtual } = await opened(one)
    await read(one)
    for (const rest of [MINUTE, 2 * MINUTE]) {
      files.fault = (operation, _path, bytes) => {
        time.late += operation === 'read' && bytes > 0 ? 6 : 0
        return undefined
      }
      expect([await read(one), await read(one), await read(one), await read(one), await read(one)]).toEqual([true, false, true, false, true])
      files.fault = undefined
      expect([await read(one), await read(one)]).toEqual([false, false])
      await virtual.advance(rest - 20)
      expect(await read(one)).toBe(false)
      await virtual.advance(40)
      expect(await read(one)).toBe(true)
      await read(one)
    }
  })
})

describe('a damaged block', () => {
  it.each([40, 10_000, 40_000])('of %i bytes is not given, wherever the damage is: it is read once more, which says so', async length => {
    const one = block(1, length)
    const { tier, files, read } = await opened(one)
    await read(one)
    const slot = tier.find(one.multihash)
    const flip = (at: number): void => {
      const { bytes } = files.inodes.get(files.paths('.seg')[0] as string) as { bytes: Buffer }
      bytes[at] = (bytes[at] as number) ^ 1
    }
    expect(tier.readNow(slot)).toEqual(one.bytes)
    // magic, checksum, multihash, and both ends of the bytes
    for (const at of [0, 20, 40, 64, 63 + length]) {
      flip(at)
      expect(tier.readNow(slot)).toBeUndefined()
      await expect(tier.read(slot)).rejects.toThrow(expect.objectContaining({ name: 'DamagedBlockError' }))
      flip(at)
      expect(tier.readNow(slot)).toEqual(one.bytes)
    }
  })
})

describe('what is in memory', () => {
  function segmentOf (bytes: number): Segment {
    return { ...newSegment(1, bytes), file: { readNow: (target: Uint8Array) => target.byteLength } as unknown as NonNullable<Segment['file']> }
  }

  it('is what was read last, as much as fits into a quarter of what was free', () => {
    const reads = new PromptReads(new VirtualClock(), 4 * MIB)
    const segment = segmentOf(4 * MIB)
    const isPrompt = (offset: number): boolean => reads.allows(segment, offset, KIB)

    reads.done(segment, 0, 100 * KIB)
    reads.done(segment, 2 * MIB, MIB - 100 * KIB)
    expect([isPrompt(0), isPrompt(99 * KIB), isPrompt(128 * KIB), isPrompt(2 * MIB)]).toEqual([true, true, false, true])
    reads.done(segment, 2 * MIB, 100 * KIB)
    expect([isPrompt(0), isPrompt(2 * MIB)]).toEqual([false, true])
  })

  it('is nothing of what is beyond the segment', () => {
    const reads = new PromptReads(new VirtualClock(), 4 * MIB)
    const segment = segmentOf(MIB)
    reads.done(segment, MIB - KIB, 64 * KIB)
    expect(reads.allows(segment, MIB - KIB, 2 * KIB)).toBe(false)
  })
})
