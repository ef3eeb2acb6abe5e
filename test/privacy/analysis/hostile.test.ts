import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../src/clock/random.ts'
import { OBSERVER_CLASSES } from '../../../src/interface/privacy.ts'
import { PrivacyAnalyzer } from '../../../src/privacy/analysis/analyzer.ts'
import { bounded, viewOf } from '../../../src/privacy/analysis/view.ts'
import { connection, events, exposure, observations, peer, sourceOf, START } from './support/observations.ts'
import type { Exposure, Observations, PrivacyReport, TrafficEvent } from '../../../src/interface/privacy.ts'

const MEGABYTE = 'x'.repeat(1_000_000)
const EVIL = ['<script>alert(1)</script>', '\u001b[2J\u0007', '\u202eevil', '\0', '"><img src=x onerror=1>', MEGABYTE, '']

const clock = { wall: () => START }

function analyze (init: Partial<Observations>): PrivacyReport {
  return new PrivacyAnalyzer(sourceOf(init), {}, { clock }).analyze()
}

const time = fc.oneof(
  fc.integer({ min: START, max: START + 100_000 }),
  fc.constantFrom(0, -1, -1e15, Number.NaN, Infinity, -Infinity, Number.MAX_VALUE, Number.MIN_VALUE, 1e300)
)
const text = fc.oneof(fc.constantFrom('a', 'b', 'c', ...EVIL), fc.string({ unit: 'binary', maxLength: 20 }))
const event = fc.record({ at: time, peer: text, kind: fc.constantFrom<TrafficEvent['kind'][]>('open', 'close', 'stream', 'sent', 'received') })
const anything: fc.Arbitrary<Observations> = fc.record({
  source: fc.constantFrom('real' as const, 'simulated' as const),
  from: time,
  to: time,
  streams: fc.constantFrom('exact' as const, 'sampled' as const),
  peers: fc.array(fc.record({ id: text, agent: text, supported: fc.array(text, { maxLength: 5 }) }).map(({ id, ...init }) => peer(id, init)), { maxLength: 20 }),
  connections: fc.array(fc.record({ id: text, peer: text, remoteAddr: text, openedAt: time, closedAt: fc.option(time, { nil: undefined }), limited: fc.boolean() }).map(({ id, peer, ...init }) => connection(id, peer, init)), { maxLength: 30 }),
  events: fc.array(event, { maxLength: 200 }),
  exposures: fc.option(fc.array(fc.record({
    at: time,
    request: text,
    observer: text,
    client: fc.option(text, { nil: undefined }),
    subject: fc.option(text, { nil: undefined }),
    observerClass: fc.constantFrom(...OBSERVER_CLASSES),
    state: fc.constantFrom<Exposure['state'][]>('intended', 'sent', 'not-sent', 'unknown'),
    audience: fc.constantFrom<Exposure['audience'][]>('one', 'many', 'unbounded'),
    form: fc.constantFrom<Exposure['form'][]>('cid', 'multihash', 'prefix', 'hostname', 'peer', 'none'),
    purpose: fc.constantFrom<Exposure['purpose'][]>('read', 'announce', 'prefetch')
  }).map(exposure), { maxLength: 60 }), { nil: undefined }),
  unaccounted: fc.array(fc.record({ from: time, to: fc.option(time, { nil: undefined }), reason: text }), { maxLength: 4 })
})

describe('whatever was observed', () => {
  it('a report is within bounds, and the same again', () => {
    fc.assert(fc.property(anything, all => {
      const report = analyze(all)

      expect(report.overallRiskScore).toBeGreaterThanOrEqual(0)
      expect(report.overallRiskScore).toBeLessThanOrEqual(1)

      for (const { score, confidence, n, evidence } of report.risks) {
        for (const share of [score, confidence]) {
          expect(share >= 0 && share <= 1).toBe(true)
        }
        expect(Number.isFinite(n)).toBe(true)
        expect(Object.values(evidence).every(value => typeof value !== 'number' || Number.isFinite(value)), JSON.stringify(evidence)).toBe(true)
      }
      for (const measures of report.measures) {
        expect(measures.effectiveSet).toBeLessThanOrEqual(measures.anonymitySet)
        expect(measures.degree >= 0 && measures.degree <= 1 + 1e-9).toBe(true)
        expect(measures.minEntropy).toBeLessThanOrEqual(Math.log2(measures.effectiveSet) + 1e-9)
      }
      expect(JSON.stringify(analyze(all))).toBe(JSON.stringify(report))
      expect(report.summary().length).toBeLessThan(10_000)
    }), { numRuns: 300 })
  })

  it('a report on one peer is, too', () => {
    fc.assert(fc.property(anything, text.filter(id => id !== ''), (all, id) => {
      const report = new PrivacyAnalyzer(sourceOf(all), {}, { clock }).analyzePeer(id)
      expect(report.overallRiskScore >= 0 && report.overallRiskScore <= 1).toBe(true)
    }), { numRuns: 100 })
  })

  it('flows at the same moment, at the ends of time or in the wrong order break nothing', () => {
    const many = (at: (i: number) => number): TrafficEvent[] => ['a', 'b'].flatMap(peer => Array.from({ length: 100 }, (_, i): TrafficEvent => ({ at: at(i), peer, kind: 'sent' })))

    for (const at of [() => START, (i: number) => i, (i: number) => -i, (i: number) => i * 1e300, (i: number) => i % 2 * 1e15, (i: number) => START + i * 1e-6]) {
      const report = analyze({ events: many(at) })
      expect(report.risks.every(({ score, confidence }) => score >= 0 && score <= 1 && confidence >= 0 && confidence <= 1)).toBe(true)
      expect(Object.values(report.risks.flatMap(({ evidence }) => Object.values(evidence))).every(value => typeof value !== 'number' || Number.isFinite(value))).toBe(true)
    }
  })
})

