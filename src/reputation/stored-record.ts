import { answererOf } from '../provider/answerer.ts'
import { breakerFrom, closedBreaker } from './breaker.ts'
import { conductFrom } from './conduct.ts'
import { MAX_PATIENCE, MAX_ROUTES, newRecord, newRoute } from './record.ts'
import type { Breaker, BreakerParams } from './breaker.ts'
import type { Estimate } from './estimate.ts'
import type { ProviderRecord } from './record.ts'
import type { ProviderId } from '../interface/provider.ts'

/**
 * What is written down about a provider. `wall` is when it last changed, and all else
 * is counted from then, so that neither a restart nor a clock jump moves anything by
 * more than its own range.
 */
export interface StoredRecord {
  id: string
  wall: number
  /** Successes, failures, attempts, delivered */
  s: number
  f: number
  a: number
  d: number
  /** Was reached */
  y?: boolean
  /** `at`: ms from the last change to the time up to which the score has decayed */
  conduct: { score: number, selectable: boolean, refusals: number, at: number }
  breaker?: Pause
  /**
   * Key; latency and throughput as mean, variance, weight and long run; RTT mean and deviation; patience; times passed
   * over; then, absent in what older versions wrote, attempts, how many reached nobody, the pause since, and ms from the
   * last change of all to that of this route
   */
  routes: Array<{ k: string, l: Belief, t: Belief, r: [number, number], p: number, n: number, a?: number, f?: number, b?: Pause, o?: number }>
}

/** `left`: ms from the last change until a probe may go out */
interface Pause { left: number, step: number }

type Belief = [number, number, number, number]

/** Nobody takes longer than a day, and log(a day in ms) is below 19: more was written by a bug or a bad disk */
const MAX_MS = 86_400_000
/** Ten years on everything has decayed */
const MAX_AGE = 315_360_000_000
const MAX_LOG = 50
const MAX_WEIGHT = 1_000
/** Counters end where doubles stop counting */
const MAX_COUNT = Number.MAX_SAFE_INTEGER
/** Ids and addresses are below 200 characters; a DNS name with its path may have some more */
const MAX_TEXT = 2_048

const round = (value: number): number => Math.round(value * 1000) / 1000

export function storeRecord (record: ProviderRecord, now: number, wall: number): StoredRecord {
  const { id, conduct, breaker, updatedAt } = record
  const belief = (e: Estimate): Belief => [round(e.mean), round(e.variance), round(e.weight), round(e.longRun)]
  const pause = (b: Breaker): Pause | undefined => b.state === 'open' ? { left: round(b.until - updatedAt), step: b.step } : undefined

  return {
    id,
    wall: wall - (now - updatedAt),
    s: round(record.successes),
    f: round(record.failures),
    a: record.attempts,
    d: record.delivered,
    y: record.reached,
    conduct: { score: conduct.score, selectable: conduct.selectable, refusals: conduct.refusals, at: round(conduct.at - updatedAt) },
    ...(breaker.state === 'open' ? { breaker: pause(breaker) } : {}),
    routes: [...record.routes].map(([k, route]) => ({
      k,
      l: belief(route.latency),
      t: belief(route.throughput),
      r: [round(route.rttMean), round(route.rttDeviation)],
      p: route.patience,
      n: route.passed,
      a: route.attempts,
      f: round(route.failures),
      ...(route.breaker.state === 'open' ? { b: pause(route.breaker) } : {}),
      o: round(route.updatedAt - updatedAt)
    }))
  }
}

/**
 * Throws when the value is not a stored record: the caller drops it and says so.
 * A wall clock that went back makes nothing older than now; one that went ahead
 * forgives what the time it claims would have forgiven.
 */
export function restoreRecord (value: unknown, now: number, wall: number, breakerParams: BreakerParams): ProviderRecord {
  const stored = value as StoredRecord
  const age = Math.max(0, Math.min(MAX_AGE, wall - finite(stored.wall)))
  const at = now - age
  const record = newRecord(providerId(stored.id), at)
  record.successes = within(stored.s, 0, MAX_COUNT)
  record.failures = within(stored.f, 0, MAX_COUNT)
  record.attempts = within(stored.a, 0, MAX_COUNT)
  record.delivered = within(stored.d, 0, MAX_COUNT)
  record.conduct = conductFrom({
    score: Math.round(finite(stored.conduct.score)),
    selectable: stored.conduct.selectable,
    refusals: within(stored.conduct.refusals, 0, MAX_COUNT)
  }, Math.min(now, at + within(stored.conduct.at, -MAX_AGE, MAX_AGE)))

  // before routes had pauses of their own, an attempt was an attempt
  record.reached = stored.y == null ? record.attempts > 0 : stored.y === true
  const pause = ({ left, step }: Pause): Breaker => breakerFrom(at + finite(left), finite(step), now, breakerParams)

  if (stored.breaker != null) {
    record.breaker = pause(stored.breaker)
  }

  for (const { k, l, t, r, p, n, a = 0, f = 0, b, o = 0 } of stored.routes.slice(0, MAX_ROUTES)) {
    if (answererOf({ provider: record.id, address: text(k).slice(k.indexOf(' ') + 1) }) !== record.id) {
      // written when what came over HTTP was still held against the peer that was claimed to be there
      continue
    }

    const route = newRoute(Math.min(now, at + within(o, -MAX_AGE, 0)))
    Object.assign(route.latency, estimate(l))
    Object.assign(route.throughput, estimate(t))
    route.rttMean = within(r[0], -1, MAX_MS)
    route.rttDeviation = within(r[1], 0, MAX_MS)
    route.patience = within(p, 1, MAX_PATIENCE)
    route.passed = within(n, 0, MAX_COUNT)
    route.attempts = within(a, 0, MAX_COUNT)
    route.failures = within(f, 0, MAX_COUNT)
    route.breaker = b == null ? closedBreaker : pause(b)
    record.routes.set(k, route)
  }

  return record
}

function estimate ([mean, variance, weight, longRun]: Belief): Estimate {
  return {
    mean: within(mean, -MAX_LOG, MAX_LOG),
    // exactly none is how one that was never observed is told
    variance: within(variance, finite(weight) > 0 ? 0.001 : 0, MAX_LOG),
    weight: within(weight, 0, MAX_WEIGHT),
    longRun: within(longRun, -MAX_LOG, MAX_LOG)
  }
}

function finite (value: unknown): number {
  if (typeof value !== 'number' || !Number.isFinite(value)) {
    throw new TypeError(`Expected a finite number, got ${String(value).slice(0, 100)}`)
  }

  return value
}

const within = (value: unknown, min: number, max: number): number => Math.max(min, Math.min(max, finite(value)))

function text (value: unknown): string {
  if (typeof value !== 'string' || value.length > MAX_TEXT) {
    throw new TypeError(`Expected a text of at most ${MAX_TEXT} characters, got ${String(value).slice(0, 100)}`)
  }

  return value
}

function providerId (value: unknown): ProviderId {
  if (!/^(p2p|https?|broker):./.test(text(value))) {
    throw new TypeError(`Expected a provider id, got ${String(value).slice(0, 100)}`)
  }

  return value as ProviderId
}
