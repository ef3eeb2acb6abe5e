import { expect, it } from 'vitest'
import { MemoryFiles, systemError } from './support/memory-files.ts'
import { block, openTier } from './support/tiers.ts'

const INIT = { path: '/cache', segmentBytes: 4_096 }
const blocks = Array.from({ length: 14 }, (_, i) => block(i, 500))

/** Blocks of which some are there twice, as a crash leaves them that comes before a copied segment is gone */
async function copiedTwice (): Promise<MemoryFiles> {
  const files = new MemoryFiles()
  const { tier } = await openTier({ ...INIT, files })
  for (const { multihash, bytes } of blocks) {
    await tier.write(multihash, bytes, 'authored')
  }
  await tier.remove([0, 1])
  files.fault = (operation, path) => operation === 'remove' && path.endsWith('.seg') ? systemError('EIO') : undefined
  await expect(tier.compact()).rejects.toThrow('EIO')
  return files.image()
}

it.each(['EMFILE', 'ENFILE', 'EIO', 'EACCES'])('%s for a moment, at whatever file is opened by an opening, loses no block and brings none back: the next one has what there was', async code => {
  const killed = await copiedTwice()
  let failed = 0
  let last = 0

  for (let at = 0; at <= last; at++) {
    const files = killed.image()
    let opened = 0
    files.fault = (operation) => {
      if (operation !== 'open') {
        return undefined
      }
      // with the one that is tried again
      return opened++ >= at && opened <= at + 2 ? systemError(code) : undefined
    }
    try {
      const { tier } = await openTier({ ...INIT, files })
      await tier.close()
    } catch (err) {
      failed++
      expect(err).toMatchObject({ code })
    }
    last = opened > at ? at + 1 : at
    files.fault = undefined

    const { tier, report } = await openTier({ ...INIT, files })
    expect([at, report.blocks]).toEqual([at, 12])
    for (const { multihash, bytes } of blocks.slice(2)) {
      expect(await tier.read(tier.find(multihash))).toEqual(bytes)
    }
    await tier.close()
  }
  expect(last).toBeGreaterThan(8)
  expect(failed).toBeGreaterThan(code === 'EIO' ? 0 : 4)
})

it.each([false, true])('the file that the first write goes to is made by the opening, or, where it could not be (%s), by that write', async refuses => {
  const files = new MemoryFiles()
  const one = block(1, 500)
  let tried = 0
  let refused = refuses
  files.fault = (operation, path) => {
    if (operation !== 'open' || !path.endsWith('.seg')) {
      return undefined
    }
    tried++
    return refused ? systemError('EMFILE') : undefined
  }
  const { tier } = await openTier({ ...INIT, files })
  expect(tried).toBeGreaterThan(0)
  const before = tried
  if (refuses) {
    await expect(tier.write(one.multihash, one.bytes, 'authored')).rejects.toThrow('EMFILE')
  }
  refused = false
  await tier.write(one.multihash, one.bytes, 'authored')
  expect(tried > before).toBe(refuses)
  expect(await tier.read(tier.find(one.multihash))).toEqual(one.bytes)
  await tier.close()
  const { tier: again, report } = await openTier({ ...INIT, files })
  expect([report.blocks, report.repairs]).toEqual([1, []])
  await again.close()
})
