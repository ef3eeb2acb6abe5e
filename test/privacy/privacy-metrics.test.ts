import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { MetricRegistry } from '../../src/gateway/metric-registry.ts'
import { echoNode, stopAll, until } from '../../examples/privacy/support/nodes.ts'
import { createPortolan } from '../../src/portolan.ts'
import { PrivacyAnalyzer } from '../../src/privacy/analysis/analyzer.ts'
import { listeningAddress } from '../../src/privacy/collector/listening-address.ts'
import { MetadataCollector } from '../../src/privacy/collector/metadata-collector.ts'
import { privacyReport } from '../../src/privacy/analysis/report.ts'
import { privacyMetrics } from '../../src/privacy/privacy-metrics.ts'
import { RED_ABOVE } from '../../src/privacy/report/report-words.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'
import { sample } from './report/sample.ts'
import type { PrivacyReport } from '../../src/interface/privacy.ts'
import type { Metrics } from '@libp2p/interface'

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

/** What prom-client's `Registry` does with a metric that is handed to it */
class PromClientRegistry {
  readonly #metrics = new Map<string, { readonly name: string, get (): Promise<{ name: string, help: string, type: string, values: Array<{ value: number, labels: Record<string, string> }> }> }>()

  registerMetric (metric: { readonly name: string, get (): Promise<never> }): void {
    if (this.#metrics.has(metric.name)) {
      throw new Error(`A metric with the name ${metric.name} has already been registered.`)
    }
    this.#metrics.set(metric.name, metric)
  }

  getSingleMetric (name: string): unknown {
    return this.#metrics.get(name)
  }

  async metrics (): Promise<string> {
    const metrics = await Promise.all([...this.#metrics.values()].map(async metric => metric.get()))
    return metrics.map(({ name, help, type, values }) => [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...values.map(({ value, labels }) => `${name}${Object.entries(labels).map(([key, text]) => `{${key}="${text}"}`).join('')} ${value}`)].join('\n')).join('\n\n')
  }
}

describe('privacy metrics of a library user', () => {
  it('come with the metrics that createPortolan is given, by one option', async () => {
    const metrics = new MetricRegistry()
    const node = await createPortolan({ listen: [], start: false, metrics: metrics as unknown as Metrics })
    expect(page(metrics).filter(line => line.startsWith('privacy_'))).toEqual([])
    await node.start()
    try {
      // a restart of the node is the same node
      await node.stop()
      await node.start()
    } finally {
      await node.stop()
    }
    expect(metrics.names().filter(name => name.startsWith('privacy_'))).toEqual(NAMES)
  })

  it('are those of a collector alone, by one call', async () => {
    const [watched, other] = await Promise.all([echoNode(), echoNode()])
    const collector = new MetadataCollector(watched)
    const metrics = new MetricRegistry()
    privacyMetrics(metrics, { analyzer: new PrivacyAnalyzer(collector) })
    try {
      await other.dial(listeningAddress(watched))
      await until(() => collector.getStatistics().totalConnections === 1)
      expect(page(metrics)).toEqual(expect.arrayContaining(['privacy_connections_total 1', 'privacy_unique_peers 1', 'privacy_high_risks 0', 'privacy_exposures{observer_class="dht"} 0']))
    } finally {
      collector.detach()
      await stopAll([watched, other])
    }
  })

  it('are shown by a registry of prom-client, read when it is scraped', async () => {
    const registry = new PromClientRegistry()
    let analyses = 0
    const clock = new VirtualClock()
    privacyMetrics(registry, {
      analyzer: {
        analyze: () => {
          analyses++
          if (analyses === 2) {
            throw new Error('not now')
          }
          return privacyReport(sample())
        }
      },
      clock
    })
    expect(analyses).toBe(0)
    const text = await registry.metrics()
    expect(text).toContain('# TYPE privacy_risk_score gauge\nprivacy_risk_score 0.78\n')
    expect(text).toContain('privacy_exposures{observer_class="shared-cache"} 5')
    expect([...text.matchAll(/^# HELP (\S+)/gm)].map(([, name]) => name).sort()).toEqual(NAMES)
    await clock.advance(30_000)
    expect((await registry.metrics()).split('\n').filter(line => line !== '' && !line.startsWith('#'))).toEqual([])
    expect(() => { privacyMetrics(registry, { analyzer: { analyze: () => privacyReport(sample()) } }) }).toThrow(/already been registered/)
  })
})

const NAMES = ['privacy_connections_total', 'privacy_critical_risks', 'privacy_exposures', 'privacy_high_risks', 'privacy_insufficient_data', 'privacy_risk_score', 'privacy_unique_peers']

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
