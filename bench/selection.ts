import { reputationBook } from '../src/reputation/book.ts'
import { blockVerifier } from '../src/block/verify.ts'
import { seededRandom } from '../src/clock/random.ts'
import { nullLedger } from '../src/privacy/null-ledger.ts'
import { ContentRoutingManager } from '../src/routing/manager.ts'
import { silentLogger } from '../src/testing/silent-logger.ts'
import { SimulatedNetwork } from '../src/testing/simulated-network.ts'
import { mean, MEDIANS, quantile, REGIMES, runOracle, SIGMA, weather } from './simulation/regimes.ts'
import type { BenchOptions, BenchResult } from './types.ts'
import type { Regime } from './simulation/regimes.ts'

export const description = 'provider selection against oracles: 60 000 reads over 8 changing providers on the virtual clock'

const REQUESTS = 60_000
const IN_FLIGHT = 8
const BLOCK_SIZE = 1_024

export const bars = {
  p50Stable: { max: 1.1 },
  p99Stable: { max: 1.5 },
  p50Churny: { max: 1.1 },
  p99Churny: { max: 3 },
  requestsStable: { max: 1.12 },
  bytesStable: { max: 1.12 },
  requestsChurny: { max: 1.15 },
  bytesChurny: { max: 1.15 }
}

export async function run ({ seed, short, log }: BenchOptions): Promise<BenchResult> {
  const count = short ? REQUESTS / 10 : REQUESTS
  const ratios: Record<string, number> = {}
  const absolute: Record<string, unknown> = {}

  for (const regime of REGIMES) {
    const factors = weather(regime, count, seed)
    const plain = runOracle(regime, factors, seed, false)
    const hedging = runOracle(regime, factors, seed, true)
    const started = performance.now()
    const ours = await runManager(regime, factors, seed, IN_FLIGHT / mean(hedging.times))
    const suffix = regime.name === 'stable' ? 'Stable' : 'Churny'

    ratios[`p50${suffix}`] = quantile(ours.times, 0.5) / quantile(plain.times, 0.5)
    ratios[`p99${suffix}`] = quantile(ours.times, 0.99) / quantile(hedging.times, 0.99)
    ratios[`requests${suffix}`] = ours.requests / count
    ratios[`bytes${suffix}`] = ours.bytes / (count * BLOCK_SIZE)
    absolute[regime.name] = {
      ours: { p50: quantile(ours.times, 0.5), p99: quantile(ours.times, 0.99), 'p99.9': quantile(ours.times, 0.999), mean: mean(ours.times), ...ours.detail },
      oracle: { p50: quantile(plain.times, 0.5), p99: quantile(plain.times, 0.99), mean: mean(plain.times) },
      hedgingOracle: { p50: quantile(hedging.times, 0.5), p99: quantile(hedging.times, 0.99), 'p99.9': quantile(hedging.times, 0.999), requests: hedging.requests / count },
      seconds: (performance.now() - started) / 1000
    }
    log(`${regime.name}: ${count} reads in ${((performance.now() - started) / 1000).toFixed(1)} s`)
  }

  return { ratios, absolute, bars }
}

interface Run {
  readonly times: Float64Array
  readonly requests: number
  readonly bytes: number
  readonly detail: Record<string, unknown>
}

/** Drives `retrieve` itself: Poisson arrivals, every read a block of its own, eight providers that have them all */
async function runManager (regime: Regime, factors: readonly Float64Array[], seed: number, rate: number): Promise<Run> {
  const network = new SimulatedNetwork({ seed })
  const { clock } = network
  const providers = MEDIANS.map((latency, i) => network.add(`p${i}`, {
    latency,
    sigma: SIGMA,
    stragglers: regime.stragglers,
    blackHoles: regime.blackHoles
  }))
  const random = seededRandom(seed ^ 0xd1ce)
  const arrivals = seededRandom(seed ^ 0xa881)
  const manager = new ContentRoutingManager({
    logger: silentLogger,
    clock,
    random,
    verifier: blockVerifier(),
    ledger: nullLedger,
    reputation: reputationBook({ clock, random }),
    sources: [network.source],
    fetchers: [network.fetcher],
    parseHint: hint => { throw new TypeError(`No hints here: ${String(hint)}`) }
  })
  await manager.start()

  const count = factors[0]?.length ?? 0
  const times = new Float64Array(count)

  await clock.run(new Promise<void>((resolve, reject) => {
    let done = 0
    const arrive = (i: number): void => {
      for (const [p, provider] of providers.entries()) {
        provider.behaviour.factor = factors[p]?.[i] ?? 1
      }

      const content = new Uint8Array(BLOCK_SIZE)
      new DataView(content.buffer).setUint32(0, i)
      const cid = network.block(content)
      const started = clock.now()

      manager.retrieve(cid).then(() => {
        times[i] = clock.now() - started
        // measurements may still be under way
        clock.schedule(60_000, () => { network.drop(cid) })

        if (++done === count) {
          resolve()
        }
      }, reject)

      if (i + 1 < count) {
        clock.schedule(-Math.log(1 - arrivals.next()) / rate, () => { arrive(i + 1) })
      }
    }
    arrive(0)
  }))

  const stats = manager.stats()
  await manager.stop()
  return {
    times,
    requests: network.requests,
    bytes: network.bytesSent,
    detail: {
      attempts: stats.attempts,
      hedges: stats.hedges,
      outcomes: stats.outcomes,
      perProvider: providers.map(provider => provider.requestCount)
    }
  }
}
