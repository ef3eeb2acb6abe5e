import { expect, it } from 'vitest'
import { openBlockCache } from '../../src/cache/open-block-cache.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'
import { MemoryFiles, systemError } from './disk/support/memory-files.ts'
import { blocks, failure, read } from './support/blocks.ts'
import type { FileOperation } from './disk/support/memory-files.ts'
import type { TestBlock } from './support/blocks.ts'

const ORIGIN = { origin: 'test' }
const CHANGES: ReadonlySet<FileOperation> = new Set(['rename', 'remove', 'write', 'truncate', 'sync', 'syncDirectory', 'makeDirectory'])

/** As a system does that has found an error on the disk: what is there can be read, and nothing else */
function readOnly (files: MemoryFiles): void {
  files.fault = (operation, path) => {
    const creates = operation === 'open' && !files.inodes.has(path)
    return creates || CHANGES.has(operation) ? systemError('EROFS') : undefined
  }
}

it('a file system that becomes read-only while the cache is open: it serves what it has, refuses by name, can be closed, and loses nothing', async () => {
  const clock = new VirtualClock()
  const files = new MemoryFiles()
  const limits = { path: '/cache', maxBytes: 16_777_216, memoryBytes: 100_000, clock, files }
  const cache = await openBlockCache(limits)
  const [held, fresh] = [await blocks(80, 10_000), await blocks(60, 10_000)]
  for (const { cid, bytes } of held) {
    await clock.run(Promise.resolve(cache.put(cid, bytes)))
  }
  readOnly(files)

  const [first, second] = fresh as [TestBlock, TestBlock]
  expect(await clock.run(failure(Promise.resolve(cache.put(first.cid, first.bytes))))).toBe('CacheDiskError')
  for (const { cid, bytes } of fresh.slice(1)) {
    expect(await clock.run(cache.admit(cid, bytes, { ...ORIGIN, wait: false }))).toBe(false)
    expect(Buffer.compare(await clock.run(read(cache.get(cid))), bytes)).toBe(0)
  }
  expect(cache.stats().skippedWrites).toBe(59)
  expect(cache.health()).toMatchObject({ state: 'degraded', reason: expect.stringContaining('EROFS') as string })
  for (const { cid, bytes } of held) {
    expect(Buffer.compare(await clock.run(read(cache.get(cid))), bytes)).toBe(0)
  }
  // gone for this process, and said not to be for good
  const deleted = held[7] as TestBlock
  await expect(clock.run(Promise.resolve(cache.delete(deleted.cid)))).rejects.toMatchObject({ name: 'CacheDiskError', message: expect.stringMatching(/for good.*EROFS/) as string })
  expect(await cache.has(deleted.cid)).toBe(false)
  // still, minutes later
  await clock.advance(300_000)
  expect(cache.health().state).toBe('degraded')

  files.fault = undefined
  await clock.advance(60_000)
  expect(cache.health()).toEqual({ state: 'ok' })
  expect(await clock.run(cache.admit(second.cid, second.bytes, ORIGIN))).toBe(true)

  // what it would write down when it is closed it finds without that
  readOnly(files)
  await clock.run(cache.close())
  expect([clock.pending, files.openFiles]).toEqual([0, 0])
  files.fault = undefined
  const again = await openBlockCache(limits)
  for (const { cid, bytes } of [...held.filter(each => each !== deleted), second]) {
    expect(Buffer.compare(await clock.run(read(again.get(cid))), bytes)).toBe(0)
  }
  await clock.run(again.close())
})
