import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { groupOfEntries } from '../../src/cli/proof-group.ts'
import { systemClock } from '../../src/clock/system-clock.ts'
import { GROUP_FORMAT, MAX_GROUP_SIZE } from '../../src/privacy/proofs/membership-group.ts'
import { createMembership } from '../../src/privacy/proofs/membership.ts'

let directory: string

beforeEach(async () => { directory = await mkdtemp(join(tmpdir(), 'portolan-group-')) })
afterEach(async () => { await rm(directory, { recursive: true }) })

async function fileOf (members: readonly unknown[]): Promise<string> {
  const path = join(directory, 'fleet.json')
  await writeFile(path, JSON.stringify({ format: GROUP_FORMAT, name: 'fleet', members }))
  return path
}

describe('the file of a group that somebody handed in', () => {
  it('is refused for its size before a signature in it is checked', async () => {
    const path = await fileOf(Array.from({ length: MAX_GROUP_SIZE + 1 }, () => null))
    await expect(groupOfEntries({ flags: {}, clock: systemClock, signal: new AbortController().signal }, 'fleet', [path]))
      .rejects.toMatchObject({ name: 'MembershipGroupError', message: `"${path}" has ${MAX_GROUP_SIZE + 1} members, and a group has at most ${MAX_GROUP_SIZE}` })
  })

  it('keeps nobody waiting who wants to stop', async () => {
    const privateKey = await generateKeyPair('Ed25519')
    const entry = await createMembership({ group: 'fleet', identity: { commitment: 5n }, privateKey, validFrom: 0, validUntil: 1_000_000_000_000 })
    const path = await fileOf(Array.from({ length: MAX_GROUP_SIZE }, () => entry))
    const stop = new AbortController()
    let looks = 0
    const clock = {
      ...systemClock,
      // the file has been read by then, and nothing but signatures is left
      now: () => {
        if (++looks === 100) {
          setImmediate(() => { stop.abort() })
        }
        return looks
      }
    }
    await expect(groupOfEntries({ flags: {}, clock, signal: stop.signal }, 'fleet', [path])).rejects.toMatchObject({ name: 'AbortError' })
    expect(looks).toBeLessThan(MAX_GROUP_SIZE)
  })
})
