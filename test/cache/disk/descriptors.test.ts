import { setImmediate } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { Descriptors } from '../../../src/cache/disk/descriptors.ts'
import { newSegment } from '../../../src/cache/disk/segment.ts'
import type { CacheFile, CacheFiles } from '../../../src/cache/disk/files.ts'

it('files of segments are open as long as there are few, and those in use always', async () => {
  const open = new Set<string>()
  const files = {
    async open (path: string) {
      open.add(path)
      return { async close () { open.delete(path) } } as CacheFile
    }
  } as unknown as CacheFiles
  const descriptors = new Descriptors(files, '/d', err => { throw err }, 4)
  const segments = Array.from({ length: 10 }, (_, i) => newSegment(i + 1, 1_000))

  for (const segment of segments.slice(0, 6)) {
    segment.users++
    await descriptors.file(segment)
  }
  await setImmediate()
  expect(open.size).toBe(6)

  segments.slice(0, 6).forEach(segment => { descriptors.leave(segment) })
  await setImmediate()
  // nothing else need be opened for that
  expect(open.size).toBe(4)
  for (const segment of segments.slice(6)) {
    segment.users++
    await descriptors.file(segment)
    descriptors.leave(segment)
  }
  await setImmediate()
  // the one that came last was in use when there were too many
  expect(open.size).toBe(4)
  await descriptors.closeAll()
  expect(open.size).toBe(0)
})
