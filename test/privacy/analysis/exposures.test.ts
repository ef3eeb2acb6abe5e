import { describe, expect, it } from 'vitest'
import { schema } from '../../../src/config/schema.ts'
import { presetOf } from '../../../src/interface/privacy-preset.ts'
import { RISK_KINDS } from '../../../src/interface/privacy.ts'
import { PrivacyAnalyzer } from '../../../src/privacy/analysis/analyzer.ts'
import { AGAINST_CLASS } from '../../../src/privacy/analysis/mitigation.ts'
import { SyntheticTraffic } from '../../../src/testing/traffic/synthetic-traffic.ts'
import { connection, exposure, peer, sourceOf, START } from './support/observations.ts'
import type { AnalyzedNode } from '../../../src/privacy/analysis/advice.ts'
import type { Exposure, Observations, PrivacyReport, Risk, RiskKind } from '../../../src/interface/privacy.ts'

function analyze (init: Partial<Observations>, node?: AnalyzedNode): PrivacyReport {
  return new PrivacyAnalyzer(sourceOf(init), {}, { node }).analyze()
}

function risksOf (report: PrivacyReport, kind: RiskKind): readonly Risk[] {
  return report.risks.filter(risk => risk.kind === kind)
}

/** One request of each client, to one provider */
function ofClients (counts: readonly number[]): Exposure[] {
  return counts.flatMap((n, client) => Array.from({ length: n }, (_, i) => exposure({ request: `r${client}-${i}`, subject: `s${client}-${i}`, client: `client-${client}`, at: START + i })))
}

describe('the anonymity set', () => {
  it('of a node that asks for itself is one, however many peers there are', () => {
    const ids = Array.from({ length: 50 }, (_, i) => `p${i}`)
    const report = analyze({ peers: ids.map(id => peer(id)), connections: ids.map(id => connection(id, id)), exposures: [exposure()] })

    expect(report.measures).toEqual([{ observerClass: 'peer', exposures: 1, observers: 1, subjects: 1, anonymitySet: 1, effectiveSet: 1, degree: 0, minEntropy: 0 }])
    expect(risksOf(report, 'small-anonymity-set')).toHaveLength(1)
  })

  it('of a node that asks for clients is these clients, by their shares', () => {
    const [measures] = analyze({ exposures: ofClients([1, 1, 1, 1, 1, 1, 1, 1]) }).measures
    expect(measures).toMatchObject({ anonymitySet: 8, effectiveSet: 8, degree: 1, minEntropy: 3 })

    const [skewed] = analyze({ exposures: ofClients([13, 1, 1, 1]) }).measures
    const entropy = -(13 / 16) * Math.log2(13 / 16) - 3 / 16 * Math.log2(1 / 16)
    expect(skewed?.anonymitySet).toBe(4)
    expect(skewed?.effectiveSet).toBeCloseTo(2 ** entropy, 10)
    expect(skewed?.degree).toBeCloseTo(entropy / 2, 10)
    expect(skewed?.minEntropy).toBeCloseTo(-Math.log2(13 / 16), 10)
  })

  it('is a finding below the threshold, effectively and not by number', () => {
    const seven = { exposures: ofClients([1, 1, 1, 1, 1, 1, 1]) }
    expect(risksOf(analyze(seven), 'small-anonymity-set')).toEqual([])

    const analyzer = new PrivacyAnalyzer(sourceOf(seven))
    analyzer.ANONYMITY_SET_THRESHOLD = 10
    expect(analyzer.analyze().risks).toContainEqual(expect.objectContaining({ kind: 'small-anonymity-set', evidence: expect.objectContaining({ anonymitySet: 7, threshold: 10 }) }))

    // eight clients, of whom one asks for nearly everything
    expect(risksOf(analyze({ exposures: ofClients([100, 1, 1, 1, 1, 1, 1, 1]) }), 'small-anonymity-set')).toHaveLength(1)
  })

  it('counts requests and not messages, and nothing that did not leave', () => {
    const many = Array.from({ length: 50 }, (_, i) => exposure({ request: 'one', client: 'a', at: START + i }))
    const [measures] = analyze({ exposures: [...many, exposure({ request: 'two', client: 'b' })] }).measures
    expect(measures?.effectiveSet).toBe(2)

    const unsent = (['intended', 'not-sent'] as const).map(state => exposure({ state }))
    const report = analyze({ exposures: unsent })
    expect(report.measures).toEqual([])
    expect(risksOf(report, 'small-anonymity-set')).toEqual([])
    expect(analyze({ exposures: [exposure({ state: 'unknown' })] }).measures).toHaveLength(1)
  })

  it('of what says nothing about content is none', () => {
    expect(analyze({ exposures: [exposure({ form: 'none', subject: undefined })] }).measures).toEqual([])
  })

  it('weighs more with strangers, and nothing with the user\'s own process', () => {
    const scoreOf = (observerClass: Exposure['observerClass']): number | undefined => risksOf(analyze({ exposures: [exposure({ observerClass })] }), 'small-anonymity-set')[0]?.score
    expect(scoreOf('own')).toBeUndefined()
    expect(scoreOf('sibling')).toBeLessThan(scoreOf('peer') ?? 0)
    expect(scoreOf('peer')).toBeLessThan(scoreOf('dht') ?? 0)
    expect(scoreOf('dht')).toBeLessThan(scoreOf('foreign') ?? 0)
  })

  it('of connections alone is one with each peer, from three connections on', () => {
    const report = analyze({ connections: ['a', 'b', 'c'].map(id => connection(id, id)) })
    expect(risksOf(report, 'small-anonymity-set')).toEqual([expect.objectContaining({ id: 'small-anonymity-set:connections', n: 3, subjects: ['a', 'b', 'c'] })])
  })
})

