import { CID } from 'multiformats/cid'
import * as Digest from 'multiformats/hashes/digest'
import { describe, expect, it } from 'vitest'
import { recordBytes } from '../../../src/cache/disk/record.ts'
import { MemoryFiles, systemError } from './support/memory-files.ts'
import { PER_SEGMENT, blocks, held, open, segment, sidecar } from './support/seven-blocks.ts'
import { block } from './support/tiers.ts'
import type { DiskTier } from '../../../src/cache/disk/disk-tier.ts'
import type { CacheKind } from '../../../src/interface/cache.ts'
import type { Block } from './support/tiers.ts'

const nameOf = ({ multihash }: Block): string => CID.createV1(0x55, Digest.decode(multihash)).toString()
const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i)

async function put (tier: DiskTier, some: readonly Block[], kind: CacheKind = 'authored'): Promise<void> {
  for (const { multihash, bytes } of some) {
    await tier.write(multihash, bytes, kind)
  }
}

async function filled (count = blocks.length): Promise<MemoryFiles> {
  const files = new MemoryFiles()
  const { tier } = await open(files)
  await put(tier, blocks.slice(0, count))
  await tier.close()
  return files
}

function cut (files: MemoryFiles, path: string, bytes: number): void {
  const inode = files.inodes.get(path) ?? expect.fail(`there is no ${path}`)
  inode.bytes = Buffer.from(inode.bytes.subarray(0, bytes))
}

const slotOf = (tier: DiskTier, i: number): number => tier.find((blocks[i] as Block).multihash)

describe('the last segment, of which the end is lost', () => {
  it.each([0, 1, 3, 5])('has none of what is put afterwards taken for what was in that end, though the process is killed: with %d blocks left', async left => {
    for (const size of [500, 480, 520]) {
      const files = await filled(6)
      cut(files, segment(1), left * recordBytes(34, 500))
      const { tier, report } = await open(files)
      expect(report.repairs.join('\n')).toContain(`${6 - left} of the blocks that its sidecar lists are gone: `)

      // of the same length, and of others, so that they end where the lost ones did, and elsewhere
      const later = Array.from({ length: 30 }, (_, i) => block(100 + i, size))
      for (const [i, { multihash, bytes }] of later.entries()) {
        await tier.write(multihash, bytes, 'authored')
        const { tier: killed, report: after } = await open(files.image())
        expect([i, await held(killed, later)]).toEqual([i, range(0, i + 1)])
        expect(await held(killed)).toEqual(range(0, left))
        // said once, as it was repaired for good
        expect(after.repairs.filter(repair => !repair.endsWith(': it had no sidecar and was read instead'))).toEqual([])
        await killed.close()
      }
      await tier.close()
    }
  })

  it('keeps what is known from its sidecar: what was removed stays so, and what was put is nothing that is fetched', async () => {
    const files = new MemoryFiles()
    const { tier } = await open(files)
    await put(tier, blocks.slice(0, 10), 'fetched')
    const whole = files.inodes.get(segment(2))?.bytes.byteLength ?? 0
    await tier.remove([slotOf(tier, 1), slotOf(tier, 8)])
    await tier.setKind(slotOf(tier, 2), 'authored')
    await tier.setKind(slotOf(tier, 9), 'authored')
    await tier.close()
    cut(files, segment(2), whole)

    for (let start = 0; start < 3; start++) {
      const { tier: again, report } = await open(files)
      expect(report.repairs).toEqual(start === 0 ? ['segment 2: its sidecar was for a longer segment; the segment was read instead'] : [])
      expect(await held(again)).toEqual([0, 2, 3, 4, 5, 6, 7, 9])
      expect([2, 9, 3, 7].map(i => again.kind(slotOf(again, i)))).toEqual(['authored', 'authored', 'fetched', 'fetched'])
      // carried on, too
      await again.compact()
      await again.close()
    }
  })
})

