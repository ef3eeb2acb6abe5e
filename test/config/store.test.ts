import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Key } from 'interface-datastore'
import { afterEach, describe, expect, it } from 'vitest'
import { IDENTITY_FILE, loadIdentity } from '../../src/config/identity.ts'
import { readPrivateFile, writePrivateFile } from '../../src/config/private-file.ts'
import { toStoreError } from '../../src/config/store-problem.ts'
import { directoryStore, isStoreLocked } from '../../src/config/store.ts'

const made: string[] = []
function directory (): string {
  const path = mkdtempSync(join(tmpdir(), 'portolan-store-'))
  made.push(path)
  return path
}
afterEach(() => { made.splice(0).forEach(path => { rmSync(path, { recursive: true, force: true }) }) })

describe('the identity', () => {
  it('is made once, for this user alone, and kept', async () => {
    const path = directory()
    const first = await loadIdentity(path)
    expect(statSync(join(path, IDENTITY_FILE)).mode & 0o777).toBe(0o600)
    expect((await loadIdentity(path)).equals(first)).toBe(true)
    expect(readdirSync(path)).toEqual([IDENTITY_FILE])
  })

  it.each(['', 'nonsense', 'AAAA\n', '\0\0\0'])('a corrupt key (%j) is an error that says what to do, and stays as it is', async text => {
    const path = directory()
    await writePrivateFile(join(path, IDENTITY_FILE), text)
    await expect(loadIdentity(path)).rejects.toMatchObject({ name: 'IdentityError', message: expect.stringMatching(/is corrupt.*restore it from a backup, or move the file away/) })
    expect(readFileSync(join(path, IDENTITY_FILE), 'utf8')).toBe(text)
  })

  it('a key that others can read is an error with the command that mends it', async () => {
    const path = directory()
    await loadIdentity(path)
    chmodSync(join(path, IDENTITY_FILE), 0o644)
    await expect(loadIdentity(path)).rejects.toMatchObject({ name: 'IdentityError', message: expect.stringMatching(/other users.*chmod 600/) })
  })

  it('what a crash left beside the key does not matter', async () => {
    const path = directory()
    writeFileSync(join(path, `${IDENTITY_FILE}.new`), 'half a k', { mode: 0o644 })
    const key = await loadIdentity(path)
    expect((await loadIdentity(path)).equals(key)).toBe(true)
    expect(statSync(join(path, IDENTITY_FILE)).mode & 0o777).toBe(0o600)
  })
})

describe('private files', () => {
  it('are replaced whole, and refused when they are huge or no file', async () => {
    const path = join(directory(), 'a')
    expect(await readPrivateFile(path)).toBeUndefined()
    await writePrivateFile(path, 'one')
    await writePrivateFile(path, 'two')
    expect(await readPrivateFile(path)).toEqual({ text: 'two', loose: false })
    writeFileSync(path, 'x'.repeat(65_537))
    await expect(readPrivateFile(path)).rejects.toThrow(/no file of ours/)
  })
})

describe('what a file system says', () => {
  const failed = (code: string, message = code): Error => Object.assign(new Error(message), { code })

  it.each([
    [failed('ENOSPC', 'ENOSPC: no space left on device, write'), /the disk is full.*make room/],
    [new Error('PutFailedError', { cause: new Error('Error: IO error: /s/blocks/000003.log: No space left on device') }), /the disk is full/],
    [failed('EROFS'), /read-only.*mount it for writing/], [failed('EACCES'), /may not write there.*give the directory to this user/], [failed('EPERM'), /may not write/],
    [failed('ENOTDIR'), /a file where the directory should be/], [failed('EMFILE'), /too many files are open.*ulimit -n/], [failed('EIO'), /the disk fails/],
    [new AggregateError([], 'x', { cause: failed('EDQUOT') }), /the disk is full/]
  ])('%s names the path and what to do', (err, message) => {
    const told = toStoreError(err, '/var/lib/portolan') as Error
    expect([told.name, told.message]).toEqual(['StoreError', expect.stringMatching(message)])
    expect(told.message).toMatch(/^\/var\/lib\/portolan cannot be used: .*or choose another directory with --store DIR$/)
    expect(told.cause).toBe(err)
  })

  it('leaves alone what is about something else', () => {
    const others = [new Error('something'), 'text', undefined, Object.assign(failed('EACCES'), { syscall: 'listen' }), Object.assign(failed('EACCES'), { name: 'ListenError' })]
    others.forEach(err => { expect(toStoreError(err, '/x')).toBe(err) })
    const ring = new Error('ring')
    ring.cause = ring
    expect(toStoreError(ring, '/x')).toBe(ring)
  })

  it('an error of a private file names the file', async () => {
    const path = directory()
    writeFileSync(join(path, 'file'), '')
    await expect(writePrivateFile(join(path, 'file', 'x'), 'text')).rejects.toMatchObject({ name: 'StoreError', message: expect.stringContaining(join(path, 'file', 'x')) })
  })

  it.skipIf(process.platform === 'win32')('a pipe where a file should be is an error, and not waited for', async () => {
    const path = join(directory(), 'pipe')
    execFileSync('bash', ['-c', 'mkfifo "$0"', path])
    await expect(readPrivateFile(path)).rejects.toMatchObject({ name: 'StoreError', message: expect.stringContaining('is not a file') })
  })
})

