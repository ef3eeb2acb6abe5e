import { chmod, mkdir, mkdtemp, readFile, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { writeReport } from '../../../src/privacy/report/report-file.ts'
import { UNPRIVILEGED, unprivileged } from '../../support/unprivileged.ts'

let directory: string

beforeEach(async () => { directory = await mkdtemp(join(tmpdir(), 'portolan-report-')) })
afterEach(async () => { await rm(directory, { recursive: true, force: true }) })

const at = (name: string): string => join(directory, name)
const refused = (message: RegExp): unknown => expect.objectContaining({ name: 'ReportFileError', message: expect.stringMatching(message) as unknown })

describe('a report file', () => {
  it('is for its user alone, and there is nothing beside it', async () => {
    await writeReport(at('a.html'), 'one')
    expect((await stat(at('a.html'))).mode & 0o777).toBe(0o600)
    expect([await readFile(at('a.html'), 'utf8'), await readdir(directory)]).toEqual(['one', ['a.html']])
  })

  it('takes the place of an older one, which others could read', async () => {
    await writeFile(at('a.html'), 'old', { mode: 0o644 })
    await writeReport(at('a.html'), 'new')
    expect([(await stat(at('a.html'))).mode & 0o777, await readFile(at('a.html'), 'utf8')]).toEqual([0o600, 'new'])
  })

  it('that is a link stays one', async () => {
    await mkdir(at('elsewhere'))
    await writeFile(at('elsewhere/a'), 'old')
    await symlink(at('elsewhere/a'), at('link'))
    await writeReport(at('link'), 'new')
    expect([await readFile(at('elsewhere/a'), 'utf8'), await readdir(at('elsewhere'))]).toEqual(['new', ['a']])
  })

  it('is whole, by whomever of many writers', async () => {
    const texts = Array.from({ length: 8 }, (_, i) => String(i).repeat(200_000))
    await Promise.all(texts.map(async text => writeReport(at('a'), text)))
    expect([texts.includes(await readFile(at('a'), 'utf8')), await readdir(directory)]).toEqual([true, ['a']])
  })

  it.each([
    ['no/such/directory/a', /its directory does not exist/],
    ['', /is a directory/],
    ['file/a', /what should be its directory is a file/],
    ['x'.repeat(300), /the name is too long/],
    ['a\0b', /no name of a file/]
  ])('that cannot be written is a named error: %s', async (name, message) => {
    await writeFile(at('file'), 'kept')
    await expect(writeReport(name === '' ? directory : at(name), 'text')).rejects.toEqual(refused(message))
    expect([await readdir(directory), await readFile(at('file'), 'utf8')]).toEqual([['file'], 'kept'])
  })

  it.skipIf(UNPRIVILEGED == null)('in a directory that may not be written is a named error', async () => {
    await mkdir(at('closed'))
    await chmod(at('closed'), 0o500)
    const outcome = await unprivileged(new URL('../../../src/privacy/report/report-file.ts', import.meta.url), `
      return await exports.writeReport(${JSON.stringify(at('closed/a'))}, 'text').catch(({ name, message }) => ({ name, message }))
    `)
    expect(outcome).toEqual(refused(/permission denied/))
  })

  it('that was given up is not there', async () => {
    const controller = new AbortController()
    const writing = writeReport(at('a'), 'x'.repeat(50_000_000), { signal: controller.signal })
    controller.abort(new Error('enough'))
    await expect(writing).rejects.toThrow('enough')
    expect(await readdir(directory)).toEqual([])
  })

  it('goes to a device as it is', async () => {
    await writeReport('/dev/null', 'text')
    expect((await stat('/dev/null')).isCharacterDevice()).toBe(true)
  })
})
