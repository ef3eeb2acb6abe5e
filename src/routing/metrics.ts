import type { ContentRoutingStats } from '../interface/stats.ts'
import type { Metrics } from '../interface/metrics.ts'
import type { Outcome } from '../interface/outcome.ts'

/** Gauges and counters are read when scraped: nothing is paid for on the way of a read */
interface CalculatedMetrics {
  registerMetric (name: string, options: { label?: string, help?: string, calculate (): number }): unknown
  registerMetricGroup (name: string, options: { label?: string, help?: string, calculate (): Record<string, number> }): unknown
}

/** Registers what `stats()` says on the node's metrics; names are listed in docs/metrics.md */
export function routingMetrics (metrics: Metrics, stats: () => ContentRoutingStats): void {
  const registry = metrics as unknown as CalculatedMetrics
  const gauge = (name: string, help: string, calculate: () => number): void => {
    registry.registerMetric(name, { help, calculate })
  }

  gauge('portolan_routing_misses_total', 'Cache misses handed to content routing', () => stats().cacheMissesHandled)
  gauge('portolan_routing_succeeded_total', 'Retrievals that delivered a block', () => stats().succeeded)
  gauge('portolan_routing_not_found_total', 'Retrievals that nobody had a block for', () => stats().notFound)
  gauge('portolan_routing_failed_total', 'Retrievals that failed otherwise', () => stats().failed)
  gauge('portolan_routing_coalesced_total', 'Callers that joined a retrieval under way', () => stats().coalesced)
  gauge('portolan_routing_negative_hits_total', 'Reads answered from the negative cache', () => stats().negativeHits)
  gauge('portolan_routing_attempts_total', 'Requests made to providers', () => stats().attempts)
  gauge('portolan_routing_hedges_total', 'Second requests because the first was slow', () => stats().hedges.sent)
  gauge('portolan_routing_shadows_total', 'Requests that only measure a provider', () => stats().hedges.shadows)
  gauge('portolan_routing_delivered_bytes_total', 'Bytes of blocks delivered', () => stats().bytes.delivered)
  gauge('portolan_routing_wasted_bytes_total', 'Bytes received and not needed', () => stats().bytes.wasted)
  gauge('portolan_routing_lookups_total', 'Provider lookups started', () => stats().discovery.lookups)
  gauge('portolan_routing_local_hits_total', 'Reads answered by the local store', () => stats().cache.hits)
  gauge('portolan_routing_corrupt_local_total', 'Local copies that did not match their CID or could not be read in time', () => stats().cache.corrupt)
  gauge('portolan_routing_store_failures_total', 'Fetched blocks that could not be stored', () => stats().cache.storeFailures)
  gauge('portolan_routing_flights', 'Retrievals under way', () => stats().inFlight.flights)
  gauge('portolan_routing_attempts', 'Requests under way', () => stats().inFlight.attempts)
  gauge('portolan_routing_queued', 'Reads waiting for a free slot', () => stats().inFlight.queued)
  gauge('portolan_routing_providers', 'Providers in the reputation book', () => stats().reputation.size)
  registry.registerMetricGroup('portolan_routing_outcomes_total', {
    label: 'outcome',
    help: 'What came of the requests to providers',
    calculate: () => ({ ...stats().outcomes } satisfies Record<Outcome, number>)
  })
}
