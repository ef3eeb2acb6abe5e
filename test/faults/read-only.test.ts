import { createHash } from 'node:crypto'
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { directoryStore } from '../../src/config/store.ts'
import { openBlockCache } from '../../src/index.ts'
import { faultBlock, isRight } from './support/fault-blocks.ts'
import { noReadOnlyView, readOnlyView } from './support/read-only-view.ts'
import type { BlockCache } from '../../src/interface/cache.ts'

const MIB = 1024 ** 2
const INIT = { maxBytes: 24 * MIB, memoryBytes: 0, transitBytes: MIB }
const BLOCKS = 40

const missing = await noReadOnlyView()

async function read (cache: BlockCache, number: number): Promise<boolean> {
  const chunks: Uint8Array[] = []
  for await (const chunk of cache.get(faultBlock(number).cid)) {
    chunks.push(chunk)
  }
  return isRight(faultBlock(number), Buffer.concat(chunks))
}

async function contentOf (path: string): Promise<string[]> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true })
  return Promise.all(entries.filter(entry => entry.isFile()).map(each => join(each.parentPath, each.name)).sort().map(async name => {
    return `${name} ${createHash('sha256').update(await readFile(name)).digest('hex')}`
  }))
}

describe.skipIf(missing != null)(`a file system that is mounted for reading${missing == null ? '' : `: ${missing}`}`, () => {
  it('opens no cache, says why by name, and changes nothing', async () => {
    const path = await mkdtemp(join(tmpdir(), 'portolan-read-only-'))
    try {
      const cache = await openBlockCache({ path: join(path, 'cache'), ...INIT })
      for (let i = 0; i < BLOCKS; i++) {
        await cache.put(faultBlock(i).cid, faultBlock(i).bytes)
      }
      await cache.close()
      const before = await contentOf(path)

      const view = await readOnlyView(path)
      try {
        // twice: what the first one has left must not be in the way of the second
        for (const name of ['cache', 'cache', 'none-yet']) {
          await expect(openBlockCache({ path: join(view.path, name), ...INIT })).rejects.toMatchObject({
            name: 'CacheDiskError',
            code: 'EROFS',
            message: expect.stringMatching(new RegExp(`the cache in ${join(view.path, name)} cannot be opened: .*read-only file system`, 'i')) as string
          })
        }
        await expect(directoryStore(join(view.path, 'store')).open()).rejects.toMatchObject({ name: 'StoreError', message: expect.stringMatching(/its file system is read-only/) as string })
      } finally {
        await view.remove()
      }
      expect(await contentOf(path)).toEqual(before)

      const again = await openBlockCache({ path: join(path, 'cache'), ...INIT })
      for (let i = 0; i < BLOCKS; i++) {
        expect(await read(again, i)).toBe(true)
      }
      await again.close()
    } finally {
      await rm(path, { recursive: true, force: true })
    }
  })
})
