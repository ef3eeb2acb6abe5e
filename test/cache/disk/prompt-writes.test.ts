import { describe, expect, it } from 'vitest'
import { PromptWrites } from '../../../src/cache/disk/prompt-writes.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'
import { MemoryFiles, systemError } from './support/memory-files.ts'
import { block, openTier } from './support/tiers.ts'
import type { DiskTier } from '../../../src/cache/disk/disk-tier.ts'
import type { Clock } from '../../../src/interface/clock.ts'
import type { Block } from './support/tiers.ts'

const PATH = '/cache'
const MINUTE = 60_000

interface Tried {
  readonly tier: DiskTier
  readonly files: MemoryFiles
  readonly virtual: VirtualClock
  /** Passes without a turn of anything else, as while a write hangs */
  readonly time: { late: number }
  /** Writes one more block, which no write before was of */
  now (size?: number): number
  /** By a thread, as it is done whenever it cannot be done now */
  later (size?: number): Promise<number>
}

async function opened (): Promise<Tried> {
  const files = new MemoryFiles()
  const virtual = new VirtualClock()
  const time = { late: 0 }
  const clock: Clock = { now: () => virtual.now() + time.late, wall: () => virtual.wall(), schedule: (ms, fn) => virtual.schedule(ms, fn), sleep: async (ms, options) => virtual.sleep(ms, options), timeout: ms => virtual.timeout(ms) }
  const { tier } = await openTier({ path: PATH, files }, { clock })
  let number = 0
  const next = (size: number): Block => block(number++, size)
  return {
    tier,
    files,
    virtual,
    time,
    now: (size = 100) => {
      const { multihash, bytes } = next(size)
      return tier.writeNow(multihash, bytes, 'fetched')
    },
    later: async (size = 100) => {
      const { multihash, bytes } = next(size)
      return tier.write(multihash, bytes, 'fetched')
    }
  }
}

/** How many writes in a row were made at once */
function run (now: () => number): number {
  let count = 0
  while (count < 2_000 && now() !== -1) {
    count++
  }
  return count
}

describe('a small write', () => {
  it('is made at once when one by a thread was prompt, and is there after a crash', async () => {
    const { tier, files, now, later } = await opened()
    expect(now()).toBe(-1)
    await later()
    const { multihash, bytes } = block(99, 1_000)
    const slot = tier.writeNow(multihash, bytes, 'authored')
    expect(files.promptWrites).toBe(1)
    expect([tier.find(multihash), tier.kind(slot), tier.checked(slot)]).toEqual([slot, 'authored', true])
    expect(await tier.read(slot)).toEqual(bytes)

    const { tier: again, report } = await openTier({ path: PATH, files: files.image() })
    expect([report.blocks, report.repairs]).toEqual([2, []])
    expect(await again.read(again.find(multihash))).toEqual(bytes)
  })

  it('goes to a thread after so many in a row, or so many bytes, so that others have their turn', async () => {
    const { now, later } = await opened()
    for (const [size, most] of [[100, 1_024], [10_000, 208], [16_384, 127]] as const) {
      await later()
      expect(run(() => now(size))).toBe(most)
    }
  })

  it('goes to a thread after so long, of which the time between two runs is no part', async () => {
    const { files, time, now, later } = await opened()
    for (let i = 0; i < 2; i++) {
      await later()
      time.late += 1_000
      files.fault = operation => {
        time.late += operation === 'write' ? 3 : 0
        return undefined
      }
      expect(run(() => now())).toBe(3)
      files.fault = undefined
    }
    await later()
    expect(now()).not.toBe(-1)
    time.late += 9
    expect(now()).not.toBe(-1)
    expect(now()).toBe(-1)
  })

  it('goes to a thread when it is not small, when the block is there, when the segment is full, and while another one is under way', async () => {
    const { tier, now, later } = await opened()
    await later()
    const { multihash, bytes } = block(0, 100)
    expect([now(20_480), tier.writeNow(multihash, bytes, 'fetched'), tier.writeNow(new Uint8Array(256), bytes, 'fetched')]).toEqual([-1, -1, -1])
    const writing = later()
    expect(now()).toBe(-1)
    await writing
    expect(now()).not.toBe(-1)

    const files = new MemoryFiles()
    const { tier: small } = await openTier({ path: PATH, files, segmentBytes: 2_048 })
    await small.write(multihash, bytes, 'fetched')
    const [one, other] = [block(1, 1_200), block(2, 1_200)]
    expect([small.writeNow(one.multihash, one.bytes, 'fetched'), small.writeNow(other.multihash, other.bytes, 'fetched')]).toEqual([1, -1])
  })

  it.each(['ENOSPC', 'EIO'])('that fails with %s or halfway leaves nothing behind, and is made by a thread, which says what is wrong', async code => {
    for (const fault of [systemError(code), 60]) {
      const { tier, files, now, later } = await opened()
      await later()
      files.fault = operation => operation === 'write' ? fault : undefined
      expect(now(500)).toBe(-1)
      files.fault = undefined
      await later()
      files.fault = operation => operation === 'write' ? systemError(code) : undefined
      await expect(later()).rejects.toThrow(expect.objectContaining({ code }))
      files.fault = undefined
      // threads only, for a minute
      expect([files.promptWrites, now()]).toEqual([fault === 60 ? 1 : 0, -1])
      expect(tier.usage().blocks).toBe(2)
      const { report } = await openTier({ path: PATH, files: files.image() })
      expect([report.blocks, report.repairs]).toEqual([2, []])
    }
  })

  it('whose rest cannot be cut off ends the segment', async () => {
    const { files, now, later } = await opened()
    await later()
    files.fault = operation => operation === 'write' ? 60 : operation === 'truncate' ? systemError('EIO') : undefined
    expect(now(500)).toBe(-1)
    files.fault = operation => operation === 'truncate' ? systemError('EIO') : undefined
    await later()
    expect(files.paths('.seg')).toHaveLength(2)
    const { report } = await openTier({ path: PATH, files: files.image() })
    expect(report.blocks).toBe(2)
  })
})

