import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { CID } from 'multiformats/cid'
import * as Digest from 'multiformats/hashes/digest'
import { describe, expect, it } from 'vitest'
import { headerBytes } from '../../../src/cache/disk/record.ts'
import { MemoryFiles } from './support/memory-files.ts'
import { block, openTier } from './support/tiers.ts'
import type { DiskTier } from '../../../src/cache/disk/disk-tier.ts'

const PATH = '/cache'
const SEGMENT_BYTES = 4_096
const blocks = Array.from({ length: 60 }, (_, i) => block(i, i * 9))
/** Their multihashes are longer than a key */
const long = Array.from({ length: 5 }, (_, i) => ({ multihash: Uint8Array.from([0x13, 64, ...new Uint8Array(64).fill(i)]), bytes: block(i, 300).bytes }))
const all = [...blocks, ...long]

async function filled (): Promise<MemoryFiles> {
  const files = new MemoryFiles()
  const { tier } = await openTier({ path: PATH, files, segmentBytes: SEGMENT_BYTES })
  for (const { multihash, bytes } of all) {
    await tier.write(multihash, bytes, 'fetched')
  }
  await tier.setKind(tier.find((blocks[50] as { multihash: Uint8Array }).multihash), 'authored')
  await tier.remove(blocks.slice(0, 10).map(({ multihash }) => tier.find(multihash)))
  await tier.close()
  return files
}

/** @returns which blocks could not be read; whatever could is right */
async function lost (tier: DiskTier): Promise<number[]> {
  const gone: number[] = []

  for (const [i, { multihash, bytes }] of all.entries()) {
    const slot = tier.find(multihash)
    if (slot === -1) {
      gone.push(i)
      continue
    }
    try {
      expect(await tier.read(slot)).toEqual(bytes)
    } catch (err) {
      expect(err).toMatchObject({ name: 'DamagedBlockError' })
      await tier.quarantine(slot, 'a test')
      expect(tier.find(multihash)).toBe(-1)
      gone.push(i)
    }
  }
  return gone
}

const REMOVED = Array.from({ length: 10 }, (_, i) => i)

describe('a flipped bit', () => {
  it('in a segment costs one block at most, with and without sidecars, and is never served', async () => {
    const files = await filled()
    const segments = files.paths('.seg')
    let costs = 0

    await fc.assert(fc.asyncProperty(fc.nat(segments.length - 1), fc.nat(), fc.nat(7), fc.boolean(), async (which, at, bit, withSidecars) => {
      const image = files.image()
      const bytes = image.inodes.get(segments[which] as string)?.bytes as Buffer
      const offset = at % bytes.byteLength
      bytes[offset] = (bytes[offset] as number) ^ (1 << bit)
      if (!withSidecars) {
        image.paths('.idx').forEach(path => image.inodes.delete(path))
      }
      const { tier } = await openTier({ path: PATH, files: image, segmentBytes: SEGMENT_BYTES })
      const gone = await lost(tier)
      const unexpected = gone.filter(i => !REMOVED.includes(i))
      const back = REMOVED.filter(i => !gone.includes(i))
      costs = Math.max(costs, unexpected.length)
      expect(unexpected.length).toBeLessThanOrEqual(1)
      // only where the note of their removal itself was hit, and there is no sidecar that has it
      if (withSidecars) {
        expect(back).toEqual([])
      }
      // once quarantined, gone for good
      await tier.close()
      const { tier: again } = await openTier({ path: PATH, files: image, segmentBytes: SEGMENT_BYTES })
      expect(await lost(again)).toEqual(gone)
    }), { numRuns: 150 })
    expect(costs).toBe(1)
  })

  it('in a sidecar costs nothing, and is said', async () => {
    const files = await filled()
    const sidecars = files.paths('.idx')
    expect(sidecars.length).toBeGreaterThan(5)

    await fc.assert(fc.asyncProperty(fc.nat(sidecars.length - 1), fc.nat(), fc.nat(7), async (which, at, bit) => {
      const image = files.image()
      const bytes = image.inodes.get(sidecars[which] as string)?.bytes as Buffer
      const offset = at % bytes.byteLength
      bytes[offset] = (bytes[offset] as number) ^ (1 << bit)
      const { tier, report } = await openTier({ path: PATH, files: image, segmentBytes: SEGMENT_BYTES })
      expect(report.repairs).toEqual([expect.stringMatching(/^segment \d+: its sidecar was damaged; the segment was read instead$/)])
      expect(await lost(tier)).toEqual(REMOVED)
      expect(tier.kind(tier.find((blocks[50] as { multihash: Uint8Array }).multihash))).toBe('authored')
      await tier.close()
      expect((await openTier({ path: PATH, files: image, segmentBytes: SEGMENT_BYTES })).report.repairs).toEqual([])
    }), { numRuns: 60 })
  })

  it('in the format costs nothing, and is said', async () => {
    const files = await filled()
    const path = `${PATH}/format.json`
    const length = files.inodes.get(path)?.bytes.byteLength ?? 0

    for (let at = 0; at < length; at++) {
      const image = files.image()
      const bytes = image.inodes.get(path)?.bytes as Buffer
      bytes[at] = (bytes[at] as number) ^ 2
      try {
        const { tier, report } = await openTier({ path: PATH, files: image, segmentBytes: SEGMENT_BYTES })
        expect(report.repairs.join()).toMatch(/^(format\.json was damaged and has been made again from the segments)?$/)
        expect(await lost(tier)).toEqual(REMOVED)
        await tier.close()
      } catch (err) {
        // its name is another one now: nobody knows whether that is damage
        expect(err).toMatchObject({ name: 'CacheFormatError' })
      }
    }
  })
})

