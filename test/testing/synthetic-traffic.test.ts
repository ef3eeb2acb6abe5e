import { describe, expect, it } from 'vitest'
import { SyntheticTraffic } from '../../src/testing/traffic/synthetic-traffic.ts'
import type { TrafficFlow } from '../../src/testing/traffic/synthetic-traffic.ts'

function timesOf (flow: TrafficFlow, seed = 1): number[][] {
  const traffic = new SyntheticTraffic({ seed, flows: [flow], start: 0 })
  const { events, peers } = traffic.observations()
  return peers.map(({ id }) => events.filter(({ peer }) => peer === id).map(({ at }) => at))
}

function pearson (a: readonly number[], b: readonly number[]): number {
  const mean = (x: readonly number[]): number => x.reduce((sum, y) => sum + y, 0) / x.length
  const [ma, mb] = [mean(a), mean(b)]
  const sum = (f: (x: number, y: number) => number): number => a.reduce((total, x, i) => total + f(x - ma, (b[i] ?? 0) - mb), 0)
  return sum((x, y) => x * y) / Math.sqrt(sum(x => x * x) * sum((_, y) => y * y))
}

function counts (times: readonly number[], bin: number, length: number): number[] {
  const bins = Array.from({ length: Math.ceil(length / bin) }, () => 0)
  for (const at of times) {
    const i = Math.floor(at / bin)
    bins[i] = (bins[i] ?? 0) + 1
  }
  return bins
}

describe('synthetic traffic', () => {
  it.each((['shared', 'reply', 'slots'] as const).flatMap(model => [0.5, 0.7, 0.9].map(r => [model, r] as const)))('correlates as it says, in counts of seconds: %s, %d', (model, r) => {
    const [a = [], b = []] = timesOf({ kind: 'correlated', events: 5_000, model, r })
    // what is seen at the edge of a bin is in different ones now and then
    expect(Math.abs(pearson(counts(a, 1000, 5_000_000), counts(b, 1000, 5_000_000)) - r)).toBeLessThan(0.1)
  })

  it.each(['poisson', 'tides', 'lognormal', 'pareto', 'ramp'] as const)('has as many events as were asked for, about one a second: %s', model => {
    const [times = []] = timesOf({ kind: 'independent', events: 2_000, model })
    expect(times).toHaveLength(2_000)
    expect(times).toEqual([...times].sort((a, b) => a - b))
    expect((times.at(-1) ?? 0) / 2_000).toBeGreaterThan(500)
    expect((times.at(-1) ?? 0) / 2_000).toBeLessThan(2_000)
  })

  it('has a jitter of the share that was asked for', () => {
    const [times = []] = timesOf({ kind: 'periodic', events: 1_000, model: 'clock', jitter: 0.3 })
    const off = times.map((at, i) => Math.abs(at - (i + 1) * 1_000))
    expect(Math.max(...off)).toBeLessThanOrEqual(300)
    expect(Math.max(...off)).toBeGreaterThan(290)
  })

  it('is the same for the same seed, and says what is in it', () => {
    const flows: TrafficFlow[] = [{ kind: 'periodic', events: 20 }, { kind: 'bursty', events: 20 }, { kind: 'correlated', events: 20, r: 0.5 }, { kind: 'independent', events: 20 }]
    const traffic = new SyntheticTraffic({ seed: 5, flows })

    expect(traffic.labels).toEqual({ periodic: ['periodic-1'], bursty: ['bursty-2'], correlated: [['correlated-3', 'correlated-4']], independent: ['independent-5'] })
    expect(new SyntheticTraffic({ seed: 5, flows }).observations()).toEqual(traffic.observations())
    expect(new SyntheticTraffic({ seed: 6, flows }).observations()).not.toEqual(traffic.observations())
    expect(traffic.observations().source).toBe('simulated')
    expect(traffic.getStatistics()).toMatchObject({ uniquePeers: 5, totalConnections: 5 })
  })

  it('refuses what cannot be', () => {
    expect(() => new SyntheticTraffic({ flows: [{ kind: 'correlated', events: 20, r: 1.5 }] })).toThrow(RangeError)
    expect(() => new SyntheticTraffic({ flows: [{ kind: 'periodic', events: 20, jitter: Number.NaN }] })).toThrow(RangeError)
    expect(() => new SyntheticTraffic({ flows: [{ kind: 'independent', events: -1 }] })).toThrow(RangeError)
  })
})