describe('the store', () => {
  it('makes its directory for this user alone, and belongs to one opener', async () => {
    const path = join(directory(), 'a', 'b')
    const store = directoryStore(path)
    // nothing happens before `open`
    await directoryStore(path).close()
    await store.open()
    try {
      expect(statSync(path).mode & 0o777).toBe(0o700)
      await expect(directoryStore(path).open()).rejects.toMatchObject({ name: 'StoreLockedError', message: expect.stringContaining(path) })
    } finally {
      await store.close()
    }
    const again = directoryStore(path)
    await again.open()
    await again.close()
  })

  it('stays with its process when that opens it once more, by whatever path', async () => {
    const path = join(directory(), 'a')
    const store = directoryStore(path)
    const elsewhere = (): string => execFileSync(process.execPath, ['--input-type=module', '-e', `
      const { isStoreLocked } = await import(${JSON.stringify(new URL('../../src/config/store.ts', import.meta.url).href)})
      console.log(await isStoreLocked(${JSON.stringify(path)}))
    `], { encoding: 'utf8' }).trim()

    await store.open()
    try {
      symlinkSync(path, `${path}-too`)
      for (const name of [path, `${path}-too`]) {
        await expect(directoryStore(name).open()).rejects.toMatchObject({ name: 'StoreLockedError', message: expect.stringContaining(name) })
        expect(await isStoreLocked(name)).toBe(true)
      }
      expect(elsewhere()).toBe('true')
    } finally {
      await store.close()
    }
    expect(elsewhere()).toBe('false')
  }, 30_000)

  it('has at the next start what was put just before the end, of peers too', async () => {
    const path = join(directory(), 'a')
    const store = directoryStore(path)
    const keys = [new Key('/peers/a'), new Key('/portolan/a')]
    await store.open()
    for (const key of keys) {
      await store.datastore.put(key, Uint8Array.of(1))
    }
    await store.close()

    const again = directoryStore(path)
    await again.open()
    try {
      for (const key of keys) {
        expect([...await again.datastore.get(key)]).toEqual([1])
      }
    } finally {
      await again.close()
    }
  })

  it('tells whether somebody has it, and makes none to find out', async () => {
    const path = join(directory(), 'a')
    expect([await isStoreLocked(path), existsSync(path)]).toEqual([false, false])
    const store = directoryStore(path)
    await store.open()
    expect(await isStoreLocked(path)).toBe(true)
    await store.close()
    expect([await isStoreLocked(path), await isStoreLocked(path)]).toEqual([false, false])
  })

  it('says what is in the way', async () => {
    const path = join(directory(), 'file')
    writeFileSync(path, '')
    await expect(directoryStore(path).open()).rejects.toMatchObject({ name: 'StoreError', message: expect.stringContaining('--store') })
    await expect(directoryStore(join(path, 'below')).open()).rejects.toMatchObject({ name: 'StoreError' })
  })

  it('says when it is damaged, and leaves nothing locked', async () => {
    const path = directory()
    const store = directoryStore(path)
    await store.open()
    await store.close()
    writeFileSync(join(path, 'data', 'CURRENT'), 'garbage')
    await expect(directoryStore(path).open()).rejects.toMatchObject({ name: 'StoreError', message: expect.stringMatching(/damaged.*records can be made anew/) })

    rmSync(join(path, 'data'), { recursive: true })
    mkdirSync(join(path, 'data'))
    const mended = directoryStore(path)
    await mended.open()
    await mended.close()
  })
})
