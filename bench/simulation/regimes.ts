import { normal, seededRandom } from '../../src/clock/random.ts'
import type { Random } from '../../src/interface/clock.ts'

/** One kind of weather: how often providers change and how often requests go wrong */
export interface Regime {
  readonly name: 'stable' | 'churny'
  /** Each provider flips to 8x slower, or back, once per this many requests on average */
  readonly flipEvery: number
  readonly stragglers: number
  readonly blackHoles: number
}

export const REGIMES: readonly Regime[] = [
  { name: 'stable', flipEvery: 8_000, stragglers: 0.02, blackHoles: 0.01 },
  { name: 'churny', flipEvery: 800, stragglers: 0.05, blackHoles: 0.03 }
]

export const PROVIDERS = 8
export const SIGMA = 0.35
export const SLOWDOWN = 8
/** What the oracle waits before it gives a request up */
export const ORACLE_TIMEOUT = 5_000

/** Medians from 20 to 400 ms, evenly spaced on a log scale */
export const MEDIANS: readonly number[] = Array.from({ length: PROVIDERS }, (_, i) => 20 * 20 ** (i / (PROVIDERS - 1)))

/** For every request the slowdown of every provider: the same weather for everybody who is compared */
export function weather (regime: Regime, requests: number, seed: number): Float64Array[] {
  const random = seededRandom(seed ^ 0x5eed)

  return MEDIANS.map(() => {
    const factors = new Float64Array(requests)
    // independent starts: a quarter begins slow
    let slow = random.next() < 0.25

    for (let i = 0; i < requests; i++) {
      if (random.next() < 1 / regime.flipEvery) {
        slow = !slow
      }

      factors[i] = slow ? SLOWDOWN : 1
    }

    return factors
  })
}

/** One request's time at a provider with this median, or Infinity for a black hole */
export function drawLatency (median: number, regime: Regime, random: Random): number {
  const usual = median * Math.exp(SIGMA * normal(random))

  if (random.next() < regime.blackHoles) {
    return Infinity
  }

  return random.next() < regime.stragglers ? usual * 10 : usual
}

export interface OracleResult {
  readonly times: Float64Array
  readonly requests: number
}

/**
 * Knows every provider's current median and takes the lowest. With `hedge` it
 * asks the second lowest at the 95th percentile of the first one's usual latency.
 */
export function runOracle (regime: Regime, factors: readonly Float64Array[], seed: number, hedge: boolean): OracleResult {
  const random = seededRandom(seed ^ 0x0a1e)
  const count = factors[0]?.length ?? 0
  const times = new Float64Array(count)
  const p95 = Math.exp(1.6449 * SIGMA)
  let requests = 0

  for (let i = 0; i < count; i++) {
    const medians = MEDIANS.map((median, p) => median * (factors[p]?.[i] ?? 1)).sort((a, b) => a - b)
    const [best = 0, second = 0] = medians
    let time = drawLatency(best, regime, random)
    requests++

    if (hedge && time > best * p95) {
      requests++
      time = Math.min(time, best * p95 + drawLatency(second, regime, random))
    }

    times[i] = Math.min(time, ORACLE_TIMEOUT)
  }

  return { times, requests }
}

export function quantile (times: Float64Array, q: number): number {
  const sorted = times.slice().sort()
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? 0
}

export function mean (times: Float64Array): number {
  return times.reduce((sum, time) => sum + time, 0) / times.length
}
