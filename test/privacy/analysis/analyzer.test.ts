import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { InvalidOptionError } from '../../../src/interface/errors.ts'
import { RISK_KINDS } from '../../../src/interface/privacy.ts'
import { PrivacyAnalyzer } from '../../../src/privacy/analysis/analyzer.ts'
import { overallScore, severityOf } from '../../../src/privacy/analysis/score.ts'
import { connection, exposure, peer, sourceOf, START } from './support/observations.ts'
import type { RiskKind } from '../../../src/interface/privacy.ts'

const three = ['a', 'b', 'c']
const star = { peers: three.map(id => peer(id)), connections: three.map(id => connection(`c-${id}`, id)) }

describe('the thresholds', () => {
  it('are 5 and 0.5, and can be set by constructor and by field', () => {
    const analyzer = new PrivacyAnalyzer(sourceOf())
    expect([analyzer.ANONYMITY_SET_THRESHOLD, analyzer.TIMING_CORRELATION_THRESHOLD]).toEqual([5, 0.5])

    analyzer.ANONYMITY_SET_THRESHOLD = 10
    analyzer.TIMING_CORRELATION_THRESHOLD = 0.3
    expect(analyzer.analyze().thresholds).toEqual({ ANONYMITY_SET_THRESHOLD: 10, TIMING_CORRELATION_THRESHOLD: 0.3 })
    expect(new PrivacyAnalyzer(sourceOf(), { ANONYMITY_SET_THRESHOLD: 10 }).analyze().thresholds).toEqual({ ANONYMITY_SET_THRESHOLD: 10, TIMING_CORRELATION_THRESHOLD: 0.5 })
  })

  it.each([
    ['ANONYMITY_SET_THRESHOLD', Number.NaN], ['ANONYMITY_SET_THRESHOLD', 0], ['ANONYMITY_SET_THRESHOLD', -1], ['ANONYMITY_SET_THRESHOLD', Infinity], ['ANONYMITY_SET_THRESHOLD', '10'], ['ANONYMITY_SET_THRESHOLD', null],
    ['TIMING_CORRELATION_THRESHOLD', Number.NaN], ['TIMING_CORRELATION_THRESHOLD', 0], ['TIMING_CORRELATION_THRESHOLD', -0.5], ['TIMING_CORRELATION_THRESHOLD', 1.01], ['TIMING_CORRELATION_THRESHOLD', '0.5']
  ] as const)('refuse %s = %s in both places, and keep what was there', (name, value) => {
    const analyzer = new PrivacyAnalyzer(sourceOf())
    const before = analyzer.analyze().thresholds

    expect(() => { Object.assign(analyzer, { [name]: value }) }).toThrow(InvalidOptionError)
    expect(analyzer.analyze().thresholds).toEqual(before)

    if (value != null) {
      expect(() => new PrivacyAnalyzer(sourceOf(), { [name]: value })).toThrow(name)
    }
  })

  it('refuse names that there are not', () => {
    expect(() => new PrivacyAnalyzer(sourceOf(), { ANONYMITY: 3 } as never)).toThrow(/no threshold "ANONYMITY"/)
    expect(() => new PrivacyAnalyzer({} as never)).toThrow(InvalidOptionError)
    expect(() => new PrivacyAnalyzer(sourceOf(), {}, { seed: -1 })).toThrow(/seed/)
  })
})

describe('insufficient data', () => {
  it.each([0, 1, 2])('with %i connections is the answer', n => {
    const report = new PrivacyAnalyzer(sourceOf({ peers: star.peers.slice(0, n), connections: star.connections.slice(0, n) })).analyze()

    expect(report.risks).toEqual([])
    expect(report.overallRiskScore).toBe(0)
    expect(report.insufficient).toContainEqual(expect.objectContaining({ kind: 'small-anonymity-set', n, needed: 3 }))
    expect(report.summary()).toMatch(/Insufficient data/)
  })

  it('is never called safe, whatever was found', () => {
    for (const source of [sourceOf(), sourceOf(star), sourceOf({ ...star, exposures: [] }), sourceOf({ exposures: [exposure()] })]) {
      const report = new PrivacyAnalyzer(source).analyze()
      expect(`${report.summary()} ${JSON.stringify(report)}`).not.toMatch(/\b(safe|secure|anonymous|unlinkable)\b/i)
    }
  })
})

describe('a report', () => {
  it('is the same for the same input, and has what it says', () => {
    const clock = { wall: () => START }
    const source = sourceOf({ ...star, exposures: [exposure({ observerClass: 'dht', observer: 'p2p:d' }), exposure({ observerClass: 'foreign', audience: 'unbounded' })] })
    const report = new PrivacyAnalyzer(source, {}, { clock }).analyze()
    const again = new PrivacyAnalyzer(source, {}, { clock }).analyze()

    expect(JSON.stringify(again)).toBe(JSON.stringify(report))
    expect(report.criticalRisks().every(({ severity }) => severity === 'critical')).toBe(true)
    expect(report.highRisks().every(({ severity }) => severity === 'high')).toBe(true)
    expect(report.highRisks().length).toBeGreaterThan(0)
    expect(report.toJSON()).toEqual(JSON.parse(JSON.stringify(report)))
    expect(new Set(report.risks.map(({ id }) => id)).size).toBe(report.risks.length)
  })

  it('has times in whole milliseconds, whatever clocks give', () => {
    const { window, generatedAt } = new PrivacyAnalyzer(sourceOf({ from: START + 0.25, to: START + 9.5 }), {}, { clock: { wall: () => START + 10.75 } }).analyze()
    expect([window, generatedAt]).toEqual([{ from: START, to: START + 10 }, START + 11])
  })
})