describe('a disk that is not prompt', () => {
  it('stops the process once, then is left to threads for a minute, and for two the next time', async () => {
    const { files, time, now, later } = await opened()
    const hangs = async (ms: number): Promise<void> => {
      await later()
      files.fault = operation => {
        time.late += operation === 'write' ? ms : 0
        return undefined
      }
      expect(now()).not.toBe(-1)
      files.fault = undefined
      expect(now()).toBe(-1)
    }
    await hangs(3_000)
    for (const rest of [MINUTE, MINUTE * 2, MINUTE * 4]) {
      time.late += rest - 1
      await later()
      expect(now()).toBe(-1)
      time.late += 1
      await hangs(101)
    }
    time.late += 60 * MINUTE
    await later()
    expect(now()).not.toBe(-1)
  })

  it('is seen by what threads do: a slow write, one that fails, a syncing that does not end', async () => {
    const { tier, files, virtual, time, now, later } = await opened()
    await later()
    files.fault = operation => {
      time.late += operation === 'write' ? 101 : 0
      return undefined
    }
    await later(30_000)
    files.fault = undefined
    expect(now()).toBe(-1)
    await later()
    expect(now()).not.toBe(-1)
    files.fault = operation => operation === 'write' ? systemError('EIO') : undefined
    await expect(later(30_000)).rejects.toThrow(expect.objectContaining({ code: 'EIO' }))
    files.fault = undefined
    await later()
    expect(now()).toBe(-1)

    time.late += MINUTE
    await later()
    const gate = Promise.withResolvers<void>()
    files.fault = operation => operation === 'sync' ? gate.promise : undefined
    const { multihash, bytes } = block(99, 100)
    await tier.write(multihash, bytes, 'authored')
    await virtual.advance(5_000)
    await later()
    expect(files.calls).toContain('sync')
    expect(now()).toBe(-1)
    gate.resolve()
    files.fault = undefined
    await virtual.advance(1)
    await later()
    expect(now()).not.toBe(-1)
  })
})

it('the time for which a slow disk is left to threads is never longer than an hour', () => {
  const time = { late: 0 }
  const prompt = new PromptWrites({ now: () => time.late } as unknown as Clock)
  for (let i = 0; i < 20; i++) {
    prompt.answered(time.late, false)
    expect(prompt.allows(100)).toBe(true)
    prompt.run(100, () => {
      time.late += 200
      return 100
    })
    time.late += 60 * MINUTE
  }
})