describe('a segment whose file is gone', () => {
  it.each(['gone', 'empty'])('costs what was in it, which is said by name, and once: %s', async how => {
    for (const id of [1, 2, 5]) {
      const files = await filled()
      if (how === 'gone') {
        files.inodes.delete(segment(id))
      } else {
        cut(files, segment(id), 0)
      }
      const there = range(0, 35).filter(i => Math.floor(i / PER_SEGMENT) !== id - 1)
      const { tier, report } = await open(files)
      expect(await held(tier)).toEqual(there)
      const said = report.repairs.join('\n')
      expect(said).toContain(`segment ${id}: 7 of the blocks that its sidecar lists are gone: `)
      for (const i of range(0, 35).filter(i => !there.includes(i))) {
        expect(said).toContain(nameOf(blocks[i] as Block))
      }
      expect(files.paths(`${String(id).padStart(8, '0')}.idx`)).toEqual([])
      const { report: killed } = await open(files.image())
      expect(killed.repairs).toEqual([])
      await put(tier, [block(100, 500)])
      await tier.close()
      const { tier: again, report: second } = await open(files)
      expect(second.repairs).toEqual([])
      expect(await held(again)).toEqual(there)
      // no number is used for two segments
      expect(files.inodes.has(segment(id))).toBe(false)
    }
  })

  it('is not said to have had what was removed from it, or is elsewhere', async () => {
    const files = await filled()
    const { tier } = await open(files)
    await tier.remove([slotOf(tier, 7), slotOf(tier, 8)])
    await put(tier, [blocks[9] as Block])
    await tier.close()
    files.inodes.delete(segment(2))
    const { report } = await open(files)
    expect(report.repairs).toEqual([expect.stringContaining('segment 2: 4 of the blocks')])
    for (const i of [7, 8, 9]) {
      expect(report.repairs[0]).not.toContain(nameOf(blocks[i] as Block))
    }
  })

  it.each(['gone', 'empty'])('has what it said about others said again: what was removed stays so: %s', async how => {
    const files = new MemoryFiles()
    const { tier } = await open(files)
    await put(tier, blocks.slice(0, 7), 'fetched')
    // the next segment
    await put(tier, blocks.slice(7, 12))
    await tier.remove([slotOf(tier, 1), slotOf(tier, 2)])
    await tier.setKind(slotOf(tier, 3), 'authored')
    await put(tier, blocks.slice(12, 20))
    await tier.close()
    if (how === 'gone') {
      files.inodes.delete(segment(2))
    } else {
      cut(files, segment(2), 0)
    }
    const before = files.image()
    for (let start = 0; start < 3; start++) {
      const { tier: again } = await open(files)
      expect((await held(again)).filter(i => i < 7)).toEqual([0, 3, 4, 5, 6])
      expect(again.kind(slotOf(again, 3))).toBe('authored')
      const { tier: killed } = await open(files.image())
      expect((await held(killed)).filter(i => i < 7)).toEqual([0, 3, 4, 5, 6])
      expect(killed.kind(slotOf(killed, 3))).toBe('authored')
      await again.close()
    }

    // at whatever moment the process is killed while that is done
    const images: MemoryFiles[] = []
    before.onChange = () => { images.push(before.image()) }
    await open(before)
    before.onChange = undefined
    expect(images.length).toBeGreaterThan(8)
    for (const image of images) {
      const { tier: killed } = await open(image)
      expect((await held(killed)).filter(i => i < 7)).toEqual([0, 3, 4, 5, 6])
      expect(killed.kind(slotOf(killed, 3))).toBe('authored')
    }
  })

  it('is said again at the next start, where the disk does not let go of what is left of it', async () => {
    const files = await filled()
    files.inodes.delete(segment(2))
    files.fault = (operation, path) => operation === 'remove' && path === sidecar(2) ? systemError('EIO') : undefined
    for (let start = 0; start < 2; start++) {
      const { tier, report } = await open(files)
      expect(report.repairs).toEqual([expect.stringContaining('segment 2: 7 of the blocks that its sidecar lists are gone: ')])
      expect(await held(tier)).toHaveLength(28)
      await tier.close()
    }
  })

  it('with a sidecar that is damaged, or cannot be read, says so', async () => {
    const files = await filled()
    files.inodes.delete(segment(2))
    const damaged = files.image()
    const bytes = damaged.inodes.get(sidecar(2))?.bytes ?? expect.fail('there is one')
    bytes[30] = (bytes[30] as number) ^ 1
    expect((await open(damaged)).report.repairs).toEqual(['segment 2: its file is gone, and its sidecar is damaged: what was in it is not known'])
    expect((await open(damaged.image())).report.repairs).toEqual([])

    files.fault = (operation, path) => operation === 'read' && path === sidecar(2) ? systemError('EIO') : undefined
    const { tier, report } = await open(files)
    expect(report.repairs).toEqual([expect.stringMatching(/^segment 2: its file is gone, and its sidecar cannot be read \(.*EIO.*\): it is tried again at the next start$/)])
    await tier.close()
    files.fault = undefined
    expect((await open(files)).report.repairs).toEqual([expect.stringContaining('segment 2: 7 of the blocks')])
  })
})

