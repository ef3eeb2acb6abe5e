import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../../src/clock/system-clock.ts'
import { NullifierDirectory } from '../../../src/privacy/proofs/nullifier-directory.ts'
import { UNPRIVILEGED, unprivileged } from '../../support/unprivileged.ts'
import { DAY, START } from './support/members.ts'
import type { NullifierClaim } from '../../../src/privacy/proofs/nullifier-book.ts'

let root: string
let path: string
let at: number
const clock = { wall: () => at, timeout: systemClock.timeout }

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'portolan-claims-'))
  path = join(root, 'claims')
  at = START
})
afterEach(async () => { await rm(root, { recursive: true }) })

const claim = (nullifier: number, until = START + DAY, scope = 1): NullifierClaim => ({ scope: BigInt(scope), nullifier: BigInt(nullifier), until })
const open = async (...more: [{ maxEntries?: number }?]): Promise<NullifierDirectory> => NullifierDirectory.open(path, { clock }, ...more)

describe('a claim', () => {
  it('is taken once in each scope, and known to whoever opens the directory', async () => {
    const book = await open()
    expect(book.has(1n, 7n)).toBe(false)
    expect([await book.claim(claim(7)), await book.claim(claim(7)), await book.claim(claim(7, START + DAY, 2)), await book.claim(claim(8))]).toEqual(['claimed', 'seen', 'claimed', 'claimed'])
    const other = await open()
    expect([other.has(1n, 7n), await other.claim(claim(7))]).toEqual([true, 'seen'])
  })

  it('is taken by one of many, each with a directory of its own at the same place', async () => {
    const books = await Promise.all(Array.from({ length: 20 }, async () => open()))
    const outcomes = await Promise.all(books.flatMap(book => [book.claim(claim(7)), book.claim(claim(8))]))
    expect(outcomes.filter(outcome => outcome === 'claimed')).toHaveLength(2)
  })

  it('is forgotten when its epoch is over, which then stays closed', async () => {
    const book = await open()
    await book.claim(claim(7))
    at = START + DAY
    expect(await book.claim(claim(8, START + 2 * DAY, 2))).toBe('claimed')
    expect((await readdir(path)).sort()).toEqual([`${'0'.repeat(63)}2`, `forgotten-${START + DAY}`, 'portolan-claims-1'])

    at = START
    expect(await (await open()).claim(claim(7))).toBe('forgotten')
    at = START + 2 * DAY
    expect(await book.claim(claim(9, START + 3 * DAY, 3))).toBe('claimed')
    expect((await readdir(path)).filter(name => name.startsWith('forgotten'))).toEqual([`forgotten-${START + 2 * DAY}`])
  })

  it('of a scope that does not say until when it counts, counts', async () => {
    const book = await open()
    await book.claim(claim(7))
    await rm(join(path, `${'0'.repeat(63)}1`, `until-${START + DAY}`))
    at = START + 10 * DAY
    expect(await book.claim(claim(8, START + 11 * DAY, 2))).toBe('claimed')
    expect(await book.claim(claim(7))).toBe('seen')
  })

  it('stands whatever is written into its file', async () => {
    const book = await open()
    await book.claim(claim(7))
    await writeFile(join(path, `${'0'.repeat(63)}1`, `${'0'.repeat(63)}7`), 'rubbish')
    expect(await (await open()).claim(claim(7))).toBe('seen')
  })

  it('is not taken where as many are held as may be', async () => {
    const book = await open({ maxEntries: 2 })
    await book.claim(claim(1))
    await book.claim(claim(2))
    await expect(book.claim(claim(3))).rejects.toMatchObject({ name: 'NullifierStoreError', message: expect.stringMatching(/2 claims of one epoch are held/) })
    expect(book.has(1n, 3n)).toBe(false)
    expect(await book.claim(claim(3, START + DAY, 2))).toBe('claimed')
  })

  it('is not begun when nobody waits', async () => {
    const book = await open()
    const signal = AbortSignal.abort(new Error('enough'))
    await expect(book.claim(claim(1), { signal })).rejects.toThrow('enough')
    await expect(NullifierDirectory.open(path, { clock }, {}, { signal })).rejects.toThrow('enough')
    expect(book.has(1n, 1n)).toBe(false)
  })

  it('is never taken twice, whatever the clock does and however often the directory is opened', async () => {
    const steps = fc.array(fc.oneof(
      fc.record({ kind: fc.constant('claim' as const), nullifier: fc.nat(2), epoch: fc.nat(3) }),
      fc.record({ kind: fc.constant('clock' as const), to: fc.nat(4) })
    ), { maxLength: 20 })

    await fc.assert(fc.asyncProperty(steps, fc.uuid(), async (steps, name) => {
      const taken = new Set<string>()
      at = START
      for (const step of steps) {
        if (step.kind === 'clock') {
          at = START + step.to * DAY
          continue
        }
        const until = START + (step.epoch + 1) * DAY
        const book = await NullifierDirectory.open(join(root, name), { clock })
        if (until > at && await book.claim(claim(step.nullifier, until, step.epoch)) === 'claimed') {
          expect(taken.has(`${step.epoch} ${step.nullifier}`)).toBe(false)
          taken.add(`${step.epoch} ${step.nullifier}`)
        }
      }
    }), { numRuns: 25 })
  })
})

