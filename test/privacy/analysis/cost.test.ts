import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../src/clock/random.ts'
import { PrivacyAnalyzer } from '../../../src/privacy/analysis/analyzer.ts'
import { observations, sourceOf, START } from './support/observations.ts'
import type { PrivacyReport, TrafficEvent } from '../../../src/interface/privacy.ts'

const HOUR = 3_600_000
const EVENTS = 100_000

const random = seededRandom(1)

/** Intervals of any kind, stretched to an hour */
function within (count: number, interval: () => number): number[] {
  const intervals = Array.from({ length: count }, interval)
  const sum = intervals.reduce((total, x) => total + x, 0)
  let at = 0
  return intervals.map(x => { at += x / sum * HOUR; return Math.min(at, HOUR) })
}

const exponential = (): number => -Math.log(1 - random.next())
const bursts = (size: number) => (count: number): number[] => Array.from({ length: count }, (_, i) => (Math.floor(i / size) + 0.2 * random.next()) * HOUR * size / (count + size))

/** What somebody could make of the traffic of his peers so that a report takes long */
const SHAPES: Readonly<Record<string, (count: number) => number[]>> = {
  'independent events': count => within(count, exponential),
  'bursts of 2': bursts(2),
  'bursts of 3': bursts(3),
  'bursts of 12': bursts(12),
  'a long tail': count => within(count, () => (1 - random.next()) ** -1),
  'two kinds near each other': count => within(count, () => exponential() * (random.next() < 0.5 ? 1 : 5)),
  'ticks that are missing': count => within(count, () => (random.next() < 0.2 ? 2 : 1) + 0.2 * random.next()),
  'one millisecond': count => Array.from({ length: count }, () => random.next())
}

function traffic (peers: number, shape: (count: number) => number[]): TrafficEvent[] {
  return Array.from({ length: peers }, (_, p) => shape(Math.floor(EVENTS / peers)).map((at): TrafficEvent => ({ at: START + at, peer: `p${p}`, kind: 'received' })))
    .flat()
    .sort((a, b) => a.at - b.at)
}

const COUNTED = ['exp', 'log', 'log1p'] as const

/** Exponentials and logarithms that something takes, in millions: most of the time of a report, and the same on every machine */
function millions (report: () => PrivacyReport): number {
  const usual = COUNTED.map(name => Math[name])
  let count = 0

  try {
    COUNTED.forEach((name, i) => {
      Math[name] = x => {
        count++
        return usual[i]!(x)
      }
    })
    report()
  } finally {
    COUNTED.forEach((name, i) => { Math[name] = usual[i]! })
  }
  return count / 1e6
}

/** Bursts of 12 take 13, and took 96 with every start followed to its end */
const MOST_MILLIONS = 28

describe('what a report costs', () => {
  for (const [name, shape] of Object.entries(SHAPES)) {
    it(`is bounded where 256 peers, all that are judged one by one, send ${name}`, () => {
      const analyzer = new PrivacyAnalyzer(sourceOf(observations({ events: traffic(256, shape) })))
      expect(millions(() => analyzer.analyze())).toBeLessThan(MOST_MILLIONS)
    })
  }

  it('is no more for one peer, and next to nothing for one that was not seen, whatever the others send', () => {
    const analyzer = new PrivacyAnalyzer(sourceOf(observations({ events: traffic(256, bursts(12)) })))

    expect(millions(() => analyzer.analyzePeer('p0'))).toBeLessThan(MOST_MILLIONS)
    expect(millions(() => analyzer.analyzePeer('nobody'))).toBeLessThan(0.01)
  })

  it('does not grow with the number of peers', () => {
    const analyzer = new PrivacyAnalyzer(sourceOf(observations({ events: traffic(1_000, bursts(12)) })))
    expect(millions(() => analyzer.analyze())).toBeLessThan(MOST_MILLIONS)
  })
})
