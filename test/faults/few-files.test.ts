import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import type { FewFilesReport } from './support/few-files-process.ts'

const run = promisify(execFile)
const PROCESS = fileURLToPath(new URL('./support/few-files-process.ts', import.meta.url))
/** Of which Node itself has some twenty */
const LIMIT = 64

it.skipIf(process.platform !== 'linux')(`with ${LIMIT} file descriptors, all of them taken by somebody else: reads go on, writes are skipped or refused by name, and it recovers by itself`, async () => {
  const path = await mkdtemp(join(tmpdir(), 'portolan-few-files-'))
  try {
    // anything that nobody caught ends the process, which is an error here
    const { stdout } = await run('sh', ['-c', `ulimit -n ${LIMIT} && exec "$0" "$1" "$2"`, process.execPath, PROCESS, path], { timeout: 120_000 })
    const report = JSON.parse(stdout) as FewFilesReport

    expect(report.descriptors).toBeGreaterThan(20)
    expect(report.wrong).toEqual([])
    expect(report.memoryReads).toBe(8)
    // one file of its own is closed for the next one, whatever the others have
    expect(report.diskReads).toEqual({ right: 72, missed: 0 })
    expect(report.admits.skipped).toBeGreaterThan(0)
    expect(report.admits.skipped).toBe(report.skippedWrites)
    expect(Object.keys(report.puts).sort()).toEqual(['CacheDiskError: EMFILE', 'done'])
    expect(report.health).toContainEqual(expect.stringMatching(/^degraded: .*EMFILE/))
    expect(report.recovered).toBe(true)
    expect(report.opening).toMatch(/^CacheDiskError: the cache in .* cannot be opened: EMFILE/)
    expect(report.cold).toMatchObject({ read: 'missed', has: false, health: expect.stringContaining('EMFILE') as string })
    expect(report.leaked).toBe(0)
    expect(report.lost).toEqual([])
  } finally {
    await rm(path, { recursive: true, force: true })
  }
})
