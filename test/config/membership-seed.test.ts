import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { loadIdentity } from '../../src/config/identity.ts'
import { loadMemberIdentity, MEMBERSHIP_FILE } from '../../src/config/membership-seed.ts'
import { writePrivateFile } from '../../src/config/private-file.ts'

const made: string[] = []
function directory (): string {
  const path = mkdtempSync(join(tmpdir(), 'portolan-membership-'))
  made.push(path)
  return path
}
afterEach(() => { made.splice(0).forEach(path => { rmSync(path, { recursive: true, force: true }) }) })

describe('the seed of a membership', () => {
  it('is made once, for this user alone, and kept', async () => {
    const path = directory()
    const first = await loadMemberIdentity(path)

    expect(statSync(join(path, MEMBERSHIP_FILE)).mode & 0o777).toBe(0o600)
    expect(await loadMemberIdentity(path)).toEqual(first)
    expect(readdirSync(path)).toEqual([MEMBERSHIP_FILE])
    expect(await loadMemberIdentity(directory())).not.toEqual(first)
  })

  it('is randomness of its own: the key of the node does not lead to it', async () => {
    const [one, other] = [directory(), directory()]
    const key = await loadIdentity(one)
    await writePrivateFile(join(other, 'identity.key'), readFileSync(join(one, 'identity.key'), 'utf8'))

    expect((await loadIdentity(other)).equals(key)).toBe(true)
    expect((await loadMemberIdentity(one)).commitment).not.toBe((await loadMemberIdentity(other)).commitment)
  })

  it.each(['', 'nonsense!', 'AAAA\n', '\0\0\0'])('that is corrupt (%j) is an error that says what to do, and stays as it is', async text => {
    const path = directory()
    await writePrivateFile(join(path, MEMBERSHIP_FILE), text)
    await expect(loadMemberIdentity(path)).rejects.toMatchObject({ name: 'IdentityError', message: expect.stringMatching(/is corrupt.*restore it from a backup, or move the file away/) })
    expect(readFileSync(join(path, MEMBERSHIP_FILE), 'utf8')).toBe(text)
  })

  it('that others can read is an error with the command that mends it', async () => {
    const path = directory()
    await loadMemberIdentity(path)
    chmodSync(join(path, MEMBERSHIP_FILE), 0o640)
    await expect(loadMemberIdentity(path)).rejects.toMatchObject({ name: 'IdentityError', message: expect.stringMatching(/other users.*chmod 600/) })
  })

  it('is in no message', async () => {
    const path = directory()
    await loadMemberIdentity(path)
    const text = readFileSync(join(path, MEMBERSHIP_FILE), 'utf8').trim()
    await writePrivateFile(join(path, MEMBERSHIP_FILE), text.slice(0, -4))
    const err = await loadMemberIdentity(path).then(() => undefined, (err: Error) => err)
    expect(err?.message).not.toContain(text.slice(0, 8))
  })
})
