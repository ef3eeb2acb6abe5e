import { mkdir, readdir, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { lockDirectory } from '../../../src/cache/disk/directory-lock.ts'
import { temporaryDirectory } from './support/tiers.ts'

async function locked (): Promise<{ path: string, unlock: () => Promise<void> }> {
  const path = join(await temporaryDirectory(), 'lock')
  await mkdir(path)
  return { path, unlock: await lockDirectory(path) }
}

describe('the lock of a directory', () => {
  it('is one, by whatever path it is taken', async () => {
    const { path, unlock } = await locked()
    await symlink(path, `${path}-too`)
    await expect(lockDirectory(path)).rejects.toThrow(expect.objectContaining({ name: 'CacheLockedError' }))
    await expect(lockDirectory(`${path}-too`)).rejects.toThrow(expect.objectContaining({ name: 'CacheLockedError' }))
    await unlock()
    const again = await lockDirectory(`${path}-too`)
    await expect(lockDirectory(path)).rejects.toThrow(expect.objectContaining({ name: 'CacheLockedError' }))
    await again()
  })

  it.each(['emptied', 'filled with something else', 'removed'])('can be taken with any file of it %s: nothing is kept there', async how => {
    const { path, unlock } = await locked()
    await unlock()

    for (const kind of ['CURRENT', 'MANIFEST-', 'LOCK', 'LOG']) {
      const file = join(path, (await readdir(path)).find(name => name.startsWith(kind)) ?? '')
      if (how === 'emptied') {
        await truncate(file)
      } else if (how === 'removed') {
        await rm(file)
      } else {
        await writeFile(file, 'something else\n'.repeat(100))
      }
      const again = await lockDirectory(path)
      await expect(lockDirectory(path)).rejects.toThrow(expect.objectContaining({ name: 'CacheLockedError' }))
      await again()
    }
  })
})