it('an empty segment without a sidecar, as a loss of power leaves it, is removed', async () => {
  const files = await filled()
  cut(files, segment(2), 0)
  files.inodes.delete(sidecar(2))
  const { tier, report } = await open(files)
  expect(report.repairs).toEqual(['segment 2: it had no sidecar and was read instead', 'segment 2: its file was empty, and has been removed'])
  expect(files.inodes.has(segment(2))).toBe(false)
  await tier.close()
  expect((await open(files)).report.repairs).toEqual([])
})

describe('a segment that could not be synced', () => {
  it.each(['sealed', 'closed'])('has no sidecar, which could be all that a loss of power leaves: %s', async how => {
    const files = new MemoryFiles()
    const { tier } = await open(files)
    await put(tier, blocks.slice(0, 3))
    files.fault = (operation, path) => operation === 'sync' && path === segment(1) ? systemError('EIO') : undefined
    if (how === 'sealed') {
      await put(tier, blocks.slice(3, 10))
    }
    await tier.close()
    expect(files.paths('.idx')).toEqual(how === 'sealed' ? [sidecar(2)] : [])
    const { tier: again } = await open(files.image())
    expect(await held(again)).toEqual(range(0, how === 'sealed' ? 10 : 3))
  })

  it('by a process that was killed is synced before it has a sidecar', async () => {
    const files = new MemoryFiles()
    const { tier } = await open(files)
    await put(tier, blocks.slice(0, 10))
    const killed = files.image()
    killed.inodes.delete(sidecar(1))
    killed.inodes.forEach(inode => { inode.synced = Buffer.alloc(0) })
    await tier.close()

    const { tier: again } = await open(killed)
    expect(killed.inodes.get(segment(1))?.synced.byteLength).toBeGreaterThan(0)
    await again.close()
    expect(killed.inodes.get(segment(2))?.synced.byteLength).toBeGreaterThan(0)
    expect(killed.paths('.idx')).toEqual([sidecar(1), sidecar(2)])
  })
})

describe('the sidecar of the last segment, which was put beside another end of it', () => {
  it.each([
    ['is not believed', 'with other blocks', [0, 1, 2, 6, 7, 8, 9]],
    ['is not believed', 'with another last one', [0, 1, 2, 3, 4, 10]],
    ['is believed, so that it is found and put aside when it is read,', 'with one that is damaged', range(0, 6)]
  ] as const)('%s: %s', async (_, how, there) => {
    const files = await filled(6)
    const saved = files.inodes.get(sidecar(1))?.bytes ?? expect.fail('there is one')
    const all = [...blocks.slice(0, 10), block(100, 500)]
    if (how === 'with one that is damaged') {
      const bytes = files.inodes.get(segment(1))?.bytes ?? expect.fail('there is one')
      const at = 2 * recordBytes(34, 500) + 30
      bytes[at] = (bytes[at] as number) ^ 1
    } else {
      files.inodes.delete(sidecar(1))
      cut(files, segment(1), (how === 'with other blocks' ? 3 : 5) * recordBytes(34, 500))
      const { tier } = await open(files)
      const later = how === 'with other blocks' ? [6, 7, 8, 9] : [10]
      await put(tier, later.map(i => all[i] as Block))
      await tier.close()
      files.inodes.set(sidecar(1), { bytes: saved, synced: saved })
    }
    const { tier, report } = await open(files)
    expect(report.repairs.some(repair => repair.includes('for other blocks'))).toBe(how !== 'with one that is damaged')
    expect(all.flatMap(({ multihash }, i) => tier.find(multihash) === -1 ? [] : [i])).toEqual([...there])
  })
})
