import { breakerAfter, breakerPhase, closedBreaker, deferBreaker, endProbe } from './breaker.ts'
import type { BreakerParams, Fault } from './breaker.ts'
import type { ProviderRecord, RouteRecord } from './record.ts'
import type { Outcome } from '../interface/outcome.ts'

/** Kept per answer: success and failure counts cover about the last fifty */
const KEEP_COUNTS = 0.98

/**
 * Who is left alone after an attempt, and for how long. Whom nobody reached did not
 * fail: that pauses the route. Everything else was said, or left unsaid, by the one
 * who answers for it, and pauses all of its routes.
 */
export function pauseAfter (record: ProviderRecord, route: RouteRecord, fault: Fault, params: BreakerParams): void {
  if (fault.outcome === 'unreachable') {
    route.breaker = breakerAfter(route.breaker, fault, params)
    record.breaker = endProbe(record.breaker)
  } else {
    route.breaker = fault.outcome === 'cancelled' ? endProbe(route.breaker) : closedBreaker
    record.breaker = breakerAfter(record.breaker, fault, params)
  }
}

/** Our outage, not theirs: a probe that was out is over, what was said about coming back holds, and that is all */
export function pauseForgiven (record: ProviderRecord, route: RouteRecord, { outcome, retryAfter = 0, now }: Pick<Fault, 'outcome' | 'retryAfter' | 'now'>, params: BreakerParams): void {
  route.breaker = outcome === 'unreachable' ? endProbe(route.breaker) : closedBreaker
  // a captive portal answers at once: without a pause it would be asked again and again
  record.breaker = deferBreaker(endProbe(record.breaker), outcome === 'invalid' ? params.base : retryAfter, now, params)
}

/** A provider is paused as a whole when it said so or fell silent, or when all of its routes are */
export function pauseOf (record: ProviderRecord, now: number, params: BreakerParams): 'closed' | 'open' | 'half-open' {
  const whole = breakerPhase(record.breaker, now, params)
  const routes = [...record.routes.values()].map(({ breaker }) => breakerPhase(breaker, now, params))

  if (whole !== 'closed' || routes.length === 0 || routes.includes('closed')) {
    return whole
  }

  return routes.includes('half-open') ? 'half-open' : 'open'
}

export function countOutcome (record: ProviderRecord, route: RouteRecord, outcome: Outcome): void {
  if (outcome === 'cancelled') {
    return
  }

  route.failures *= KEEP_COUNTS

  if (outcome === 'unreachable') {
    route.failures++
  } else if (outcome !== 'not-here') {
    record.successes = record.successes * KEEP_COUNTS + (outcome === 'delivered' ? 1 : 0)
    record.failures = record.failures * KEEP_COUNTS + (outcome === 'delivered' ? 0 : 1)
  }
}
