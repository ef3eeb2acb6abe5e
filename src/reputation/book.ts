import { breakerAfter, breakerPhase, DEFAULT_BREAKER, probeBreaker } from './breaker.ts'
import { conductAfter, CONDUCT_WARNING, decayConduct } from './conduct.ts'
import { ageEstimate, DEFAULT_ESTIMATE, observe, observeCensored } from './estimate.ts'
import { DEFAULT_OUTAGE, OutageDetector } from './outage.ts'
import { MAX_PATIENCE, MAX_ROUTES, newRecord, newRoute, restoreRecord, routeKey, storeRecord } from './record.ts'
import type { BreakerParams } from './breaker.ts'
import type { EstimateParams } from './estimate.ts'
import type { OutageParams } from './outage.ts'
import type { ProviderRecord, RouteRecord } from './record.ts'
import type { Clock, Random } from '../interface/clock.ts'
import type { Outcome } from '../interface/outcome.ts'
import type { ProviderId, Route } from '../interface/provider.ts'
import type { LogEstimate, ProviderView, ReputationBook, Sample } from '../interface/reputation.ts'

export interface ReputationInit {
  /** Providers remembered at most: the least recently used with clean conduct go first. @default 10_000 */
  maxProviders?: number
  estimate?: Partial<EstimateParams>
  breaker?: Partial<BreakerParams>
  outage?: Partial<OutageParams>
}

export interface ReputationComponents {
  clock: Pick<Clock, 'now' | 'wall'>
  random: Random
}

/** Ten thousand records are about 10 MB of heap: room for every provider a busy node meets in days */
export const DEFAULT_MAX_PROVIDERS = 10_000

/** Kept per answer: success and failure counts cover about the last fifty */
const KEEP_COUNTS = 0.98

const unknown: LogEstimate = { mean: 0, sd: 0.5, weight: 0 }

/** How far to look for a victim with clean conduct before taking the oldest after all */
const EVICTION_SCAN = 64

export class ProviderBook implements ReputationBook {
  readonly #components: ReputationComponents
  readonly #records = new Map<ProviderId, ProviderRecord>()
  readonly #dirty = new Set<ProviderId>()
  readonly #maxProviders: number
  readonly #estimate: EstimateParams
  readonly #breaker: BreakerParams
  readonly #outage: OutageDetector

  constructor (components: ReputationComponents, init: ReputationInit = {}) {
    this.#components = components
    this.#maxProviders = init.maxProviders ?? DEFAULT_MAX_PROVIDERS
    this.#estimate = { ...DEFAULT_ESTIMATE, ...init.estimate }
    this.#breaker = { ...DEFAULT_BREAKER, ...init.breaker }
    this.#outage = new OutageDetector({ ...DEFAULT_OUTAGE, ...init.outage })
  }

  get size (): number {
    return this.#records.size
  }

  /** True while most providers fail at once, which is held against none of them */
  get frozen (): boolean {
    return this.#outage.frozen
  }

