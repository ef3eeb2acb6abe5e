import { describe, expect, it } from 'vitest'
import { recordBytes } from '../../../src/cache/disk/record.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'
import { MemoryFiles, systemError } from './support/memory-files.ts'
import { block, openTier } from './support/tiers.ts'
import type { BegunWrite, DiskTier } from '../../../src/cache/disk/disk-tier.ts'
import type { Block } from './support/tiers.ts'

const PATH = '/cache'
const SIZE = 10_000
const COST = recordBytes(34, SIZE)
const HEAD = recordBytes(34, 0)
const [first, one, other, third] = Array.from({ length: 4 }, (_, i) => block(i, SIZE)) as [Block, Block, Block, Block]

/** A tier that holds the first block: nothing has to be opened for the next one */
async function opened (clock = new VirtualClock()): Promise<{ tier: DiskTier, files: MemoryFiles, clock: VirtualClock }> {
  const files = new MemoryFiles()
  const { tier } = await openTier({ path: PATH, files, segmentBytes: 1_000_000 }, { clock })
  await tier.write(first.multihash, first.bytes, 'fetched')
  return { tier, files, clock }
}

function begin (tier: DiskTier, { multihash, bytes }: Block): BegunWrite {
  const begun = tier.begin(multihash, bytes, 'authored')
  if (begun == null) {
    throw new Error('it was not begun')
  }
  return begun
}

async function expectExactly (tier: DiskTier, there: readonly Block[]): Promise<void> {
  for (const { multihash, bytes } of there) {
    expect(await tier.read(tier.find(multihash))).toEqual(bytes)
  }
  expect(tier.usage().blocks).toBe(there.length)
}

async function expectAfterCrash (files: MemoryFiles, there: readonly Block[], repairs: unknown[] = []): Promise<void> {
  const { tier, report } = await openTier({ path: PATH, files: files.image() })
  await expectExactly(tier, there)
  expect(report.repairs).toEqual(repairs)
  await tier.close()
}

function segmentBytes (files: MemoryFiles): number[] {
  return files.paths('.seg').map(path => files.inodes.get(path)?.bytes.byteLength ?? -1)
}

function syncs (files: MemoryFiles): number {
  return files.calls.filter(call => call === 'sync').length
}

const CUT_OFF = expect.stringMatching(/the last \d+ bytes were no whole record and have been cut off/)

