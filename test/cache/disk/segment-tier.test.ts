import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { block, openTier, temporaryDirectory } from './support/tiers.ts'

describe('a disk tier', () => {
  it.each([0, 1, 7, 8, 1_000, 8_191, 8_192, 100_001, 1_048_576])('gives back a block of %d bytes, and after it was closed and opened again', async size => {
    const path = join(await temporaryDirectory(), 'deep', 'cache')
    const { multihash, bytes } = block(1, size)
    const { tier } = await openTier({ path })

    expect(tier.find(multihash)).toBe(-1)
    const slot = await tier.write(multihash, bytes, 'authored')
    expect(tier.find(multihash)).toBe(slot)
    expect(await tier.read(slot)).toEqual(bytes)
    expect(tier.multihash(slot)).toEqual(multihash)
    expect(tier.size(slot)).toBe(size)
    expect(tier.cost(slot)).toBe(tier.costOf(size))
    await tier.close()

    const { tier: again, report } = await openTier({ path })
    expect(report).toEqual({ blocks: 1, authored: 1, repairs: [] })
    const found = again.find(multihash)
    expect(await again.read(found)).toEqual(bytes)
    expect(again.kind(found)).toBe('authored')
    expect(again.checked(found)).toBe(false)
    expect(again.hash(found)).toBe(again.hashOf(multihash))
  })

  it('keeps gone what was removed, and the kind that was set last', async () => {
    const path = await temporaryDirectory()
    const { tier } = await openTier({ path, segmentBytes: 10_000 })
    const blocks = Array.from({ length: 100 }, (_, i) => block(i, 1_000))

    const slots = await Promise.all(blocks.map(async ({ multihash, bytes }) => tier.write(multihash, bytes, 'fetched')))
    await tier.remove(slots.filter((_, i) => i % 2 === 0))
    await tier.setKind(slots[3] as number, 'authored')
    await tier.setKind(slots[5] as number, 'authored')
    await tier.setKind(slots[5] as number, 'fetched')
    expect(tier.usage()).toMatchObject({ blocks: 50, authoredBlocks: 1, authoredBytes: 1_000, fetchedBytes: 49_000 })
    await tier.close()

    const { tier: again, report } = await openTier({ path, segmentBytes: 10_000 })
    expect(report).toEqual({ blocks: 50, authored: 1, repairs: [] })
    for (const [i, { multihash, bytes }] of blocks.entries()) {
      const slot = again.find(multihash)
      if (i % 2 === 0) {
        expect(slot).toBe(-1)
      } else {
        expect(await again.read(slot)).toEqual(bytes)
        expect(again.kind(slot)).toBe(i === 3 ? 'authored' : 'fetched')
      }
    }
  })

  it('remembers notes', async () => {
    const path = await temporaryDirectory()
    const { tier } = await openTier({ path })
    await tier.saveNote('policy', Uint8Array.of(1, 2, 3))
    expect(await tier.loadNote('other')).toBeUndefined()
    await tier.close()
    const { tier: again } = await openTier({ path })
    expect(await again.loadNote('policy')).toEqual(Uint8Array.of(1, 2, 3))
  })

  it('is open once only', async () => {
    const path = await temporaryDirectory()
    await openTier({ path })
    await expect(openTier({ path })).rejects.toThrow(expect.objectContaining({ name: 'CacheLockedError' }))
  })
})
