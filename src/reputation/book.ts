import { answererOf } from '../provider/answerer.ts'
import { DEFAULT_BREAKER, probeBreaker } from './breaker.ts'
import { conductAfter, CONDUCT_WARNING, decayConduct } from './conduct.ts'
import { DEFAULT_ESTIMATE, emptyEstimate } from './estimate.ts'
import { learn } from './learn.ts'
import { DEFAULT_OUTAGE, OutageDetector } from './outage.ts'
import { Pardons } from './pardons.ts'
import { ageCounts, ageFailures, leastKnownRoute, MAX_ROUTES, mergeStored, newRecord, newRoute, routeKey } from './record.ts'
import { Roster } from './roster.ts'
import { countOutcome, pauseAfter, pauseForgiven, pauseOf } from './sentence.ts'
import { restoreRecord, storeRecord } from './stored-record.ts'
import { underClaim, viewOf } from './view.ts'
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

/** What each outcome says about our own connection; the others say nothing */
const VERDICTS: Partial<Record<Outcome, Verdict>> = {
  delivered: 'delivered',
  'not-here': 'answered',
  unreachable: 'failed',
  stalled: 'failed',
  overloaded: 'failed',
  invalid: 'garbage'
}

/** What is forgiven while penalties are frozen; the others close or leave a breaker as ever */
const PENALISED: ReadonlySet<Outcome> = new Set<Outcome>(['unreachable', 'stalled', 'overloaded', 'invalid'])

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
  readonly #pardons: Pardons
  /** Latency over all providers: what to expect of one that was never heard out */
  readonly #usual: Estimate = emptyEstimate()

  constructor (components: ReputationComponents, init: ReputationInit = {}) {
    this.#components = components
    this.#maxProviders = init.maxProviders ?? DEFAULT_MAX_PROVIDERS
    this.#roster = new Roster(this.#maxProviders)
    this.#estimate = { ...DEFAULT_ESTIMATE, ...init.estimate }
    this.#breaker = { ...DEFAULT_BREAKER, ...init.breaker }
    const outage = { ...DEFAULT_OUTAGE, ...init.outage }
    this.#outage = new OutageDetector(outage)
    this.#pardons = new Pardons(outage.limit, outage.window)
  }

  get size (): number {
    return this.#roster.size
  }

  /** True while most providers fail at once, which is held against none of them */
  get frozen (): boolean {
    return this.#outage.frozen
  }

  view (id: ProviderId, route: Route | undefined, now: number): ProviderView {
    const who = answerer(id, route)
    const view = viewOf(who, this.#roster.get(who), route, now, { estimate: this.#estimate, breaker: this.#breaker })
    return who === id ? view : underClaim(view, id, this.#roster.get(id), now)
  }

  record (id: ProviderId, route: Route, outcome: Outcome, sample: Sample, now: number): void {
    const who = answerer(id, route)
    const record = this.#roster.get(who) ?? newRecord(who, now)
    const path = this.#path(record, route, now)
    const reached = outcome !== 'unreachable' && outcome !== 'cancelled'
    // nobody there tells of our side only where somebody was: anyone can name dead addresses of a good peer
    const hearsay = outcome === 'unreachable' && sample.hearsay === true
    const proven = record.delivered > 0 && !hearsay && (reached || path.rttMean >= 0)
    // nor of who has delivered: it was looked for where others say that it is
    const forgiven = this.#judge(record, outcome, now, proven) || (hearsay && record.delivered > 0)

    learn(path, outcome, sample, now, this.#estimate, this.#usual)
    Object.assign(record, ageCounts(record, now, this.#estimate))
    record.attempts++
    path.attempts++
    record.reached ||= reached
    record.updatedAt = now

    if (forgiven && PENALISED.has(outcome)) {
      pauseForgiven(record, path, { outcome, retryAfter: sample.retryAfter, now }, this.#breaker)
    } else {
      const dice = this.#components.random.next()
      pauseAfter(record, path, { outcome, now, dice, retryAfter: sample.retryAfter, proven }, this.#breaker)
    }

    if (!forgiven) {
      record.conduct = conductAfter(record.conduct, outcome, now)
      countOutcome(record, path, outcome)
    }

    record.delivered += outcome === 'delivered' ? 1 : 0
    this.#keep(record, now)
    this.#dirty.add(who)
    this.#removed.delete(who)
  }

  passOver (id: ProviderId, route: Route): void {
    const who = answerer(id, route)
    const record = this.#roster.get(who)

    if (record == null) {
      // an unknown provider is counted too, so that its turn comes
      const now = this.#components.clock.now()
      const unasked = newRecord(who, now)
      this.#path(unasked, route, now).passed++
      this.#keep(unasked, now)
      return
    }

    this.#path(record, route, record.updatedAt).passed++
  }

  probing (id: ProviderId, route: Route): void {
    const record = this.#roster.get(answerer(id, route))
    const now = this.#components.clock.now()

    for (const paused of [record, record?.routes.get(routeKey(route))]) {
      if (paused != null) {
        paused.breaker = probeBreaker(paused.breaker, now)
      }
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
    const { successes, failures: faults } = ageCounts(record, now, this.#estimate)
    const best = [...record.routes.values()].sort((a, b) => b.latency.weight - a.latency.weight)[0]
    const failures = faults + (best == null ? 0 : ageFailures(best, now, this.#estimate))
    return {
      id,
      attempts: record.attempts,
      delivered: record.delivered,
      reliability: (successes + 1) / (successes + failures + 2),
      latency: best == null || best.latency.weight === 0 ? undefined : Math.exp(best.latency.mean),
      bytesPerSecond: best == null || best.throughput.weight === 0 ? undefined : Math.exp(best.throughput.mean) * 1000,
      conduct: conduct.score,
      standing: !conduct.selectable ? 'banned' : conduct.score <= CONDUCT_WARNING ? 'warned' : 'good',
      breaker: pauseOf(record, now, this.#breaker)
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

  /** Is what happened now our own fault? Then so is what others were sentenced for a moment ago. */
  #judge (record: ProviderRecord, outcome: Outcome, now: number, proven: boolean): boolean {
    const verdict = VERDICTS[outcome]
    const before = this.#outage.frozen
    const forgiven = verdict == null ? before : this.#outage.record(record.id, verdict, now, proven)

    if (verdict === 'delivered') {
      this.#pardons.clear()
    } else if (verdict === 'garbage' && proven && this.#outage.lenient(now)) {
      this.#pardons.remember(record, now)
    } else if (verdict == null ? outcome === 'refused' : verdict === 'answered') {
      this.#pardons.forget(record.id)
    }

    if (!before && this.#outage.frozen) {
      for (const { id } of this.#pardons.grant(name => this.#roster.get(name), now, this.#breaker)) {
        this.#dirty.add(id)
      }
    }

    // an answer is an answer, during an outage too
    return forgiven && verdict !== 'answered'
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

/** Whoever is named, and what stands at the end of the route */
const answerer = (id: ProviderId, route: Route | undefined): ProviderId => answererOf({ provider: id, address: route?.address })

export function reputationBook (components: ReputationComponents, init?: ReputationInit): ProviderBook {
  return new ProviderBook(components, init)
}