describe('a block that is written while it is looked at', () => {
  it('is on its way before it is known to be right, no block before that, and one that survives a crash afterwards', async () => {
    const { tier, files } = await opened()
    const begun = begin(tier, one)
    expect(tier.find(one.multihash)).toBe(-1)
    const slot = await begun.finish()
    expect([tier.find(one.multihash), tier.kind(slot), tier.checked(slot)]).toEqual([slot, 'authored', true])
    await expectExactly(tier, [first, one])
    await expectAfterCrash(files, [first, one])
    expect(segmentBytes(files)).toEqual([2 * COST])
  })

  it('is no block after a crash at any moment before its head was written, and whole after that', async () => {
    const { tier, files } = await opened()
    const images: Array<{ image: MemoryFiles, length: number }> = []
    files.onChange = () => { images.push({ image: files.image(), length: segmentBytes(files)[0] ?? 0 }) }
    await begin(tier, one).finish()
    files.onChange = undefined

    const found = []
    for (const { image, length } of images) {
      const { tier: after, report } = await openTier({ path: PATH, files: image })
      found.push(after.find(one.multihash) === -1 ? 0 : 1)
      await expectExactly(after, [first])
      expect(report.repairs).toEqual(length === COST ? [] : [CUT_OFF])
      await after.write(other.multihash, other.bytes, 'fetched')
      await after.close()
      await expectAfterCrash(image, [first, other])
    }
    // nothing, half of it, all but its head, half of its head
    expect(found).toEqual([0, 0, 0, 0])
    expect(images.at(-2)?.length).toBe(2 * COST)
    await expectAfterCrash(files, [first, one])
  })

  it('and is wrong leaves nothing behind, and the next one comes in its place', async () => {
    const { tier, files } = await opened()
    await begin(tier, one).drop()
    expect([tier.find(one.multihash), segmentBytes(files)]).toEqual([-1, [COST]])
    await expectAfterCrash(files, [first])

    // others that come meanwhile wait
    const dropping = begin(tier, one).drop()
    expect(tier.begin(other.multihash, other.bytes, 'fetched')).toBe(undefined)
    await Promise.all([dropping, tier.write(other.multihash, other.bytes, 'fetched')])
    await begin(tier, third).finish()
    expect(segmentBytes(files)).toEqual([3 * COST])
    await expectExactly(tier, [first, other, third])
    await expectAfterCrash(files, [first, other, third])
  })

  it('and is wrong, and looks like records, is never taken for them, also when it cannot be cut off', async () => {
    const { tier, files } = await opened()
    await begin(tier, one).finish()
    await tier.remove([tier.find(one.multihash)])
    // with the nonce of this store: nobody could have made it up
    const segment = new Uint8Array(files.inodes.get(files.paths('.seg')[0] as string)?.bytes ?? [])
    const forged = { multihash: third.multihash, bytes: segment.slice(COST, 2 * COST) }

    files.fault = operation => operation === 'truncate' ? systemError('EIO') : undefined
    await begin(tier, forged).drop()
    files.fault = undefined
    await tier.write(other.multihash, other.bytes, 'fetched')
    expect(segmentBytes(files)).toHaveLength(2)
    await expectExactly(tier, [first, other])
    await tier.close()
    await expectAfterCrash(files, [first, other])
  })

  it.each([['ENOSPC', 'body'], ['EIO', 'body'], ['ENOSPC', 'head'], ['EIO', 'head']])('says %s of its %s, leaves nothing behind, and the next one works when the fault is gone', async (code, part) => {
    const { tier, files } = await opened()
    files.fault = (operation, _, bytes) => operation === 'write' && (bytes > HEAD) === (part === 'body') ? systemError(code) : undefined
    await expect(begin(tier, one).finish()).rejects.toThrow(expect.objectContaining({ code }))
    await begin(tier, one).drop()
    files.fault = undefined
    expect([tier.find(one.multihash), segmentBytes(files)]).toEqual([-1, [COST]])
    await expectAfterCrash(files, [first])
    await begin(tier, one).finish()
    await expectExactly(tier, [first, one])
    await expectAfterCrash(files, [first, one])
  })

  it('whose head arrives though the write of it fails, and cannot be cut off, does not come back', async () => {
    const { tier, files } = await opened()
    let sick = false
    const { open } = files
    // its calls fail when they are over
    files.open = async (path, mode) => {
      const file = await open.call(files, path, mode)
      return {
        ...file,
        writeNow: undefined,
        write: async (buffers, position) => {
          const written = await file.write(buffers, position)
          if (sick && written === HEAD) {
            throw systemError('EIO')
          }
          return written
        }
      }
    }
    // a file that was opened like this
    await tier.write(other.multihash, new Uint8Array(990_000), 'fetched')
    await tier.write(third.multihash, third.bytes, 'fetched')
    sick = true
    files.fault = operation => operation === 'truncate' ? systemError('EIO') : undefined
    await expect(begin(tier, one).finish()).rejects.toThrow(expect.objectContaining({ code: 'EIO' }))
    sick = false
    files.fault = undefined
    await tier.remove([tier.find(other.multihash)])
    expect(segmentBytes(files)[2]).toBe(2 * COST)
    await expectAfterCrash(files, [first, third], expect.any(Array) as unknown[])
    await tier.close()
    await expectAfterCrash(files, [first, third])
  })

  it.each([1, HEAD, HEAD + 1, SIZE])('is there as a whole, though the disk takes %d bytes at a time', async bytes => {
    const { tier, files } = await opened()
    files.fault = (operation, _, given) => operation === 'write' && given > HEAD ? Math.max(bytes, given >> 3) : operation === 'write' ? Math.min(bytes, given) : undefined
    await begin(tier, one).finish()
    files.fault = undefined
    await expectExactly(tier, [first, one])
    await expectAfterCrash(files, [first, one])
  })

  it('is one at a time: others wait, come after it in their order, and the tier is closed when all are there', async () => {
    const { tier, files } = await opened()
    const gate = Promise.withResolvers<void>()
    let gated = false
    files.fault = operation => operation === 'write' && !gated ? gate.promise : undefined
    const begun = begin(tier, one)
    gated = true
    const finished = begun.finish()
    expect([tier.begin(other.multihash, other.bytes, 'fetched'), tier.writeNow(third.multihash, third.bytes, 'fetched')]).toEqual([undefined, -1])
    const order: string[] = []
    const all = Promise.all([
      tier.write(other.multihash, other.bytes, 'fetched').then(() => order.push('other')),
      finished.then(() => order.push('one')),
      tier.remove([tier.find(first.multihash)]).then(() => order.push('removed')),
      tier.close().then(() => order.push('closed'))
    ])
    gate.resolve()
    await all
    expect(order).toEqual(['one', 'other', 'removed', 'closed'])
    await expectAfterCrash(files, [one, other])
  })

  it('is not begun where a file has to be made for it, where it is there already, or its multihash is none', async () => {
    const files = new MemoryFiles()
    const { tier } = await openTier({ path: PATH, files, segmentBytes: 2 * COST })
    await tier.write(first.multihash, first.bytes, 'fetched')
    expect([first.multihash, new Uint8Array(), new Uint8Array(256)].map(multihash => tier.begin(multihash, first.bytes, 'fetched'))).toEqual([undefined, undefined, undefined])
    await begin(tier, one).finish()
    expect(tier.begin(other.multihash, other.bytes, 'fetched')).toBe(undefined)
    expect(segmentBytes(files)).toEqual([2 * COST])
  })

  it.each(['begun', 'written'])('is synced for itself, though a syncing that was begun while it was %s is over by then', async how => {
    const { tier, files, clock } = await opened()
    await tier.write(other.multihash, other.bytes, 'authored')
    const before = syncs(files)
    const gate = Promise.withResolvers<void>()
    let sick = true
    files.fault = (operation, _, bytes) => sick && operation === 'write' && bytes > HEAD ? gate.promise : undefined
    const writing = how === 'begun' ? begin(tier, one).finish() : tier.write(one.multihash, one.bytes, 'authored')
    await clock.advance(5_000)
    expect(syncs(files)).toBe(before + 1)
    sick = false
    gate.resolve()
    await writing
    await clock.advance(5_000)
    expect(syncs(files)).toBe(before + 2)
    const { tier: after } = await openTier({ path: PATH, files: files.image({ power: true }) })
    await expectExactly(after, [first, other, one])
  })
})
