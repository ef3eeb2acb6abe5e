import { observe, observeBelow, observeCensored, observeDelivery, refutesNothing } from './estimate.ts'
import { ageRoute, MAX_PATIENCE } from './record.ts'
import type { Estimate, EstimateParams } from './estimate.ts'
import type { RouteRecord } from './record.ts'
import type { Outcome } from '../interface/outcome.ts'
import type { Sample } from '../interface/reputation.ts'

/** Times below this are one thing, a local answer; the logarithm of zero is nothing to reckon with */
const MIN_MS = 0.05
/** No attempt lasts a day */
const MAX_MS = 86_400_000
/** Far beyond any block */
const MAX_BYTES = 2 ** 50

/** Evidence about what is usual lasts for about fifty observations over all providers */
const KEEP_USUAL = 0.98

/** Of one that was never seen to the end of a block: 2 MB/s, within a factor of e */
const USUAL_THROUGHPUT = { mean: Math.log(2_000), variance: 1 }

/** What one attempt teaches about the route that it took */
export function learn (route: RouteRecord, outcome: Outcome, sample: Sample, now: number, params: EstimateParams, usual: Estimate): void {
  const waited = between(sample.latency, MIN_MS, MAX_MS)

  if (outcome === 'cancelled' && sample.answered !== true && waited != null && refutesNothing(route.latency, Math.log(waited), params)) {
    // nor does it count as the look that its long run is due
    return
  }

  ageRoute(route, now, params)

  if (outcome === 'stalled') {
    route.patience = Math.min(MAX_PATIENCE, route.patience * 2)
  } else if (outcome !== 'cancelled' && outcome !== 'unreachable') {
    route.patience = 1
  }

  const latency = between(sample.latency, MIN_MS, MAX_MS)
  const bytes = between(sample.bytes, 0, MAX_BYTES)
  const transfer = between(sample.transfer, MIN_MS, MAX_MS)

  if (latency != null) {
    const x = Math.log(latency)

    if (outcome === 'delivered' || outcome === 'not-here' || outcome === 'invalid' || sample.answered === true) {
      // a fast refusal says little about how soon a block comes
      const learnFrom = outcome === 'delivered' ? observeDelivery : observe
      learnFrom(route.latency, x, params)
      observe(usual, x, { ...params, keep: KEEP_USUAL })
      learnRtt(route, latency)
    } else if (outcome === 'cancelled' || outcome === 'stalled') {
      observeCensored(route.latency, x, params, usual)
    }
  }

  if (bytes != null && bytes >= 1 && transfer != null) {
    // other blocks make this one slow, and the line none the slower
    const x = Math.log(Math.max(bytes, between(sample.line, 0, MAX_BYTES) ?? 0) / transfer)

    if (outcome === 'delivered') {
      observe(route.throughput, x, params)
    } else if (sample.answered === true && (outcome === 'cancelled' || outcome === 'stalled')) {
      observeBelow(route.throughput, x, params, USUAL_THROUGHPUT)
    }
  }
}

/** RFC 6298, section 2 */
function learnRtt (route: RouteRecord, latency: number): void {
  if (route.rttMean < 0) {
    route.rttMean = latency
    route.rttDeviation = latency / 2
  } else {
    route.rttDeviation += (Math.abs(latency - route.rttMean) - route.rttDeviation) / 4
    route.rttMean += (latency - route.rttMean) / 8
  }
}

/** Undefined for what is no measurement: negative, or not a number */
function between (value: number | undefined, min: number, max: number): number | undefined {
  return value != null && value >= 0 && Number.isFinite(value) ? Math.max(min, Math.min(max, value)) : undefined
}
