import { chmodSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { IDENTITY_FILE, loadIdentity } from '../../src/config/identity.ts'
import { readPrivateFile, writePrivateFile } from '../../src/config/private-file.ts'
import { directoryStore } from '../../src/config/store.ts'

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
    await expect(directoryStore(path).open()).rejects.toMatchObject({ name: 'StoreError', message: expect.stringMatching(/damaged.*blocks can be fetched again/) })

    rmSync(join(path, 'data'), { recursive: true })
    mkdirSync(join(path, 'data'))
    const mended = directoryStore(path)
    await mended.open()
    await mended.close()
  })
})
