import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../src/clock/random.ts'
import { PrivacyAnalyzer } from '../../../src/privacy/analysis/analyzer.ts'
import { BURSTY, CORRELATED, INDEPENDENT, PERIODIC } from '../../../bench/detection/cases.ts'
import { emptyTally, judge } from '../../../bench/detection/tally.ts'
import { SyntheticTraffic } from '../../../src/testing/traffic/synthetic-traffic.ts'
import { events, exposure, sourceOf, START } from './support/observations.ts'
import type { Risk, TrafficEvent } from '../../../src/interface/privacy.ts'

/** Enough to notice that a detector is broken; the bench has five hundred of each */
const CASES = 60

function risks (kind: Risk['kind'], source: ConstructorParameters<typeof PrivacyAnalyzer>[0], thresholds = {}): readonly Risk[] {
  return new PrivacyAnalyzer(source, thresholds).analyze().risks.filter(risk => risk.kind === kind)
}

/** n moments at a rate of one a second, by nobody's plan */
function poisson (n: number, seed: number): number[] {
  const random = seededRandom(seed)
  let at = 0
  return Array.from({ length: n }, () => (at -= 1000 * Math.log(1 - random.next())))
}

describe('of labelled traffic', () => {
  it.each([
    ...PERIODIC.map(model => ['periodic', model] as const),
    ...BURSTY.map(model => ['bursty', model] as const),
    ...CORRELATED.filter(model => model !== 'slots').map(model => ['correlated', model] as const)
  ])('%s flows (%s) are found, and nothing else', (kind, model) => {
    const tally = emptyTally()
    let alarms = 0

    for (let seed = 0; seed < CASES; seed++) {
      alarms += judge({ kind, model } as Parameters<typeof judge>[0], 4_000_000 + seed * 101, tally) ? 1 : 0
    }

    expect(tally[kind].found / CASES).toBeGreaterThanOrEqual(0.95)
    expect(alarms).toBeLessThanOrEqual(1)
  })

  it.each(INDEPENDENT)('independent flows (%s) give no alarm', model => {
    let alarms = 0

    for (let seed = 0; seed < CASES; seed++) {
      alarms += judge({ kind: 'independent', model }, 5_000_000 + seed * 101, emptyTally()) ? 1 : 0
    }
    expect(alarms).toBeLessThanOrEqual(1)
  })
})

describe('timing correlation', () => {
  const pair = (r: number, events = 100): SyntheticTraffic => new SyntheticTraffic({ seed: 3, flows: [{ kind: 'correlated', r, events }, { kind: 'independent', events }] })

  it('tells r, how sure that is, and on how much it stands', () => {
    const traffic = pair(0.8)
    const [risk] = risks('timing-correlation', traffic)

    expect(risk?.subjects).toEqual([...traffic.labels.correlated[0] ?? []].sort())
    expect(risk?.evidence.r).toBeGreaterThan(0.6)
    expect(risk?.evidence.p).toBeLessThan(0.01)
    expect(risk?.n).toBeGreaterThanOrEqual(90)
    expect(risk?.confidence).toBeGreaterThan(0.99)
  })

  it('keeps to the threshold: a weak one is told only when asked for', () => {
    const weak = pair(0.35, 200)
    expect(risks('timing-correlation', weak)).toEqual([])
    expect(risks('timing-correlation', weak, { TIMING_CORRELATION_THRESHOLD: 0.3 })).toHaveLength(1)
    expect(risks('timing-correlation', pair(0.6, 200), { TIMING_CORRELATION_THRESHOLD: 0.95 })).toEqual([])
  })

  it('finds a flow that goes against another', () => {
    const random = seededRandom(5)
    // each second belongs to one of them
    const turns = Array.from({ length: 200 }, (_, i) => ({ at: i * 1000 + random.next() * 1000, peer: random.next() < 0.5 ? 'a' : 'b' }))
    const source = sourceOf({ events: turns.flatMap(({ at, peer }) => [0, 30, 60].map((later): TrafficEvent => ({ at: START + at + later, peer, kind: 'sent' }))).sort((a, b) => a.at - b.at) })
    const [risk] = risks('timing-correlation', source)
    expect(risk?.evidence.r).toBeLessThan(-0.3)
  })

  it('needs two flows of twenty events', () => {
    const few = sourceOf({ events: [...events('a', poisson(19, 1)), ...events('b', poisson(100, 2))].sort((a, b) => a.at - b.at) })
    expect(new PrivacyAnalyzer(few).analyze().insufficient).toContainEqual(expect.objectContaining({ kind: 'timing-correlation', needed: 20 }))
  })

  it('does not compare two clocks, which agree by themselves', () => {
    const tick = (phase: number): number[] => Array.from({ length: 100 }, (_, i) => i * 10_000 + phase)
    const source = sourceOf({ events: [...events('a', tick(0)), ...events('b', tick(20))].sort((a, b) => a.at - b.at) })
    expect(risks('timing-correlation', source)).toEqual([])
    expect(risks('periodic-traffic', source)).toHaveLength(2)
  })

  it('compares what a gateway was told with what went on with a peer', () => {
    const times = poisson(100, 7)
    const source = sourceOf({
      events: events('a', times),
      exposures: times.map((at, i) => exposure({ at: START + at + 15, observer: 'https://gateway.example', observerClass: 'gateway', request: `r${i}` }))
    })
    expect(risks('timing-correlation', source)).toEqual([expect.objectContaining({ subjects: ['a', 'https://gateway.example'] })])
  })

  it('of one peer is that with the others', () => {
    const traffic = new SyntheticTraffic({ seed: 4, flows: [{ kind: 'independent', events: 150 }, { kind: 'correlated', r: 0.9, events: 60 }] })
    const analyzer = new PrivacyAnalyzer(traffic)
    const [a = '', b = ''] = traffic.labels.correlated[0] ?? []

    expect(analyzer.analyzePeer(a).risks).toContainEqual(expect.objectContaining({ kind: 'timing-correlation', subjects: [a, b].sort() }))
    expect(analyzer.analyzePeer(traffic.labels.independent[0] ?? '').risks.filter(({ kind }) => kind === 'timing-correlation')).toEqual([])
  })
})

