import { execFile } from 'node:child_process'
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'
import { afterAll, expect, it } from 'vitest'
import { Scope } from './fixture.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const scope = new Scope()

afterAll(async () => { await scope.close() })

it.skipIf(process.platform === 'win32')('the commands of docs/privacy.md lead from nothing to a report that is verified, once', async () => {
  const [, walk = ''] = /^```sh walk\n(.*?)^```$/ms.exec(readFileSync(join(ROOT, 'docs', 'privacy.md'), 'utf8')) ?? []
  const directory = scope.directory()
  const bin = join(directory, 'bin')
  mkdirSync(bin)
  writeFileSync(join(bin, 'portolan'), `#!/bin/sh\nexec '${process.execPath}' '${join(ROOT, 'src', 'cli', 'main.ts')}' "$@"\n`)
  chmodSync(join(bin, 'portolan'), 0o755)

  const { stdout, stderr } = await promisify(execFile)('sh', ['-e', '-c', walk], { cwd: directory, env: { HOME: directory, PATH: `${bin}:${process.env.PATH ?? ''}` } })
  expect(walk.match(/portolan (?:proof|analyze) /g)).toHaveLength(6)
  expect(stdout).toMatch(/^verified: one of the 5 members of the group fleet[^]*^not proven[^]*^refused$/m)
  expect(stderr).toMatch(/the proof is refused \(replayed\)[^\n]*\n$/)
}, 120_000)