describe('a flipped bit in a large block', () => {
  it.each([262_143, 262_144, 1_048_576])('of %d bytes is found, wherever it is', async size => {
    const files = new MemoryFiles()
    const { tier } = await openTier({ path: PATH, files })
    const { multihash, bytes } = block(1, size)
    const slot = await tier.write(multihash, bytes, 'fetched')
    const segment = files.inodes.get(files.paths('.seg')[0] as string)?.bytes as Buffer
    const head = headerBytes(multihash.byteLength)

    for (const at of [0, 1, size >> 1, size - 1]) {
      segment[head + at] = (segment[head + at] as number) ^ 16
      await expect(tier.read(slot)).rejects.toThrow(expect.objectContaining({ name: 'DamagedBlockError' }))
      segment[head + at] = (segment[head + at] as number) ^ 16
      expect(Buffer.compare(await tier.read(slot), bytes)).toBe(0)
    }
  })
})

describe('a file that was cut or overwritten', () => {
  it('costs what was in that part, whatever it was overwritten with', async () => {
    const files = await filled()
    const paths = [...files.paths('.seg'), ...files.paths('.idx')]

    await fc.assert(fc.asyncProperty(fc.nat(paths.length - 1), fc.nat(), fc.oneof(fc.constant(undefined), fc.uint8Array({ minLength: 1, maxLength: 600 })), async (which, at, junk) => {
      const image = files.image()
      const inode = image.inodes.get(paths[which] as string) as { bytes: Buffer }
      const offset = at % inode.bytes.byteLength
      if (junk == null) {
        inode.bytes = Buffer.from(inode.bytes.subarray(0, offset))
      } else {
        inode.bytes.set(junk.subarray(0, inode.bytes.byteLength - offset), offset)
      }
      const { tier } = await openTier({ path: PATH, files: image, segmentBytes: SEGMENT_BYTES })
      const gone = await lost(tier)
      // records that are not touched, by where they are in the segments that are not
      const others = gone.filter(i => !REMOVED.includes(i)).length
      expect(others).toBeLessThanOrEqual(paths[which]?.endsWith('.idx') === true ? 0 : 64)
      await tier.write(Uint8Array.of(0x12, 1, 9), Uint8Array.of(1), 'fetched')
      await tier.compact()
      expect((await lost(tier)).filter(i => !gone.includes(i))).toEqual([])
      await tier.close()
      const { tier: again } = await openTier({ path: PATH, files: image, segmentBytes: SEGMENT_BYTES })
      expect((await lost(again)).filter(i => !gone.includes(i))).toEqual([])
      expect(again.find(Uint8Array.of(0x12, 1, 9))).not.toBe(-1)
    }), { numRuns: 150 })
  })

  it('shows a block that looks like records as one block', async () => {
    const files = new MemoryFiles()
    const { tier } = await openTier({ path: PATH, files, segmentBytes: SEGMENT_BYTES })
    const other = new MemoryFiles()
    const { tier: otherTier } = await openTier({ path: PATH, files: other, segmentBytes: SEGMENT_BYTES })
    const { multihash, bytes } = block(1, 100)
    await otherTier.write(multihash, bytes, 'authored')
    // a whole record, of another store
    const forged = Uint8Array.from(other.inodes.get(other.paths('.seg')[0] as string)?.bytes as Buffer)
    const outer = block(2, 10)
    await tier.write(outer.multihash, forged, 'fetched')
    const image = files.image()
    const segment = image.inodes.get(image.paths('.seg')[0] as string)?.bytes as Buffer
    segment[0] = 0
    const { tier: again, report } = await openTier({ path: PATH, files: image, segmentBytes: SEGMENT_BYTES })
    expect(report).toMatchObject({ blocks: 0, repairs: [expect.stringMatching(/the last \d+ bytes were no whole record and have been cut off/)] })
    expect(again.find(multihash)).toBe(-1)
    expect(image.inodes.get(image.paths('.seg')[0] as string)?.bytes).toHaveLength(0)
  })
})