describe('periodic traffic', () => {
  it('tells the period, also where ticks are missing', () => {
    const random = seededRandom(9)
    const ticks = Array.from({ length: 120 }, (_, i) => i * 30_000 + (random.next() - 0.5) * 3_000).filter(() => random.next() > 0.1)
    const [risk] = risks('periodic-traffic', sourceOf({ events: events('a', ticks) }))
    expect(risk?.evidence.periodMs).toBeGreaterThan(28_000)
    expect(risk?.evidence.periodMs).toBeLessThan(32_000)
  })

  it('is not what every node of libp2p does by itself', () => {
    const pings = Array.from({ length: 100 }, (_, i): TrafficEvent => ({ at: START + i * 10_000, peer: 'a', kind: 'stream', protocol: '/ipfs/ping/1.0.0' }))
    const report = new PrivacyAnalyzer(sourceOf({ events: pings })).analyze()
    expect(report.risks).toEqual([])
    expect(report.insufficient).toContainEqual(expect.objectContaining({ kind: 'periodic-traffic', n: 0 }))
  })

  it('is not hidden by exchanges of several messages', () => {
    const beat = Array.from({ length: 60 }, (_, i) => i * 5_000)
    const source = sourceOf({
      events: beat.flatMap((at): TrafficEvent[] => [{ at: START + at, peer: 'a', kind: 'stream' }, { at: START + at + 3, peer: 'a', kind: 'sent' }, { at: START + at + 40, peer: 'a', kind: 'received' }])
    })
    expect(risks('periodic-traffic', source)).toEqual([expect.objectContaining({ n: 60 })])
    expect(risks('burst-traffic', source)).toEqual([])
  })

  it('makes nothing of exchanges that overlap: neither bursts nor a rhythm', () => {
    let alarms = 0

    for (let seed = 0; seed < 40; seed++) {
      const source = sourceOf({
        events: poisson(150, seed).flatMap((at): TrafficEvent[] => [
          { at: START + at, peer: 'a', kind: 'stream' }, { at: START + at + 10, peer: 'a', kind: 'sent' }, { at: START + at + 18, peer: 'a', kind: 'received' }
        ]).sort((a, b) => a.at - b.at)
      })
      alarms += new PrivacyAnalyzer(source).analyze().risks.some(({ kind }) => kind === 'burst-traffic' || kind === 'periodic-traffic') ? 1 : 0
    }
    expect(alarms).toBe(0)
  })

  it('is told also where the timer paused', () => {
    const random = seededRandom(12)
    const ticks = Array.from({ length: 100 }, (_, i) => (i + (i < 60 ? 0 : 40) + 0.4 * random.next()) * 30_000)
    expect(risks('periodic-traffic', sourceOf({ events: events('a', ticks) }))).toEqual([expect.objectContaining({ n: 99 })])
    expect(risks('burst-traffic', sourceOf({ events: events('a', ticks) }))).toEqual([])
  })

  it('is not hidden where a slow machine, or a long way, parts the messages of an exchange', () => {
    const random = seededRandom(5)
    const source = sourceOf({
      events: Array.from({ length: 60 }, (_, i) => i * 400 + 20 * random.next()).flatMap((at): TrafficEvent[] => [
        { at: START + at, peer: 'a', kind: 'stream' }, { at: START + at + 18 * random.next(), peer: 'a', kind: 'received' }, { at: START + at + 18 + 18 * random.next(), peer: 'a', kind: 'sent' }
      ])
    })
    expect(risks('periodic-traffic', source)).toEqual([expect.objectContaining({ n: 60 })])
  })
})

