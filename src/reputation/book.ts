import { breakerAfter, breakerPhase, DEFAULT_BREAKER, deferBreaker, probeBreaker } from './breaker.ts'
import { conductAfter, CONDUCT_WARNING, decayConduct } from './conduct.ts'
import { ageEstimate, DEFAULT_ESTIMATE, emptyEstimate, hopefulMean } from './estimate.ts'
import { learn } from './learn.ts'
import { DEFAULT_OUTAGE, OutageDetector } from './outage.ts'
import { ageCounts, leastKnownRoute, MAX_ROUTES, mergeStored, newRecord, newRoute, routeKey } from './record.ts'
import { Roster } from './roster.ts'
import { restoreRecord, storeRecord } from './stored-record.ts'
import type { BreakerParams } from './breaker.ts'
import type { Estimate, EstimateParams } from './estimate.ts'
import type { OutageParams, Verdict } from './outage.ts'
import type { ProviderRecord, RouteRecord } from './record.ts'
import type { Clock, Random } from '../interface/clock.ts'
import type { Outcome } from '../interface/outcome.ts'
import type { ProviderId, Route } from '../interface/provider.ts'
import type { ProviderView, ReputationBook, Sample } from '../interface/reputation.ts'
import type { ProviderSummary } from '../interface/stats.ts'

export interface ReputationInit {
  /** Providers remembered at most, see `Roster` for who goes first. @default 10_000 */
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

/** What each outcome says about our own connection; the others say nothing */
const VERDICTS: Partial<Record<Outcome, Verdict>> = {
  delivered: 'delivered',
  'not-here': 'answered',
  unreachable: 'failed',
  stalled: 'failed',
  overloaded: 'failed'
}

export class ProviderBook implements ReputationBook {
  readonly #components: ReputationComponents
  readonly #roster: Roster
  readonly #dirty = new Set<ProviderId>()
  /** Forgotten here, not yet in the store; beyond the limit the next load forgets them */
  readonly #removed = new Set<ProviderId>()
  readonly #maxProviders: number
  readonly #estimate: EstimateParams
  readonly #breaker: BreakerParams
  readonly #outage: OutageDetector
  /** Latency over all providers: what to expect of one that was never heard out */
  readonly #usual: Estimate = emptyEstimate()

  constructor (components: ReputationComponents, init: ReputationInit = {}) {
    this.#components = components
    this.#maxProviders = init.maxProviders ?? DEFAULT_MAX_PROVIDERS
    this.#roster = new Roster(this.#maxProviders)
    this.#estimate = { ...DEFAULT_ESTIMATE, ...init.estimate }
    this.#breaker = { ...DEFAULT_BREAKER, ...init.breaker }
    this.#outage = new OutageDetector({ ...DEFAULT_OUTAGE, ...init.outage })
  }

  get size (): number {
    return this.#roster.size
  }

  /** True while most providers fail at once, which is held against none of them */
  get frozen (): boolean {
    return this.#outage.frozen
  }