describe('texts of others', () => {
  it('never reach a title, a recommendation or a summary, and no report is much larger for them', () => {
    for (const evil of EVIL.slice(0, -1)) {
      const report = analyze({
        self: { peer: 'me', agent: evil, protocols: [evil], addresses: [evil] },
        peers: Array.from({ length: 8 }, (_, i) => peer(`${evil}${i}`, { agent: `${evil}${i}`, supported: [`${evil}${i}`], addresses: [evil] })),
        connections: Array.from({ length: 8 }, (_, i) => connection(`${evil}${i}`, `${evil}${i}`, { remoteAddr: evil, protocols: [evil] })),
        events: events(evil, Array.from({ length: 100 }, (_, i) => i * 1000)),
        exposures: Array.from({ length: 8 }, (_, i) => exposure({ observer: evil, subject: `${evil}${i}`, client: evil, request: evil }))
      })
      const words = report.risks.flatMap(({ title, recommendation, mitigation }) => [title, recommendation, mitigation]).join() + report.summary()
      const evidence = report.risks.flatMap(({ evidence }) => Object.values(evidence)).filter(value => typeof value === 'string').join('')

      expect(report.risks.length).toBeGreaterThan(3)
      expect(words).not.toContain(evil)
      // lines of the summary are ours
      expect(`${words.replaceAll('\n', '')}${evidence}`).not.toMatch(/\p{C}/u)
      expect(JSON.stringify(report).length).toBeLessThan(100_000)
    }
  })

  it('of a megabyte cost no more than a line, and differ as they did', () => {
    expect(bounded(MEGABYTE).length).toBeLessThan(300)
    expect(bounded(`${MEGABYTE}1`)).not.toBe(bounded(`${MEGABYTE}2`))
    expect(bounded('short')).toBe('short')
  })
})

describe('what is looked at', () => {
  it('is the newest, by time, once of each id', () => {
    const view = viewOf(observations({
      connections: [connection('1', 'a'), connection('1', 'b')],
      events: [...events('a', [5, 3, 9]), { at: Number.NaN, peer: 'a', kind: 'sent' }],
      peers: [peer('a'), peer('a', { agent: 'later' })]
    }))

    expect(view.connections.map(({ peer }) => peer)).toEqual(['b'])
    expect(view.peers).toEqual([expect.objectContaining({ agent: 'later' })])
    expect(view.events.map(({ at }) => at - START)).toEqual([3, 5, 9])
  })

  it('is bounded', () => {
    const view = viewOf(observations({ events: events('a', Array.from({ length: 200_005 }, (_, i) => i)), connections: Array.from({ length: 100_005 }, (_, i) => connection(`${i}`, 'a')) }))
    expect(view.events).toHaveLength(200_000)
    expect(view.events[0]?.at).toBe(START + 5)
    expect(view.connections).toHaveLength(100_000)
  })

  it('is said not to be all where somebody opens more flows than are compared', () => {
    const random = seededRandom(1)
    const flows = (count: number): TrafficEvent[] => Array.from({ length: count * 40 }, (_, i) => ({ at: START + 1_000_000 * random.next(), peer: `p${i % count}`, kind: 'received' as const }))
    const said = (count: number): unknown[] => analyze({ from: START, to: START + 1_000_000, events: flows(count) }).insufficient.filter(({ kind }) => kind === 'timing-correlation')

    expect(said(23)).toEqual([])
    expect(said(24)).toEqual([expect.objectContaining({ kind: 'timing-correlation', n: 256, needed: 276 })])
  })
})
