import { execFile } from 'node:child_process'
import { mkdir, readdir, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it, vi } from 'vitest'
import { lockDirectory } from '../../../src/cache/disk/directory-lock.ts'
import { temporaryDirectory } from './support/tiers.ts'

async function locked (): Promise<{ path: string, unlock: () => Promise<void> }> {
  const path = join(await temporaryDirectory(), 'lock')
  await mkdir(path)
  return { path, unlock: await lockDirectory(path) }
}

/** What becomes of another process that wants the lock too */
async function elsewhere (path: string): Promise<string> {
  const { href } = new URL('../../../src/cache/disk/directory-lock.ts', import.meta.url)
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', `
    const { lockDirectory } = await import(${JSON.stringify(href)})
    try {
      await (await lockDirectory(${JSON.stringify(path)}))()
      console.log('had it')
    } catch (err) {
      console.log(err.name)
    }
  `])
  return stdout.trim()
}

describe('the lock of a directory', () => {
  it('stays with its process when that asks for it once more, by this module or another copy of it', async () => {
    const { path, unlock } = await locked()
    await symlink(path, `${path}-too`)
    vi.resetModules()
    const copy = await import('../../../src/cache/disk/directory-lock.ts')
    expect(copy.lockDirectory).not.toBe(lockDirectory)
    for (const lock of [lockDirectory, copy.lockDirectory]) {
      for (const name of [path, `${path}-too`]) {
        await expect(lock(name)).rejects.toThrow(expect.objectContaining({ name: 'CacheLockedError', message: expect.stringContaining(name) }))
        expect(await elsewhere(path)).toBe('CacheLockedError')
      }
    }
    await unlock()
    expect(await elsewhere(path)).toBe('had it')
  }, 30_000)

  it('that could not be taken can be asked for again', async () => {
    const path = join(await temporaryDirectory(), 'lock')
    await mkdir(join(path, 'LOCK'), { recursive: true })
    await expect(lockDirectory(path)).rejects.toThrow(expect.objectContaining({ name: 'CacheFormatError' }))
    await rm(join(path, 'LOCK'), { recursive: true })
    await (await lockDirectory(path))()
  })

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

  it('that is damaged is mended without what others have put there', async () => {
    const { path, unlock } = await locked()
    await unlock()
    await mkdir(join(path, 'photos'))
    for (const name of ['thesis.txt', 'MANIFEST-of-mine', 'photos/000001.log']) {
      await writeFile(join(path, name), 'precious')
    }
    await writeFile(join(path, 'CURRENT'), 'something else')
    await (await lockDirectory(path))()
    expect(await readdir(path)).toEqual(expect.arrayContaining(['thesis.txt', 'MANIFEST-of-mine', 'photos']))
    expect(await readdir(join(path, 'photos'))).toEqual(['000001.log'])
  })

  it.each(['something else\n', 'MAN\0IFEST-000002\n', 'a/b\n', `${'x'.repeat(300)}\n`, '\n', ''])('that names %j as its manifest is mended', async current => {
    const { path, unlock } = await locked()
    await unlock()
    await writeFile(join(path, 'CURRENT'), current)
    await (await lockDirectory(path))()
  })
})