describe('bursts', () => {
  it('say how many, how large, and at which period they come', () => {
    const bursts = Array.from({ length: 30 }, (_, i) => [0, 40, 90, 130, 170].map(later => i * 60_000 + later)).flat()
    const [risk] = risks('burst-traffic', sourceOf({ events: events('a', bursts) }))
    expect(risk?.evidence).toMatchObject({ bursts: 30, eventsPerBurst: 5, periodOfBurstsMs: 60_000 })
  })

  it.each([5, 10, 20])('of %i are found when a program paces them to the millisecond', size => {
    const random = seededRandom(size)
    let start = 0
    const bursts = Array.from({ length: 8 }, () => {
      start += 30_000 * (0.5 + random.next())
      return Array.from({ length: size }, (_, i) => start + 100 * i)
    }).flat()
    const [risk] = risks('burst-traffic', sourceOf({ events: events('a', bursts) }))
    expect(risk?.evidence).toMatchObject({ bursts: 8, eventsPerBurst: size })
  })
})

describe('what a report costs', () => {
  it('is bounded: of any number of flows 256 pairs are compared closely, which is said, and risks are told in order', () => {
    const traffic = new SyntheticTraffic({ seed: 2, flows: Array.from({ length: 60 }, () => ({ kind: 'correlated', r: 0.9, events: 60 })) })
    const { risks: all, insufficient } = new PrivacyAnalyzer(traffic).analyze()
    const found = all.filter(({ kind }) => kind === 'timing-correlation')

    expect(found.length).toBeGreaterThan(20)
    expect(found.length).toBeLessThanOrEqual(64)
    expect(insufficient).toContainEqual(expect.objectContaining({ kind: 'timing-correlation', n: 256, needed: 7_140 }))
  })
})

describe('what somebody does who opens many flows', () => {
  const few = { length: 60 }

  it('hides no pair among busy peers that are new', () => {
    const flows = [{ kind: 'correlated', r: 0.9, events: 60 } as const, ...Array.from(few, () => ({ kind: 'independent', events: 300 }) as const)]
    let found = 0

    for (let seed = 0; seed < 10; seed++) {
      const traffic = new SyntheticTraffic({ seed, flows })
      const subjects = [...traffic.labels.correlated[0] ?? []].sort()
      found += risks('timing-correlation', traffic).some(risk => risk.subjects.join() === subjects.join()) ? 1 : 0
    }
    expect(found).toBeGreaterThanOrEqual(9)
  })

  it('hides none by peers that are alike either', () => {
    const flows = [{ kind: 'correlated', r: 0.9, events: 60 } as const, ...Array.from({ length: 25 }, () => ({ kind: 'correlated', r: 0.95, events: 200 }) as const)]
    const traffic = new SyntheticTraffic({ seed: 11, flows })
    expect(risks('timing-correlation', traffic).map(({ subjects }) => subjects.join())).toContain([...traffic.labels.correlated[0] ?? []].sort().join())
  })

  it('hides no timer: of more flows than are looked at some are the oldest', () => {
    const busy = Array.from({ length: 300 }, (_, i) => events(`busy-${i}`, poisson(40, i).map(at => at + 50_000)))
    const source = sourceOf({ events: [...events('timer', Array.from({ length: 25 }, (_, i) => i * 4_000)), ...busy.flat()].sort((a, b) => a.at - b.at) })
    const { risks: all, insufficient } = new PrivacyAnalyzer(source).analyze()

    expect(all).toContainEqual(expect.objectContaining({ kind: 'periodic-traffic', subjects: ['timer'] }))
    expect(insufficient).toContainEqual(expect.objectContaining({ kind: 'periodic-traffic', n: 256, needed: 301 }))
  })
})
