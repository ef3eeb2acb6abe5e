import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { forbiddenArrows, importCycles } from './rules/imports.ts'
import { parseArchitectureTable } from './support/architecture-table.ts'
import { formatViolations, importsOf, listSources, parse, readRepositoryFile, ROOT } from './support/source-tree.ts'

const rooms = parseArchitectureTable(readRepositoryFile('docs/architecture.md'))
const files = listSources()
const sources = files.map(file => parse(file, readRepositoryFile(file)))
const exists = (file: string): boolean => files.includes(file)

describe('import arrows', () => {
  it('follow the table of docs/architecture.md', () => {
    expect(formatViolations(sources.flatMap(source => forbiddenArrows(source, rooms, exists)))).toEqual([])
  })

  it('form no cycle of values', () => {
    expect(importCycles(sources)).toEqual([])
  })

  it('the table has one row for every folder of src/', () => {
    const folders = readdirSync(join(ROOT, 'src'), { withFileTypes: true }).filter(entry => entry.isDirectory()).map(entry => entry.name)
    expect([...rooms.keys()].sort()).toEqual(folders.sort())
  })
})

describe('the arrow rule itself', () => {
  const check = (file: string, text: string): string[] => formatViolations(forbiddenArrows(parse(file, text), rooms, () => true))

  it.each([
    ['a value import', "import { x } from '../routing/x.ts'"],
    ['a type import', "import type { X } from '../routing/x.ts'"],
    ['a re-export', "export { x } from '../routing/x.ts'"],
    ['a dynamic import', "const x = await import('../routing/x.ts')"],
    ['an import type', "type X = import('../routing/x.ts').X"],
    ['a require', "const x = require('../routing/x.ts')"]
  ])('sees %s against the table', (_, text) => {
    expect(check('src/block/a.ts', text)).toEqual(['src/block/a.ts:1 block may not import routing (../routing/x.ts)'])
  })

  it('sees rooms that reach for the composition root, leave src/, or import by package name', () => {
    expect(check('src/routing/a.ts', "import { x } from '../portolan.ts'")).toHaveLength(1)
    expect(check('src/routing/a.ts', "import { x } from '../../test/x.ts'")).toHaveLength(1)
    expect(check('src/routing/a.ts', "import { x } from 'portolan'")).toHaveLength(1)
    expect(check('src/routing/a.ts', "import { x } from './x.js'")).toHaveLength(1)
    expect(check('src/routing/a.ts', 'await import(name)')).toHaveLength(1)
  })

  it('sees a room without a row and a file that is not there', () => {
    expect(check('src/attic/a.ts', '')).toHaveLength(1)
    expect(formatViolations(forbiddenArrows(parse('src/block/a.ts', "import './b.ts'"), rooms, () => false))).toHaveLength(1)
  })

  it('allows what the table allows', () => {
    expect(check('src/routing/deep/a.ts', "import { x } from '../../block/x.ts'\nimport { CID } from 'multiformats/cid'\nimport { y } from '../select.ts'")).toEqual([])
    expect(check('src/cli/a.ts', "import { x } from '../portolan.ts'")).toEqual([])
  })

  it('finds cycles of values, not of types', () => {
    const a = parse('src/block/a.ts', "import { b } from './b.ts'")
    expect(importCycles([a, parse('src/block/b.ts', "import { a } from './a.ts'")])).toEqual([['src/block/a.ts', 'src/block/b.ts']])
    expect(importCycles([a, parse('src/block/b.ts', "import type { A } from './a.ts'")])).toEqual([])
  })

  it('tells types from values', () => {
    const [mixed, types] = importsOf(parse('a.ts', "import { type A, b } from 'x'\nimport { type A, type B } from 'y'"))
    expect(mixed).toMatchObject({ typeOnly: false, names: ['b'] })
    expect(types).toMatchObject({ typeOnly: true, names: [] })
  })
})

describe('the table reader itself', () => {
  const table = (row: string): string => `| room | what lives there | may import | browser |\n|---|---|---|---|\n| \`a\` | – | – | yes |\n${row}\n`

  it.each([
    ['an unknown room', '| `b` | – | `c` | yes |'],
    ['prose in the arrows', '| `b` | – | `a` by contract | yes |'],
    ['a missing cell', '| `b` | `a` | yes |'],
    ['a doubtful browser cell', '| `b` | – | `a` | perhaps |'],
    ['a second row', '| `a` | – | – | yes |']
  ])('refuses %s', (_, row) => {
    expect(() => parseArchitectureTable(table(row))).toThrow()
  })

  it('reads what is well written', () => {
    expect(parseArchitectureTable(table('| `b` | – | `a` | no |')).get('b')).toEqual({ name: 'b', mayImport: ['a'], browser: 'no' })
    expect(() => parseArchitectureTable('nothing here')).toThrow(/no table/)
  })
})
