import { describe, expect, it } from 'vitest'
import { InvalidOptionError } from '../../../src/interface/errors.ts'
import { PrivacyAnalyzer } from '../../../src/privacy/analysis/analyzer.ts'
import { connection, exposure, peer, sourceOf, START } from './support/observations.ts'

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
})