  view (id: ProviderId, route: Route | undefined, now: number): ProviderView {
    const record = this.#roster.get(id)
    const unknown = { mean: 0, sd: this.#estimate.priorSd, weight: 0 }

    if (record == null) {
      return {
        id,
        latency: unknown,
        hope: 0,
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
      hope: path == null ? 0 : hopefulMean(path.latency, now - path.updatedAt, path.passed, this.#estimate),
      throughput: path == null ? unknown : ageEstimate(path.throughput, now - path.updatedAt, path.passed, this.#estimate),
      ...ageCounts(record, now, this.#estimate),
      conduct: record.conduct.score,
      selectable: record.conduct.selectable,
      breaker: breakerPhase(record.breaker, now, this.#breaker),
      retryAt: record.breaker.state === 'open' ? record.breaker.until : 0,
      passedOver: path?.passed ?? 0,
      attempts: record.attempts,
      patience: path?.patience ?? 1,
      ...(path != null && path.rttMean >= 0 ? { rtt: { mean: path.rttMean, deviation: path.rttDeviation } } : {})
    }
  }

  record (id: ProviderId, route: Route, outcome: Outcome, sample: Sample, now: number): void {
    const record = this.#roster.get(id) ?? newRecord(id, now)
    const proven = record.delivered > 0
    const verdict = VERDICTS[outcome]
    const frozen = verdict == null ? this.#outage.frozen : this.#outage.record(id, verdict, now, proven)

    learn(this.#path(record, route, now), outcome, sample, now, this.#estimate, this.#usual)
    Object.assign(record, ageCounts(record, now, this.#estimate))
    record.attempts++
    record.updatedAt = now

    if (frozen && verdict === 'failed') {
      // our outage, not theirs: a probe that was out is over, and that is all
      record.breaker = breakerAfter(record.breaker, { outcome: 'cancelled', now, dice: 0, proven }, this.#breaker)
      record.breaker = deferBreaker(record.breaker, sample.retryAfter ?? 0, now, this.#breaker)
    } else {
      const dice = this.#components.random.next()
      record.breaker = breakerAfter(record.breaker, { outcome, now, dice, retryAfter: sample.retryAfter, proven }, this.#breaker)
    }

    if (!frozen || outcome === 'delivered') {
      record.conduct = conductAfter(record.conduct, outcome, now)
      count(record, outcome)
    }

    record.delivered += outcome === 'delivered' ? 1 : 0
    this.#keep(record, now)
    this.#dirty.add(id)
    this.#removed.delete(id)
  }

  passOver (id: ProviderId, route: Route): void {
    const record = this.#roster.get(id)

    if (record == null) {
      // an unknown provider is counted too, so that its turn comes
      const now = this.#components.clock.now()
      const unasked = newRecord(id, now)
      this.#path(unasked, route, now).passed++
      this.#keep(unasked, now)
      return
    }

    this.#path(record, route, record.updatedAt).passed++
  }

  probing (id: ProviderId): void {
    const record = this.#roster.get(id)

    if (record != null) {
      record.breaker = probeBreaker(record.breaker, this.#components.clock.now())
    }
  }

  /** One provider as plain data, for `stats()` and `explain()` */
  describe (id: ProviderId): ProviderSummary | undefined {
    const record = this.#roster.get(id)

    if (record == null) {
      return undefined
    }

    const now = this.#components.clock.now()
    const conduct = decayConduct(record.conduct, now)
    const { successes, failures } = ageCounts(record, now, this.#estimate)
    const best = [...record.routes.values()].sort((a, b) => b.latency.weight - a.latency.weight)[0]
    return {
      id,
      attempts: record.attempts,
      delivered: record.delivered,
      reliability: (successes + 1) / (successes + failures + 2),
      latency: best == null || best.latency.weight === 0 ? undefined : Math.exp(best.latency.mean),
      bytesPerSecond: best == null || best.throughput.weight === 0 ? undefined : Math.exp(best.throughput.mean) * 1000,
      conduct: conduct.score,
      standing: !conduct.selectable ? 'banned' : conduct.score <= CONDUCT_WARNING ? 'warned' : 'good',
      breaker: breakerPhase(record.breaker, now, this.#breaker)
    }
  }

  /** Everybody remembered, the longest unused first, as of now: whoever records while reading sees no end otherwise */
  ids (): ProviderId[] {
    return [...this.#roster.ids()]
  }

  /** Up to `limit` records that changed since they were last taken, in stored form; undefined for those dropped since */
  takeDirty (limit: number = Infinity): Array<[ProviderId, unknown]> {
    const now = this.#components.clock.now()
    const wall = this.#components.clock.wall()
    const taken: Array<[ProviderId, unknown]> = []

    for (const changed of [this.#removed, this.#dirty]) {
      for (const id of changed) {
        if (taken.length >= limit) {
          break
        }

        const record = this.#roster.get(id)
        taken.push([id, changed === this.#removed || record == null ? undefined : storeRecord(record, now, wall)])
        changed.delete(id)
      }
    }

    return taken
  }

  /** They could not be written after all */
  giveBack (ids: Iterable<ProviderId>): void {
    for (const id of ids) {
      if (this.#roster.get(id) != null) {
        this.#dirty.add(id)
      } else {
        this.#remove(id)
      }
    }
  }

  /** Takes one stored record back; throws when it is not one. Call `settle` after the last. */
  restore (value: unknown): void {
    const now = this.#components.clock.now()
    const stored = restoreRecord(value, now, this.#components.clock.wall(), this.#breaker)
    const live = this.#roster.get(stored.id)

    if (live == null) {
      this.#roster.touch(stored)
    } else {
      mergeStored(live, stored, now)
      this.#roster.touch(live)
    }

    // a store may hold more than fits: sort out now and then, not for each
    if (this.#roster.size >= 2 * this.#maxProviders) {
      this.settle()
    }
  }

  /** After records came in a store's order: the order of their last use, and no more than fit */
  settle (): void {
    this.#roster.sort()
    this.#trim(this.#components.clock.now())
  }

  toJSON (): unknown {
    const now = this.#components.clock.now()
    const wall = this.#components.clock.wall()
    return [...this.#roster.values()].map(record => storeRecord(record, now, wall))
  }

  #keep (record: ProviderRecord, now: number): void {
    this.#roster.touch(record)
    this.#trim(now)
  }

  #trim (now: number): void {
    for (const id of this.#roster.trim(now)) {
      this.#dirty.delete(id)
      this.#remove(id)
    }
  }

  #remove (id: ProviderId): void {
    this.#removed.add(id)

    if (this.#removed.size > this.#maxProviders) {
      const [oldest] = this.#removed
      this.#removed.delete(oldest ?? id)
    }
  }

  #path (record: ProviderRecord, route: Route, now: number): RouteRecord {
    const key = routeKey(route)
    let path = record.routes.get(key)

    if (path == null) {
      if (record.routes.size >= MAX_ROUTES) {
        record.routes.delete(leastKnownRoute(record.routes) ?? '')
      }

      path = newRoute(now)
      record.routes.set(key, path)
    }

    return path
  }
}

function count (record: ProviderRecord, outcome: Outcome): void {
  if (outcome !== 'cancelled' && outcome !== 'not-here') {
    record.successes = record.successes * KEEP_COUNTS + (outcome === 'delivered' ? 1 : 0)
    record.failures = record.failures * KEEP_COUNTS + (outcome === 'delivered' ? 0 : 1)
  }
}

export function reputationBook (components: ReputationComponents, init?: ReputationInit): ProviderBook {
  return new ProviderBook(components, init)
}
