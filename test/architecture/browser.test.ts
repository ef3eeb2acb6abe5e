import { describe, expect, it } from 'vitest'
import { loadedBy, nodeOnly } from './rules/browser.ts'
import { parseArchitectureTable } from './support/architecture-table.ts'
import { formatViolations, listSources, parse, readRepositoryFile, roomOf } from './support/source-tree.ts'

const BROWSER_ENTRY = 'src/index.browser.ts'

/** Node's own files in rooms that are partly for browsers. A file in this list that is not Node's own any more fails. */
const NODE_FILES = [
  'src/config/external-memory.ts',
  'src/config/document.ts',
  'src/config/file.ts',
  'src/config/identity.ts',
  'src/config/libp2p-options.ts',
  'src/config/load.ts',
  'src/config/meaning.ts',
  'src/config/membership-seed.ts',
  'src/config/mended-records.ts',
  'src/config/open-database.ts',
  'src/config/private-file.ts',
  'src/config/report-options.ts',
  'src/config/shared-cache.ts',
  'src/config/store-problem.ts',
  'src/config/store.ts',
  'src/config/take-over.ts',
  'src/config/value.ts',
  'src/exchange/http/dial-egress.ts',
  'src/exchange/http/origin-pool-egress.ts',
  'src/exchange/http/undici-egress.ts',
  'src/exchange/lease/dns-egress.ts',
  'src/exchange/lease/guarded-transports-egress.ts',
  'src/privacy/webhook-undici-egress.ts',
  'src/privacy/proofs/artifacts.ts',
  'src/privacy/proofs/bounded-file.ts',
  'src/privacy/proofs/membership-group-file.ts',
  'src/privacy/proofs/membership-prover.ts',
  'src/privacy/proofs/nullifier-directory.ts',
  'src/privacy/proofs/prover-process.ts',
  'src/privacy/report/report-file.ts'
]

const rooms = parseArchitectureTable(readRepositoryFile('docs/architecture.md'))
const files = listSources()
const read = (file: string): ReturnType<typeof parse> => parse(file, readRepositoryFile(file))
const browserOf = (file: string): string | undefined => rooms.get(roomOf(file) ?? '')?.browser

describe('browser rooms', () => {
  const entries = files.filter(file => browserOf(file) === 'yes' || (browserOf(file) === 'partly' && !NODE_FILES.includes(file)))
  const loaded = loadedBy([...entries, ...files.filter(file => file === BROWSER_ENTRY)], read)

  it('use nothing of Node, nor does what they load', () => {
    expect(entries.length).toBeGreaterThan(0)
    expect(formatViolations([...loaded.keys()].flatMap(file => nodeOnly(read(file))))).toEqual([])
  })

  it('load no file that is Node\'s own, and no room that is', () => {
    const wrong = [...loaded].filter(([file]) => NODE_FILES.includes(file) || browserOf(file) === 'no')
    expect(wrong.map(([, way]) => way.join(' → '))).toEqual([])
  })

  it('the files listed as Node\'s own need Node', () => {
    for (const file of NODE_FILES) {
      const needs = [...loadedBy([file], read).keys()].flatMap(loaded => nodeOnly(read(loaded)))
      expect(needs, file).not.toEqual([])
    }
  })
})

describe('the browser rule itself', () => {
  it.each([
    "import { readFile } from 'node:fs/promises'", "import fs from 'fs'", "import type { Socket } from 'node:net'", "export * from 'node:path'",
    "const { join } = await import('node:path')", "import { Agent } from 'undici'", "import { LevelDatastore } from 'datastore-level'",
    'const b = Buffer.from([])', 'const e = process.env', 'const e = globalThis.process', "const x = require('x')", 'const f = (b: Buffer) => b', 'type E = NodeJS.ErrnoException'
  ])('sees %s', text => {
    expect(nodeOnly(parse('src/block/a.ts', text)).length).toBeGreaterThan(0)
  })

  it.each([
    "import { CID } from 'multiformats/cid'", "import type { Dispatcher } from 'undici'", 'const x = init.process', 'const o = { process: 1 }', 'class A { process (): void {} }', 'const b = new Uint8Array()'
  ])('leaves %s alone', text => {
    expect(nodeOnly(parse('src/block/a.ts', text))).toEqual([])
  })

  it('follows values, not types', () => {
    const sources: Record<string, string> = {
      'src/a.ts': "import { b } from './b.ts'\nimport type { D } from './d.ts'",
      'src/b.ts': "export { c } from './c.ts'",
      'src/c.ts': '',
      'src/d.ts': ''
    }
    expect([...loadedBy(['src/a.ts'], file => parse(file, sources[file] ?? '')).keys()]).toEqual(['src/a.ts', 'src/b.ts', 'src/c.ts'])
  })
})
