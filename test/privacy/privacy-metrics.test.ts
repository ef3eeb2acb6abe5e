import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { MetricRegistry } from '../../src/gateway/metric-registry.ts'
import { privacyReport } from '../../src/privacy/analysis/report.ts'
import { privacyMetrics } from '../../src/privacy/privacy-metrics.ts'
import { RED_ABOVE } from '../../src/privacy/report/report-words.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'
import { sample } from './report/sample.ts'
import type { PrivacyReport } from '../../src/interface/privacy.ts'

function setup (analyze = (): PrivacyReport => privacyReport(sample())): { metrics: MetricRegistry, clock: VirtualClock, analyses: () => number } {
  const metrics = new MetricRegistry()
  const clock = new VirtualClock()
  let analyses = 0
  privacyMetrics(metrics, {
    analyzer: {
      analyze: () => {
        analyses++
        return analyze()
      }
    },
    clock
  })
  return { metrics, clock, analyses: () => analyses }
}

/** Lines of the page that are values */
function page (metrics: MetricRegistry): string[] {
  return metrics.toString().split('\n').filter(line => line !== '' && !line.startsWith('#'))
}

describe('privacy metrics', () => {
  it('say what the report says, with every class of observers', () => {
    expect(page(setup().metrics)).toEqual([
      'privacy_connections_total 58', 'privacy_critical_risks 1',
      ...['peer', 'gateway', 'sibling', 'dht', 'router', 'dns', 'shared-cache', 'own', 'foreign'].map(name => `privacy_exposures{observer_class="${name}"} ${{ peer: 88, dht: 1204, router: 31, 'shared-cache': 5 }[name] ?? 0}`),
      'privacy_high_risks 1', 'privacy_insufficient_data 2', 'privacy_risk_score 0.78', 'privacy_unique_peers 41'
    ])
    expect(setup().metrics.toString()).toContain('# TYPE privacy_connections_total counter')
  })

  it('are worked out when they are scraped, and every 30 s at most', async () => {
    const { metrics, clock, analyses } = setup()
    await clock.advance(600_000)
    expect([analyses(), clock.pending]).toEqual([0, 0])
    page(metrics)
    await clock.advance(29_999)
    page(metrics)
    expect(analyses()).toBe(1)
    await clock.advance(1)
    page(metrics)
    expect(analyses()).toBe(2)
  })

  it('are absent where no report can be made, which is tried once in 30 s', async () => {
    const { metrics, analyses, clock } = setup(() => { throw new Error('not started') })
    expect([page(metrics), page(metrics), analyses()]).toEqual([[], [], 1])
    await clock.advance(30_000)
    expect([page(metrics), analyses()]).toEqual([[], 2])
  })
})

interface Rule {
  readonly alert?: string
  readonly expr?: string
  readonly for?: string
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
}

/**
 * Reads the part of YAML that the rules are written in: maps and lists by two spaces, plain and single-quoted texts, comments on
 * lines of their own. Anything else is an error.
 */
function readYaml (text: string): unknown {
  const lines = text.split('\n').filter(line => line.trim() !== '' && !line.trimStart().startsWith('#'))
  const root: Record<string, unknown> = {}
  const open: Array<{ readonly indent: number, readonly value: Record<string, unknown> | unknown[] }> = [{ indent: -1, value: root }]
  let pending: { readonly into: Record<string, unknown>, readonly key: string } | undefined

  for (const line of lines) {
    const [, spaces = '', dash = '', key, rest = ''] = /^( *)(- )?([A-Za-z_]+):(?: (.*))?$/.exec(line) ?? []
    if (key == null || spaces.length % 2 !== 0 || /\t/.test(line)) {
      throw new Error(`cannot be read: ${line}`)
    }
    const indent = spaces.length
    while ((open.at(-1)?.indent ?? -1) >= (dash === '' ? indent : indent + 1)) {
      open.pop()
    }
    let top = open.at(-1)?.value
    if (dash !== '') {
      if (pending != null) {
        const list: unknown[] = []
        pending.into[pending.key] = list
        open.push({ indent: indent - 1, value: list })
        top = list
      }
      const item: Record<string, unknown> = {}
      ;(top as unknown[]).push(item)
      open.push({ indent: indent + 1, value: item })
      top = item
    } else if (pending != null) {
      const map: Record<string, unknown> = {}
      pending.into[pending.key] = map
      open.push({ indent: indent - 1, value: map })
      top = map
    }
    pending = undefined
    const into = top as Record<string, unknown>
    if (rest === '') {
      pending = { into, key }
    } else {
      const quoted = /^'((?:[^']|'')*)'$/.exec(rest)
      if (quoted == null && /^['"{[&*!|>%@`]|: | #/.test(rest)) {
        throw new Error(`cannot be read: ${line}`)
      }
      into[key] = quoted?.[1]?.replaceAll("''", "'") ?? rest
    }
  }
  return root
}

describe('the alert rules', () => {
  const { groups } = readYaml(readFileSync(new URL('../../docs/alerts/privacy.rules.yml', import.meta.url), 'utf8')) as { groups: Array<{ name: string, rules: Rule[] }> }
  const rules = groups.flatMap(({ rules }) => rules)

  it('have one for a high risk: above 0.7 for ten minutes', () => {
    expect(rules.find(({ alert }) => alert === 'HighPrivacyRisk')).toMatchObject({ expr: `privacy_risk_score > ${RED_ABOVE}`, for: '10m', labels: { severity: 'warning' }, annotations: { summary: expect.any(String) as unknown } })
  })

  it('are whole, and speak of metrics that there are', () => {
    const names = setup().metrics.names()
    expect(groups.map(({ name }) => name)).toEqual(['portolan-privacy'])
    for (const rule of rules) {
      expect(Object.keys(rule)).toEqual(['alert', 'expr', 'for', 'labels', 'annotations'])
      expect(rule.for).toMatch(/^\d+[smh]$/)
      const named = rule.expr?.match(/privacy_\w+/g) ?? []
      expect(named.length).toBeGreaterThan(0)
      expect(named.filter(name => !names.includes(name))).toEqual([])
    }
  })

  it('the reader of rules itself', () => {
    expect(readYaml('a:\n  - b: c\n    d: \'e: \'\'f\'\'\'\n    g:\n      h: i\n  - b: j\nk: l')).toEqual({ a: [{ b: 'c', d: "e: 'f'", g: { h: 'i' } }, { b: 'j' }], k: 'l' })
    for (const wrong of ['a:\n\tb: c', 'a: [1]', 'a: b: c', 'just text', ' a: b']) {
      expect(() => readYaml(wrong)).toThrow(/cannot be read/)
    }
  })
})