describe('segment files whose names were exchanged', () => {
  const nameOf = ({ multihash }: { multihash: Uint8Array }): string => CID.createV1(0x55, Digest.decode(multihash)).toString()

  function exchange (files: MemoryFiles, names: readonly string[], to: readonly string[]): void {
    const inodes = names.map(name => files.inodes.get(name))
    names.forEach(name => files.inodes.delete(name))
    to.forEach((name, i) => {
      const inode = inodes[i]
      if (inode != null) {
        files.inodes.set(name, inode)
      }
    })
  }

  const rotated = <T>(all: readonly T[], by: number): T[] => [...all.slice(by), ...all.slice(0, by)]

  it('have them again, with all blocks, and what was removed stays removed, with their sidecars and without', async () => {
    const files = await filled()
    const segments = files.paths('.seg')

    await fc.assert(fc.asyncProperty(fc.shuffledSubarray(segments, { minLength: 2, maxLength: 5 }), fc.constantFrom('alone', 'along'), fc.boolean(), async (some, sidecars, isGap) => {
      const image = files.image()
      // in a circle, or to a number that nobody had
      const to = isGap ? [...some.slice(1), '/cache/segments/00000777.seg'] : rotated(some, 1)
      exchange(image, some, to)
      if (sidecars === 'along') {
        exchange(image, some.map(name => name.replace('.seg', '.idx')), to.map(name => name.replace('.seg', '.idx')))
      }
      const { tier, report } = await openTier({ path: PATH, files: image, segmentBytes: SEGMENT_BYTES })
      expect(await lost(tier)).toEqual(REMOVED)
      expect(tier.kind(tier.find((blocks[50] as { multihash: Uint8Array }).multihash))).toBe('authored')
      expect(report.repairs.filter(repair => repair.includes('has its own name again')).length).toBe(some.length)
      await tier.close()
      const again = await openTier({ path: PATH, files: image, segmentBytes: SEGMENT_BYTES })
      expect(again.report.repairs).toEqual([])
      expect(await lost(again.tier)).toEqual(REMOVED)
      expect(image.openFiles).toBeLessThanOrEqual(segments.length)
    }), { numRuns: 40 })
  })

  it('have them again though a crash comes while they are given back', async () => {
    const files = await filled()
    const [first, second, third] = files.paths('.seg') as [string, string, string]
    exchange(files, [first, second, third], [second, third, first])
    let crashes = 0

    for (let at = 0; ; at++, crashes++) {
      const image = files.image()
      let renames = 0
      let crashed: MemoryFiles | undefined
      image.fault = operation => {
        if (operation === 'rename' && renames++ === at) {
          crashed = image.image()
        }
      }
      await (await openTier({ path: PATH, files: image, segmentBytes: SEGMENT_BYTES })).tier.close()
      if (crashed == null) {
        break
      }
      const { tier } = await openTier({ path: PATH, files: crashed, segmentBytes: SEGMENT_BYTES })
      expect(await lost(tier)).toEqual(REMOVED)
    }
    expect(crashes).toBeGreaterThan(3)
  })

  it('and one that was written over by another one cost what was in it, which is said by name', async () => {
    const files = await filled()
    const [first, second] = files.paths('.seg').slice(3) as [string, string]
    const { tier: before } = await openTier({ path: PATH, files: files.image(), segmentBytes: SEGMENT_BYTES })
    await before.close()
    exchange(files, [first, second], [second])
    files.inodes.set(first, { bytes: Buffer.from(files.inodes.get(second)?.bytes ?? ''), synced: Buffer.alloc(0) })

    const { tier, report } = await openTier({ path: PATH, files, segmentBytes: SEGMENT_BYTES })
    const gone = (await lost(tier)).filter(i => !REMOVED.includes(i))
    expect(gone.length).toBeGreaterThan(0)
    expect(gone.length).toBeLessThan(20)
    const [said] = report.repairs.filter(repair => repair.includes('are gone'))
    expect(said?.startsWith(`segment 5: ${gone.length} of the blocks that its sidecar lists are gone: `)).toBe(true)
    for (const i of gone) {
      expect(said).toContain(nameOf(all[i] as { multihash: Uint8Array }))
    }
  })

  it('or that were cut short cost what is gone, which is said by name, with long multihashes, too', async () => {
    const files = await filled()
    for (const name of files.paths('.seg')) {
      const image = files.image()
      const inode = image.inodes.get(name) as { bytes: Buffer }
      inode.bytes = Buffer.from(inode.bytes.subarray(0, inode.bytes.byteLength / 2))
      const { tier, report } = await openTier({ path: PATH, files: image, segmentBytes: SEGMENT_BYTES })
      const gone = (await lost(tier)).filter(i => !REMOVED.includes(i))
      const said = report.repairs.join('\n')
      for (const i of gone) {
        const { multihash } = all[i] as { multihash: Uint8Array }
        expect(said).toContain(multihash.byteLength > 36 ? createHash('sha256').update(multihash).digest('hex') : nameOf({ multihash }))
      }
    }
  })
})

describe('the quarantine', () => {
  it('keeps the newest 64 of what was damaged', async () => {
    const files = new MemoryFiles()
    const { tier } = await openTier({ path: PATH, files })
    for (let i = 0; i < 70; i++) {
      const { multihash, bytes } = block(i, 20)
      await tier.quarantine(await tier.write(multihash, bytes, 'fetched'), 'a test')
    }
    expect(files.paths('.bad')).toHaveLength(64)
    expect(files.paths('.bad')[0]).toContain('/quarantine/0000000006-')
    expect(tier.usage().files).toBeGreaterThan(64 * 20)
    await tier.close()
    const { tier: again } = await openTier({ path: PATH, files })
    const { multihash, bytes } = block(100, 20)
    await again.quarantine(await again.write(multihash, bytes, 'fetched'), 'a test')
    expect(files.paths('.bad')).toHaveLength(64)
    expect(files.paths('.bad').at(-1)).toContain('/quarantine/0000000070-')
  })
})
