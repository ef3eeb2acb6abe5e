import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { invariantFaults, parseInvariants, titlesOf } from './rules/invariants.ts'
import { documentedMetrics, metricsOf } from './rules/metrics.ts'
import { formatViolations, listFiles, listSources, parse, readRepositoryFile, ROOT } from './support/source-tree.ts'

function titlesIn (file: string): ReadonlySet<string> | undefined {
  return existsSync(join(ROOT, file)) ? titlesOf(parse(file, readRepositoryFile(file))) : undefined
}

const pages = ['README.md', 'CHANGELOG.md', ...listFiles('docs', '.md')]

/** Relative links of a Markdown page that lead nowhere */
function deadLinks (page: string, text: string): string[] {
  return [...text.replace(/^```.*?^```/gms, '').matchAll(/\]\(([^)\s]+)\)/g)]
    .map(match => match[1] ?? '')
    .filter(target => !/^([a-z]+:|#)/.test(target))
    .filter(target => !existsSync(join(ROOT, dirname(page), target.split('#')[0] ?? '')))
    .map(target => `${page}: ${target}`)
}

const files = ['src', 'test', 'bench', 'examples', 'scripts'].flatMap(folder => listFiles(folder, '.ts'))

/** Source files named in a page, by the end of their path, that are not there. `egress.ts` is a rule for names. */
function strangeFiles (page: string, text: string): string[] {
  return [...text.matchAll(/`([\w./-]+\.ts)`/g)]
    .map(match => match[1] ?? '')
    .filter(name => name !== 'egress.ts' && !files.some(file => `/${file}`.endsWith(`/${name}`)))
    .map(name => `${page}: ${name}`)
}

describe('documents', () => {
  it('docs/metrics.md lists what is registered, and nothing else', () => {
    const registered = listSources().map(file => metricsOf(parse(file, readRepositoryFile(file))))
    const documented = documentedMetrics(readRepositoryFile('docs/metrics.md'))

    expect(formatViolations(registered.flatMap(({ unreadable }) => unreadable))).toEqual([])
    expect(documented.toSorted()).toEqual([...new Set(registered.flatMap(({ names }) => names))].sort())
  })

  it('docs/invariants.md names tests that exist', () => {
    const invariants = parseInvariants(readRepositoryFile('docs/invariants.md'))
    expect(invariants.length).toBeGreaterThan(0)
    expect(invariantFaults(invariants, titlesIn)).toEqual([])
  })

  it('the README has the two commands', () => {
    const readme = readRepositoryFile('README.md')
    expect(readme).toContain('npm ci && npm start')
    expect(readme).toContain('npm ci && npm test')
  })

  it('link to files that exist', () => {
    expect(pages.flatMap(page => deadLinks(page, readRepositoryFile(page)))).toEqual([])
  })

  it('name source files that exist', () => {
    expect(pages.flatMap(page => strangeFiles(page, readRepositoryFile(page)))).toEqual([])
  })

  it('docs/architecture.md lists every contract', () => {
    const contracts = /^## 3\..*?^\*\*/ms.exec(readRepositoryFile('docs/architecture.md'))?.[0] ?? ''
    const listed = [...contracts.matchAll(/`([\w-]+\.ts)`/g)].map(match => match[1])

    expect(listed.toSorted()).toEqual(listFiles('src/interface', '.ts').map(file => file.slice('src/interface/'.length)).toSorted())
  })

  it('name npm scripts that exist', () => {
    const { scripts } = JSON.parse(readRepositoryFile('package.json')) as { scripts: Record<string, string> }
    const named = pages.flatMap(page => [...readRepositoryFile(page).matchAll(/npm run ([a-z][a-z0-9:-]*)/g)].map(match => match[1] ?? ''))
    expect(named.filter(name => scripts[name] == null)).toEqual([])
  })
})

describe('the document rules themselves', () => {
  const registered = (text: string): ReturnType<typeof metricsOf> => metricsOf(parse('src/routing/a.ts', text))

  it('read metrics that are registered directly or through a function', () => {
    expect(registered("metrics.registerCounter('portolan_a_total')\nmetrics?.registerHistogram?.('portolan_b_seconds', {})\ngauge('portolan_c', 'help')").names).toEqual(['portolan_a_total', 'portolan_b_seconds', 'portolan_c'])
    expect(registered('const gauge = (name: string) => { metrics.registerMetric(name) }').unreadable).toEqual([])
  })

  it('see metrics under computed or foreign names', () => {
    expect(registered('metrics.registerMetric(`portolan_${kind}`)').unreadable).toHaveLength(1) // eslint-disable-line no-template-curly-in-string
    expect(registered("metrics.registerCounter('requests')").unreadable).toHaveLength(1)
  })

  it('read the tables of metrics', () => {
    expect(documentedMetrics('| name | meaning |\n|---|---|\n| `portolan_a` | x |\n`portolan_b`')).toEqual(['portolan_a'])
  })

  it('see claims without a test, and tests that are gone', () => {
    const titles = (file: string): ReadonlySet<string> | undefined => file === 'test/a.test.ts' ? new Set(['works']) : undefined
    const faults = (text: string): string[] => invariantFaults(parseInvariants(text), titles)

    expect(faults('- A claim\n  - `test/a.test.ts` › works')).toEqual([])
    expect(faults('- A claim\n- Another\n  - `test/a.test.ts` › works')).toEqual(['No test: A claim'])
    expect(faults('- A claim\n  - `test/a.test.ts` › shines')).toHaveLength(1)
    expect(faults('- A claim\n  - `test/b.test.ts` › works')).toHaveLength(1)
    expect(() => parseInvariants('- A claim\n  - works')).toThrow(/names no test/)
  })

  it('read titles as they are written', () => {
    expect([...titlesOf(parse('a.test.ts', "it('a', f)\nit.each([1])('b %s', f)\ndescribe('c', () => { test('d', f) })"))]).toEqual(['a', 'b %s', 'd'])
  })

  it('see a file that is gone', () => {
    expect(strangeFiles('docs/x.md', '`routing/manager.ts` `manager.ts` `anager.ts` `src/gone.ts` `*-egress.ts` `.ts`')).toEqual(['docs/x.md: anager.ts', 'docs/x.md: src/gone.ts'])
  })

  it('see a dead link', () => {
    expect(deadLinks('docs/x.md', '[a](nowhere.md) [b](architecture.md#2) [c](https://example.org)')).toEqual(['docs/x.md: nowhere.md'])
  })
})
