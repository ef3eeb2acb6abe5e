import { strictest } from './breaker.ts'
import { decayConduct } from './conduct.ts'
import { ageEstimate, hopefulMean } from './estimate.ts'
import { ageCounts, ageFailures, routeKey } from './record.ts'
import type { BreakerParams } from './breaker.ts'
import type { EstimateParams } from './estimate.ts'
import type { ProviderRecord } from './record.ts'
import type { ProviderId, Route } from '../interface/provider.ts'
import type { ProviderView } from '../interface/reputation.ts'

export interface ViewParams {
  readonly estimate: EstimateParams
  readonly breaker: BreakerParams
}

/** What is known about a route of the one who answers for it, as a value */
export function viewOf (id: ProviderId, record: ProviderRecord | undefined, route: Route | undefined, now: number, { estimate, breaker }: ViewParams): ProviderView {
  const unknown = { mean: 0, sd: estimate.priorSd, weight: 0 }

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
  const { successes, failures } = ageCounts(record, now, estimate)
  const pause = strictest(path == null ? [record.breaker] : [record.breaker, path.breaker], now, breaker)

  return {
    id,
    latency: path == null ? unknown : ageEstimate(path.latency, now - path.updatedAt, path.passed, estimate),
    hope: path == null ? 0 : hopefulMean(path.latency, now - path.updatedAt, path.passed, estimate),
    throughput: path == null ? unknown : ageEstimate(path.throughput, now - path.updatedAt, path.passed, estimate),
    successes,
    failures: failures + (path == null ? 0 : ageFailures(path, now, estimate)),
    conduct: record.conduct.score,
    selectable: record.conduct.selectable,
    breaker: pause.phase,
    retryAt: pause.until,
    passedOver: path?.passed ?? 0,
    attempts: record.reached || route == null ? record.attempts : path?.attempts ?? 0,
    patience: path?.patience ?? 1,
    ...(path != null && path.rttMean >= 0 ? { rtt: { mean: path.rttMean, deviation: path.rttDeviation } } : {})
  }
}

/**
 * A route found under a name that nothing proves there: the name's own bad conduct
 * and pauses hold for it too, or an HTTP address would launder a peer. What is good
 * about the name is not lent to anybody.
 */
export function underClaim (view: ProviderView, id: ProviderId, claimed: ProviderRecord | undefined, now: number): ProviderView {
  if (claimed == null) {
    return { ...view, id }
  }

  claimed.conduct = decayConduct(claimed.conduct, now)
  // a probe of the peer is no probe of this server, so only time that was named keeps from asking
  const paused = claimed.breaker.state === 'open' && now < claimed.breaker.until ? claimed.breaker.until : undefined

  return {
    ...view,
    id,
    conduct: Math.min(view.conduct, claimed.conduct.score),
    selectable: view.selectable && claimed.conduct.selectable,
    ...(paused == null ? {} : { breaker: 'open', retryAt: Math.max(view.retryAt, paused) })
  }
}
