import { existsSync, readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { ownEntries } from '../../scripts/own-entries.ts'

it('names the source of every entry that package.json has, so that no snippet needs a build', () => {
  const { exports } = JSON.parse(readFileSync('package.json', 'utf8')) as { exports: Record<string, unknown> }
  const entries = ownEntries()

  expect(Object.keys(entries)).toContain('portolan/cache')
  expect(Object.keys(entries).sort()).toEqual(Object.keys(exports).filter(name => name !== './package.json').map(name => `portolan${name.slice(1)}`).sort())
  expect(Object.values(entries).filter(path => !existsSync(path))).toEqual([])
})