describe('the score', () => {
  const entry = (kind: RiskKind, score: number, confidence = 1): { kind: RiskKind, score: number, confidence: number } => ({ kind, score, confidence })

  it('has bands that severities are named by', () => {
    expect([0, 0.39, 0.4, 0.69, 0.7, 0.89, 0.9, 1].map(severityOf)).toEqual(['low', 'low', 'medium', 'medium', 'high', 'high', 'critical', 'critical'])
  })

  it('is the worst risk, and a little for the others', () => {
    expect(overallScore([])).toBe(0)
    expect(overallScore([entry('burst-traffic', 0.6)])).toBe(0.6)
    expect(overallScore([entry('burst-traffic', 0.6), entry('periodic-traffic', 0.5)])).toBeCloseTo(0.6 + 0.4 * 0.25 * 0.5, 10)
    // twenty findings of one kind weigh as the worst of them
    expect(overallScore(Array.from({ length: 20 }, () => entry('burst-traffic', 0.5)))).toBe(0.5)
    expect(overallScore([entry('burst-traffic', 0.6, 0.5)])).toBe(0.3)
  })

  it('is never less for a further risk, and no number of medium ones is high', () => {
    const risk = fc.record({ kind: fc.constantFrom(...RISK_KINDS), score: fc.double({ min: 0, max: 1, noNaN: true }), confidence: fc.double({ min: 0, max: 1, noNaN: true }) })

    fc.assert(fc.property(fc.array(risk), risk, (risks, further) => {
      const before = overallScore(risks)
      expect(overallScore([...risks, further])).toBeGreaterThanOrEqual(before - 1e-12)
      expect(before >= 0 && before <= 1).toBe(true)
      expect(before).toBeGreaterThanOrEqual(Math.max(0, ...risks.map(({ score, confidence }) => score * confidence)) - 1e-12)
    }))
    expect(overallScore(RISK_KINDS.map(kind => entry(kind, 0.59)))).toBeLessThan(0.7)
  })
})

describe('one peer', () => {
  it('is analysed by what it was told and what went on with it', () => {
    const source = sourceOf({ ...star, exposures: [exposure({ observer: 'p2p:a' }), exposure({ observer: 'p2p:b', subject: 's2' }), exposure({ observer: 'p2p:b', subject: 's3' })] })
    const report = new PrivacyAnalyzer(source).analyzePeer('b')
    expect(report.measures).toEqual([expect.objectContaining({ observerClass: 'peer', exposures: 2, observers: 1, subjects: 2 })])
  })

  it('that was never seen is insufficient data, and none is no name', () => {
    const report = new PrivacyAnalyzer(sourceOf(star)).analyzePeer('nobody')
    expect(report.risks).toEqual([])
    expect(report.insufficient.length).toBeGreaterThan(4)
    expect(() => new PrivacyAnalyzer(sourceOf()).analyzePeer('')).toThrow(InvalidOptionError)
  })
})

describe('several nodes', () => {
  const reads = { ...star, exposures: [exposure({ observerClass: 'dht' })] }

  it('are put side by side, worst first', () => {
    const [quiet, busy] = [new PrivacyAnalyzer(sourceOf()), new PrivacyAnalyzer(sourceOf(reads))]
    const comparison = quiet.compare({ quiet, busy })

    expect(comparison.nodes.map(({ name }) => name)).toEqual(['busy', 'quiet'])
    expect(comparison.spread).toBe(busy.analyze().overallRiskScore)
    expect(comparison.mean).toBe(comparison.spread / 2)
    expect(comparison.nodes[0]?.worst['small-anonymity-set']).toBe(0.8)
    expect(comparison.nodes[1]?.insufficient).toContain('small-anonymity-set')
    // of what too little was seen for nobody says that it differs
    expect(comparison.differing).toEqual([])
  })

  it('are given by reports, by analyzers, or as one beside this node', () => {
    const analyzer = new PrivacyAnalyzer(sourceOf(reads))
    const report = analyzer.analyze()

    expect(analyzer.compare([report, analyzer, report]).nodes).toHaveLength(3)
    expect(analyzer.compare([report]).nodes.map(({ overallRiskScore }) => overallRiskScore)).toEqual([report.overallRiskScore, report.overallRiskScore])
    expect(analyzer.compare([report]).common).toContain('third-party-exposure')
    expect(() => analyzer.compare([])).toThrow(InvalidOptionError)
  })
})