describe('a directory', () => {
  it('with something else in it is left alone', async () => {
    await mkdir(path)
    await writeFile(join(path, 'letter'), 'mine')
    await expect(open()).rejects.toMatchObject({ name: 'NullifierStoreError', message: expect.stringMatching(/there is something in the directory/) })
    expect(await readdir(path)).toEqual(['letter'])
  })

  it('that is damaged after it was opened takes no claim; what systems hide there is nothing', async () => {
    const book = await open()
    await writeFile(join(path, '.hidden'), '')
    expect(await book.claim(claim(1))).toBe('claimed')
    await writeFile(join(path, 'G'.repeat(64)), '')
    await expect(book.claim(claim(2))).rejects.toMatchObject({ name: 'NullifierStoreError', message: expect.stringMatching(/is damaged: "G{64}" does not belong there/) })
    await rm(join(path, 'G'.repeat(64)))
    await writeFile(join(path, `${'0'.repeat(63)}9`), 'a file where a scope should be')
    await expect(book.claim(claim(2))).rejects.toMatchObject({ name: 'NullifierStoreError', message: expect.stringMatching(/what should be a directory is a file/) })
    await rm(path, { recursive: true })
    await expect(book.claim(claim(2))).rejects.toMatchObject({ name: 'NullifierStoreError' })
  })

  it.each([
    ['whose parent is not there', 'none/claims', /the directory that it should be in does not exist$/],
    ['with a name that is too long', 'x'.repeat(300), /the name is too long$/],
    ['that is no name', 'a\u0000b', /this is no name of a file$/]
  ])('%s is an error', async (_, name, message) => {
    await expect(NullifierDirectory.open(`${root}/${name}`, { clock })).rejects.toMatchObject({ name: 'NullifierStoreError', message: expect.stringMatching(message) })
  })

  it.skipIf(UNPRIVILEGED == null)('that may not be written takes no claim', async () => {
    await open()
    await chmod(path, 0o500)
    const outcome = await unprivileged(new URL('../../../src/privacy/proofs/nullifier-directory.ts', import.meta.url), `
      const book = await exports.NullifierDirectory.open(${JSON.stringify(path)})
      const refused = await book.claim({ scope: 1n, nullifier: 1n, until: ${Date.UTC(2100)} }).catch(({ name, message }) => ({ name, message }))
      return { refused, has: book.has(1n, 1n) }
    `)
    await chmod(path, 0o700)
    expect(outcome).toEqual({ refused: { name: 'NullifierStoreError', message: expect.stringMatching(/permission denied$/) as unknown }, has: false })
  })
})