  view (id: ProviderId, route: Route | undefined, now: number): ProviderView {
    const record = this.#records.get(id)

    if (record == null) {
      return {
        id,
        latency: unknown,
        throughput: unknown,
        successes: 0,
        failures: 0,
        conduct: 0,
        selectable: true,
        breaker: 'closed',
        retryAt: 0,
        passedOver: 0,
        attempts: 0,
        patience: 1
      }
    }

    record.conduct = decayConduct(record.conduct, now)
    const path = record.routes.get(routeKey(route))

    return {
      id,
      latency: path == null ? unknown : ageEstimate(path.latency, now - path.updatedAt, path.passed, this.#estimate),
      throughput: path == null ? unknown : ageEstimate(path.throughput, now - path.updatedAt, path.passed, this.#estimate),
      successes: record.successes,
      failures: record.failures,
      conduct: record.conduct.score,
      selectable: record.conduct.selectable,
      breaker: breakerPhase(record.breaker, now),
      retryAt: record.breaker.state === 'open' ? record.breaker.until : 0,
      passedOver: path?.passed ?? 0,
      attempts: record.attempts,
      patience: path?.patience ?? 1,
      ...(path != null && path.rttMean >= 0 ? { rtt: { mean: path.rttMean, deviation: path.rttDeviation } } : {})
    }
  }

  record (id: ProviderId, route: Route, outcome: Outcome, sample: Sample, now: number): void {
    const record = this.#touch(id, now)
    const path = this.#path(record, route, now)
    const bad = outcome === 'unreachable' || outcome === 'stalled' || outcome === 'overloaded'
    const frozen = outcome === 'cancelled' ? this.#outage.frozen : this.#outage.record(id, bad, now)

    record.attempts++
    this.#learn(path, outcome, sample, now)

    if (outcome !== 'cancelled' && outcome !== 'not-here' && !(bad && frozen)) {
      record.successes = record.successes * KEEP_COUNTS + (outcome === 'delivered' ? 1 : 0)
      record.failures = record.failures * KEEP_COUNTS + (outcome === 'delivered' ? 0 : 1)
    }

    record.conduct = conductAfter(record.conduct, outcome, now)

    if (bad && frozen) {
      // our outage, not theirs; but a probe that was out is over
      record.breaker = breakerAfter(record.breaker, { outcome: 'cancelled', now, dice: 0, proven: true })
    } else {
      record.breaker = breakerAfter(record.breaker, {
        outcome,
        now,
        dice: this.#components.random.next(),
        retryAfter: sample.retryAfter,
        proven: record.delivered > 0
      }, this.#breaker)
    }

    record.delivered += outcome === 'delivered' ? 1 : 0
    record.updatedAt = now
    this.#dirty.add(id)
  }

  passOver (id: ProviderId, route: Route): void {
    const record = this.#records.get(id)

    if (record == null) {
      // an unknown provider is counted too, so that its turn comes
      const now = this.#components.clock.now()
      this.#path(this.#touch(id, now), route, now).passed++
      return
    }

    this.#path(record, route, record.updatedAt).passed++
  }

  probing (id: ProviderId): void {
    const record = this.#records.get(id)

    if (record != null) {
      record.breaker = probeBreaker(record.breaker)
    }
  }

  /** One provider as plain data, for `stats()` and `explain()` */
  describe (id: ProviderId): Record<string, unknown> | undefined {
    const record = this.#records.get(id)

    if (record == null) {
      return undefined
    }

    const now = this.#components.clock.now()
    const conduct = decayConduct(record.conduct, now)
    const best = [...record.routes.values()].sort((a, b) => b.latency.weight - a.latency.weight)[0]
    return {
      id,
      attempts: record.attempts,
      delivered: record.delivered,
      reliability: (record.successes + 1) / (record.successes + record.failures + 2),
      latency: best == null || best.latency.weight === 0 ? undefined : Math.exp(best.latency.mean),
      bytesPerSecond: best == null || best.throughput.weight === 0 ? undefined : Math.exp(best.throughput.mean) * 1000,
      conduct: conduct.score,
      standing: !conduct.selectable ? 'banned' : conduct.score <= CONDUCT_WARNING ? 'warned' : 'good',
      breaker: breakerPhase(record.breaker, now)
    }
  }

  * ids (): Generator<ProviderId> {
    yield * this.#records.keys()
  }

  /** The records that changed since the last call, in stored form; undefined for those dropped since */
  takeDirty (): Array<[ProviderId, unknown]> {
    const now = this.#components.clock.now()
    const wall = this.#components.clock.wall()
    const dirty = [...this.#dirty].map((id): [ProviderId, unknown] => {
      const record = this.#records.get(id)
      return [id, record == null ? undefined : storeRecord(record, now, wall)]
    })
    this.#dirty.clear()
    return dirty
  }

  /** Takes one stored record back; throws when it is not one. What was learnt since start wins. */
  restore (value: unknown): void {
    const record = restoreRecord(value, this.#components.clock.now(), this.#components.clock.wall())

    if (!this.#records.has(record.id) && this.#records.size < this.#maxProviders) {
      this.#records.set(record.id, record)
    }
  }

  toJSON (): unknown {
    const now = this.#components.clock.now()
    const wall = this.#components.clock.wall()
    return [...this.#records.values()].map(record => storeRecord(record, now, wall))
  }

  #learn (path: RouteRecord, outcome: Outcome, sample: Sample, now: number): void {
    if (outcome === 'stalled') {
      path.patience = Math.min(MAX_PATIENCE, path.patience * 2)
    } else if (outcome !== 'cancelled' && outcome !== 'unreachable') {
      path.patience = 1
    }

    if (sample.latency != null && sample.latency >= 0) {
      const x = Math.log(Math.max(0.05, sample.latency))

      if (outcome === 'delivered' || outcome === 'not-here' || outcome === 'invalid') {
        observe(path.latency, x, this.#estimate)
        path.passed = 0

        // RFC 6298, section 2
        if (path.rttMean < 0) {
          path.rttMean = sample.latency
          path.rttDeviation = sample.latency / 2
        } else {
          path.rttDeviation += (Math.abs(sample.latency - path.rttMean) - path.rttDeviation) / 4
          path.rttMean += (sample.latency - path.rttMean) / 8
        }
      } else if (outcome === 'cancelled' || outcome === 'stalled') {
        observeCensored(path.latency, x, this.#estimate)
        path.passed = 0
      }
    }

    if (outcome === 'delivered' && sample.bytes != null && sample.transfer != null && sample.bytes > 0) {
      observe(path.throughput, Math.log(sample.bytes / Math.max(0.05, sample.transfer)), this.#estimate)
    }

    path.updatedAt = now
  }

  /** Finds or makes the record and moves it to the young end */
  #touch (id: ProviderId, now: number): ProviderRecord {
    const known = this.#records.get(id)
    const record = known ?? newRecord(id, now)

    if (known != null) {
      this.#records.delete(id)
    } else if (this.#records.size >= this.#maxProviders) {
      this.#evict()
    }

    this.#records.set(id, record)
    return record
  }

  /** A flood of new identities must not push out what is known of the bad ones */
  #evict (): void {
    let scanned = 0
    let victim: ProviderId | undefined

    for (const [id, record] of this.#records) {
      victim ??= id

      if (record.conduct.score > CONDUCT_WARNING && record.breaker.state === 'closed') {
        victim = id
        break
      }

      if (++scanned >= EVICTION_SCAN) {
        break
      }
    }

    if (victim != null) {
      this.#records.delete(victim)
      this.#dirty.add(victim)
    }
  }

  #path (record: ProviderRecord, route: Route, now: number): RouteRecord {
    const key = routeKey(route)
    let path = record.routes.get(key)

    if (path == null) {
      if (record.routes.size >= MAX_ROUTES) {
        const [oldest] = record.routes.keys()
        record.routes.delete(oldest ?? '')
      }

      path = newRoute(now)
      record.routes.set(key, path)
    }

    return path
  }
}

export function reputationBook (components: ReputationComponents, init?: ReputationInit): ProviderBook {
  return new ProviderBook(components, init)
}