describe('what others learnt', () => {
  it('is told of announcements, third parties and what went past the ledger', () => {
    const report = analyze({
      exposures: [
        ...[1, 2, 3].map(i => exposure({ purpose: 'announce', observer: `p2p:d${i}`, observerClass: 'dht', subject: `own${i}` })),
        exposure({ observer: 'router:example.org', observerClass: 'router', subject: 's2' }),
        exposure({ observer: 'router:foreign', observerClass: 'foreign', audience: 'unbounded', subject: 's3' })
      ],
      unaccounted: [{ from: START, to: START + 1_800_000, reason: 'disabled' }]
    })

    expect(risksOf(report, 'announce-exposure')).toEqual([expect.objectContaining({ n: 3, mitigation: 'exchange.announce=none', evidence: expect.objectContaining({ announced: 3, observers: 3 }) })])
    expect(risksOf(report, 'third-party-exposure').map(({ observerClass }) => observerClass).sort()).toEqual(['foreign', 'router'])
    expect(risksOf(report, 'unaccounted-requests').map(({ id, evidence }) => [id, evidence.share])).toEqual(expect.arrayContaining([['unaccounted-requests:spans', 0.5], ['unaccounted-requests:foreign', undefined]]))
  })

  it('is no third party\'s where the user named it', () => {
    const exposures = [exposure({ observer: 'router:example.org', observerClass: 'router' })]
    const named = new PrivacyAnalyzer(sourceOf({ exposures }), {}, { named: ['router:example.org'] }).analyze()
    expect(risksOf(named, 'third-party-exposure')).toEqual([])
    expect(risksOf(analyze({ exposures }), 'third-party-exposure')).toHaveLength(1)
  })

  it('cannot be said without a ledger', () => {
    const kinds = analyze({}).insufficient.map(({ kind }) => kind)
    expect(kinds).toEqual(expect.arrayContaining(['announce-exposure', 'third-party-exposure', 'unaccounted-requests', 'co-request-linkage']))
  })

  it('links what was asked for together, by request and by time', () => {
    const six = Array.from({ length: 6 }, (_, i) => exposure({ subject: `s${i}`, at: START + i * 20_000 }))
    expect(risksOf(analyze({ exposures: six }), 'co-request-linkage')).toEqual([expect.objectContaining({ n: 6 })])

    // of different requests, and with pauses between: nothing says that they belong together
    const apart = six.map((entry, i) => ({ ...entry, request: `r${i}` }))
    expect(risksOf(analyze({ exposures: apart }), 'co-request-linkage')).toEqual([])
    const close = apart.map((entry, i) => ({ ...entry, at: START + i * 100 }))
    expect(risksOf(analyze({ exposures: close }), 'co-request-linkage')).toHaveLength(1)
    // each with another observer
    expect(risksOf(analyze({ exposures: close.map((entry, i) => ({ ...entry, observer: `p2p:${i}` as const })) }), 'co-request-linkage')).toEqual([])
    expect(analyze({ exposures: six.slice(0, 3) }).insufficient).toContainEqual(expect.objectContaining({ kind: 'co-request-linkage', n: 3, needed: 5 }))
  })
})

