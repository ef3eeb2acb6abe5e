import { closedBreaker } from './breaker.ts'
import { CONDUCT_SUCCESS_CAP, conductFrom, decayConduct, freshConduct } from './conduct.ts'
import { emptyEstimate, remaining } from './estimate.ts'
import type { Breaker } from './breaker.ts'
import type { Conduct } from './conduct.ts'
import type { Estimate, EstimateParams } from './estimate.ts'
import type { ProviderId, Route } from '../interface/provider.ts'

/**
 * What is learnt per route: a new address is a new path, not a new provider. That
 * nobody could be reached there says nothing about the provider either: anybody can
 * name an address in its name.
 */
export interface RouteRecord {
  readonly latency: Estimate
  readonly throughput: Estimate
  attempts: number
  /** Decayed count of attempts that reached nobody */
  failures: number
  /** Opened by those: it pauses this route and no other */
  breaker: Breaker
  /** Linear RTT mean and deviation in ms, for timeouts (RFC 6298); -1 before the first sample */
  rttMean: number
  rttDeviation: number
  /** Doubled by every stall, 1 after an answer: a provider that turned slow is heard out, not called silent for ever */
  patience: number
  /** Times passed over since the last observation */
  passed: number
  updatedAt: number
}

/** About one who answers for routes, see `answererOf` */
export interface ProviderRecord {
  readonly id: ProviderId
  readonly routes: Map<string, RouteRecord>
  /** It was there at the end of one of them */
  reached: boolean
  successes: number
  failures: number
  attempts: number
  delivered: number
  conduct: Conduct
  breaker: Breaker
  /** Monotonic */
  updatedAt: number
}

/** Longest that stalls stretch a timeout: from the floor of 200 ms to beyond the ceiling */
export const MAX_PATIENCE = 64

/** Routes kept per provider: more addresses than this are noise */
export const MAX_ROUTES = 8

export function routeKey (route: Route | undefined): string {
  return route == null ? '' : `${route.transport} ${route.address ?? ''}`
}

export function newRecord (id: ProviderId, now: number): ProviderRecord {
  return {
    id,
    routes: new Map(),
    reached: false,
    successes: 0,
    failures: 0,
    attempts: 0,
    delivered: 0,
    conduct: freshConduct(now),
    breaker: closedBreaker,
    updatedAt: now
  }
}

export function newRoute (now: number): RouteRecord {
  return {
    latency: emptyEstimate(),
    throughput: emptyEstimate(),
    attempts: 0,
    failures: 0,
    breaker: closedBreaker,
    rttMean: -1,
    rttDeviation: 0,
    patience: 1,
    passed: 0,
    updatedAt: now
  }
}

/** Forgets what time and decisions against it have made of the evidence up to now */
export function ageRoute (route: RouteRecord, now: number, params: EstimateParams): void {
  const left = remaining(now - route.updatedAt, route.passed, params)
  route.latency.weight *= left
  route.throughput.weight *= left
  route.failures = ageFailures(route, now, params)
  route.passed = 0
  route.updatedAt = now
}

/** As the counts of its provider, by time alone */
export function ageFailures (route: RouteRecord, now: number, params: EstimateParams): number {
  return route.failures * remaining(now - route.updatedAt, 0, params)
}

/** Counts of answers and faults fade with the same half-life as what is believed about speed */
export function ageCounts (record: ProviderRecord, now: number, params: EstimateParams): { successes: number, failures: number } {
  const left = remaining(now - record.updatedAt, 0, params)
  return { successes: record.successes * left, failures: record.failures * left }
}

/** The route about which least is known, when there are too many */
export function leastKnownRoute (routes: ReadonlyMap<string, RouteRecord>): string | undefined {
  let least: string | undefined
  let evidence = Infinity

  for (const [key, route] of routes) {
    if (route.latency.weight < evidence) {
      least = key
      evidence = route.latency.weight
    }
  }

  return least
}

/**
 * Adds what a store knew to what was learnt while it was being read. Misconduct adds
 * up: being asked early after a restart launders nobody. What is believed about speed
 * is not mixed: the newer wins.
 */
export function mergeStored (live: ProviderRecord, stored: ProviderRecord, now: number): void {
  const before = decayConduct(stored.conduct, now)
  const current = decayConduct(live.conduct, now)
  const score = Math.min(before.score + current.score, Math.max(CONDUCT_SUCCESS_CAP, before.score))
  live.conduct = conductFrom({
    score,
    selectable: before.selectable && current.selectable,
    refusals: Math.max(before.refusals, current.refusals)
  }, current.at)

  if (live.delivered === 0 && live.breaker.state === 'closed') {
    live.breaker = stored.breaker
  }

  live.reached ||= stored.reached
  live.successes += stored.successes
  live.failures += stored.failures
  live.attempts += stored.attempts
  live.delivered += stored.delivered

  for (const [key, route] of stored.routes) {
    const known = live.routes.get(key)

    if (known == null ? live.routes.size < MAX_ROUTES : known.attempts === 0) {
      route.passed += known?.passed ?? 0
      live.routes.set(key, route)
    } else if (known != null) {
      known.attempts += route.attempts

      if (known.rttMean < 0 && known.breaker.state === 'closed') {
        known.breaker = route.breaker
      }
    }
  }
}
