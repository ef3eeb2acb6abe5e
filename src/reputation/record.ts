import { closedBreaker } from './breaker.ts'
import { CONDUCT_MAX, CONDUCT_MIN, freshConduct } from './conduct.ts'
import { emptyEstimate } from './estimate.ts'
import type { Breaker } from './breaker.ts'
import type { Conduct } from './conduct.ts'
import type { Estimate } from './estimate.ts'
import type { ProviderId, Route } from '../interface/provider.ts'

/** What is learnt per route: a new address is a new path, not a new provider */
export interface RouteRecord {
  readonly latency: Estimate
  readonly throughput: Estimate
  /** Linear RTT mean and deviation in ms, for timeouts (RFC 6298); -1 before the first sample */
  rttMean: number
  rttDeviation: number
  /** Doubled by every stall, 1 after an answer: a provider that turned slow is heard out, not called silent for ever */
  patience: number
  /** Times passed over since the last observation */
  passed: number
  updatedAt: number
}

export interface ProviderRecord {
  readonly id: ProviderId
  readonly routes: Map<string, RouteRecord>
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
    rttMean: -1,
    rttDeviation: 0,
    patience: 1,
    passed: 0,
    updatedAt: now
  }
}

/** The stored form. Times are ages, so that neither a restart nor a clock jump moves them by more than their range. */
export interface StoredRecord {
  id: string
  wall: number
  s: number
  f: number
  a: number
  d: number
  conduct: { score: number, selectable: boolean, refusals: number }
  breaker?: { left: number, step: number }
  routes: Array<{ k: string, l: [number, number, number], t: [number, number, number], r: [number, number] }>
}

const round = (value: number): number => Math.round(value * 1000) / 1000

export function storeRecord (record: ProviderRecord, now: number, wall: number): StoredRecord {
  const estimate = (e: Estimate): [number, number, number] => [round(e.mean), round(e.variance), round(e.weight)]

  return {
    id: record.id,
    wall: wall - (now - record.updatedAt),
    s: round(record.successes),
    f: round(record.failures),
    a: record.attempts,
    d: record.delivered,
    conduct: { score: record.conduct.score, selectable: record.conduct.selectable, refusals: record.conduct.refusals },
    ...(record.breaker.state === 'open' ? { breaker: { left: round(record.breaker.until - now), step: record.breaker.step } } : {}),
    routes: [...record.routes].map(([k, route]) => ({
      k,
      l: estimate(route.latency),
      t: estimate(route.throughput),
      r: [round(route.rttMean), round(route.rttDeviation)]
    }))
  }
}

/** Longest pause that is believed from a store: a clock that went back must not ban anybody for days */
const MAX_STORED_PAUSE = 300_000

/** Throws when the value is not a stored record: the caller drops it and says so */
export function restoreRecord (value: unknown, now: number, wall: number): ProviderRecord {
  const stored = value as StoredRecord
  const age = Math.max(0, wall - number(stored.wall))
  const at = now - age
  const record = newRecord(providerId(stored.id), at)
  record.successes = Math.max(0, number(stored.s))
  record.failures = Math.max(0, number(stored.f))
  record.attempts = Math.max(0, number(stored.a))
  record.delivered = Math.max(0, number(stored.d))
  record.conduct = {
    score: Math.max(CONDUCT_MIN, Math.min(CONDUCT_MAX, number(stored.conduct.score))),
    at,
    selectable: stored.conduct.selectable !== false,
    refusals: Math.max(0, number(stored.conduct.refusals))
  }

  if (stored.breaker != null) {
    const left = Math.min(MAX_STORED_PAUSE, number(stored.breaker.left)) - age
    record.breaker = { state: 'open', until: now + left, step: Math.max(0, number(stored.breaker.step)), probing: false }
  }

  for (const { k, l, t, r } of stored.routes.slice(0, MAX_ROUTES)) {
    const route = newRoute(at)
    Object.assign(route.latency, estimateFrom(l))
    Object.assign(route.throughput, estimateFrom(t))
    route.rttMean = number(r[0])
    route.rttDeviation = number(r[1])
    record.routes.set(String(k), route)
  }

  return record
}

function estimateFrom (value: [number, number, number]): Estimate {
  return { mean: number(value[0]), variance: Math.max(0, number(value[1])), weight: Math.max(0, number(value[2])) }
}

function number (value: unknown): number {
  if (typeof value !== 'number' || !Number.isFinite(value)) {
    throw new TypeError(`Expected a finite number, got ${String(value)}`)
  }

  return value
}

function providerId (value: unknown): ProviderId {
  if (typeof value !== 'string' || !/^(p2p|https?|broker):/.test(value)) {
    throw new TypeError(`Expected a provider id, got ${String(value).slice(0, 100)}`)
  }

  return value as ProviderId
}