describe('sessions', () => {
  const session = (id: string, peer: string, from: number, to: number, init = {}): ReturnType<typeof connection> => connection(id, peer, { openedAt: START + from, closedAt: START + to, direction: 'inbound', remoteAddr: '/ip4/192.0.2.7/tcp/1000', ...init })

  it('of one peer id are linked', () => {
    const report = analyze({ connections: [session('1', 'a', 0, 10), session('2', 'a', 20, 30), session('3', 'b', 0, 5, { remoteAddr: '/ip4/192.0.2.8/tcp/1' })] })
    expect(risksOf(report, 'session-linkability')).toEqual([expect.objectContaining({ id: 'session-linkability:peer-id', n: 2, subjects: ['a'] })])
  })

  it('at the same time are one', () => {
    const connections = [session('1', 'a', 0, 100), session('2', 'a', 20, 30), session('3', 'a', 25, 90)]
    expect(risksOf(analyze({ connections }), 'session-linkability')).toEqual([])
  })

  it('of different peer ids are linked by the address that they come from, one after the other', () => {
    const connections = [session('1', 'a', 0, 10), session('2', 'b', 20, 30, { remoteAddr: '/ip4/192.0.2.7/tcp/2000' }), session('3', 'c', 40, 50, { remoteAddr: '/ip4/192.0.2.7/tcp/3000' })]
    expect(risksOf(analyze({ connections }), 'session-linkability')).toEqual([expect.objectContaining({ id: 'session-linkability:address', subjects: ['a', 'b', 'c'] })])
    // several at once are several
    expect(risksOf(analyze({ connections: connections.map(entry => ({ ...entry, openedAt: START, closedAt: START + 10 })) }), 'session-linkability')).toEqual([])
  })
})

describe('fingerprints', () => {
  const told = (agents: readonly string[]): Partial<Observations> => ({ peers: agents.map((agent, i) => peer(`p${i}`, { agent, supported: ['/a', '/b'] })) })
  const self = { peer: 'me', agent: 'mine/1', protocols: ['/b', '/a'], addresses: [] }

  it('are a finding where fewer than k tell the same', () => {
    const report = analyze({ ...told(['x', 'x', 'x', 'x', 'x', 'x']), self })
    expect(risksOf(report, 'agent-fingerprint')).toEqual([expect.objectContaining({ id: 'agent-fingerprint:self', evidence: expect.objectContaining({ k: 1, population: 7 }) })])
    // the same set in another order
    expect(risksOf(report, 'protocol-fingerprint')).toEqual([])
  })

  it('need as many as k to be judged', () => {
    const report = analyze({ ...told(['x', 'y']), self })
    expect(report.insufficient).toEqual(expect.arrayContaining([expect.objectContaining({ kind: 'agent-fingerprint', n: 3, needed: 5 }), expect.objectContaining({ kind: 'protocol-fingerprint', n: 3 })]))
  })

  it('of one peer are told by analyzePeer', () => {
    const analyzer = new PrivacyAnalyzer(sourceOf({ ...told(['x', 'x', 'x', 'x', 'x', 'odd']), self }))
    expect(risksOf(analyzer.analyzePeer('p5'), 'agent-fingerprint')).toEqual([expect.objectContaining({ subjects: ['p5'], evidence: expect.objectContaining({ k: 1 }) })])
    expect(risksOf(analyzer.analyzePeer('p0'), 'agent-fingerprint')).toEqual([])
  })
})

describe('mitigations', () => {
  it('name options that there are, with values that they take', () => {
    const traffic = new SyntheticTraffic({ flows: [{ kind: 'correlated', r: 0.9, events: 100 }, { kind: 'periodic', events: 100 }, { kind: 'bursty', events: 100 }] }).observations()
    const node: AnalyzedNode = { kind: 'portolan', mode: 'open', switches: presetOf('open') }
    const reports = [
      analyze({ ...traffic, self: { peer: 'me', agent: 'a', protocols: ['/x'], addresses: [] }, peers: Array.from({ length: 9 }, (_, i) => peer(`p${i}`, { agent: 'b', supported: ['/y'] })) }, node),
      analyze({
        connections: ['a', 'a', 'a'].map((id, i) => connection(`${i}`, id, { openedAt: START + i * 10, closedAt: START + i * 10 + 5 })),
        exposures: [exposure({ purpose: 'announce' }), ...Array.from({ length: 6 }, (_, i) => exposure({ subject: `s${i}`, observer: 'router:x', observerClass: 'router', audience: 'unbounded' }))]
      }, node)
    ]
    const risks = reports.flatMap(({ risks }) => risks)
    expect(RISK_KINDS.filter(kind => !risks.some(risk => risk.kind === kind))).toEqual([])

    const options: Readonly<Record<string, { readonly type: string, readonly choices?: readonly string[] }>> = schema

    for (const mitigation of new Set([...risks.map(({ mitigation }) => mitigation), ...Object.values(AGAINST_CLASS).map(({ mitigation }) => mitigation)])) {
      const [name = '', value] = mitigation.split('=')

      if (mitigation !== 'none') {
        expect(Object.keys(options), mitigation).toContain(name)
        expect(value == null || options[name]?.choices?.includes(value), mitigation).toBe(true)
      }
    }
  })
})
