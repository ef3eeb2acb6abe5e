import { oneReading } from '../clock/one-reading.ts'
import type { RoutingFigures } from './figures.ts'
import type { CalculatedMetrics, Metrics } from '../interface/metrics.ts'
import type { Outcome } from '../interface/outcome.ts'
import type { SourceStats } from '../interface/stats.ts'

export interface RoutingMetricsInit {
  /** Monotonic milliseconds */
  now (): number
  /** Called once per scrape, whatever the number of metrics */
  snapshot (): RoutingFigures
}

/**
 * Registers what `stats()` says on the node's metrics; names are listed in docs/metrics.md. Read when scraped: nothing
 * is paid for on the way of a read. Single providers are left out: there is no end of them, and label sets are closed.
 */
export function routingMetrics (metrics: Metrics, init: RoutingMetricsInit): void {
  const registry = metrics as unknown as CalculatedMetrics
  const figures = oneReading(init.now, init.snapshot)
  const gauge = (name: string, help: string, read: (now: RoutingFigures) => number): void => {
    registry.registerMetric(name, { help, calculate: () => read(figures()) })
  }
  const group = (name: string, label: string, help: string, read: (now: RoutingFigures) => Record<string, number>): void => {
    registry.registerMetricGroup(name, { label, help, calculate: () => read(figures()) })
  }

  gauge('portolan_routing_misses_total', 'Cache misses that content routing began to retrieve', now => now.cacheMissesHandled)
  gauge('portolan_routing_succeeded_total', 'Retrievals that delivered a block', now => now.succeeded)
  gauge('portolan_routing_not_found_total', 'Retrievals that nobody had a block for', now => now.notFound)
  gauge('portolan_routing_failed_total', 'Retrievals that failed otherwise', now => now.failed)
  gauge('portolan_routing_aborted_total', 'Retrievals that all callers left', now => now.aborted)
  gauge('portolan_routing_success_ratio', 'Share of the retrievals that ended by themselves and delivered a block', now => ratio(now.successRate))
  gauge('portolan_routing_coalesced_total', 'Callers that joined a retrieval under way', now => now.coalesced)
  gauge('portolan_routing_negative_hits_total', 'Reads answered from the negative cache', now => now.negativeHits)
  group('portolan_routing_retrieval_seconds', 'quantile', 'Time that callers waited for blocks that were delivered, lately', now => percentiles(now.retrievalTime))
  gauge('portolan_routing_retrieval_mean_seconds', 'Mean time that callers waited for blocks that were delivered', now => seconds(now.retrievalTime.mean))

  gauge('portolan_routing_attempts_total', 'Requests made to providers', now => now.attempts)
  group('portolan_routing_outcomes_total', 'outcome', 'What came of the requests to providers', now => ({ ...now.outcomes } satisfies Record<Outcome, number>))
  gauge('portolan_routing_hedges_total', 'Second requests because the first was slow', now => now.hedges.sent)
  gauge('portolan_routing_hedges_won_total', 'Second requests that delivered before the first', now => now.hedges.won)
  gauge('portolan_routing_shadows_total', 'Requests that only measure a provider', now => now.hedges.shadows)
  gauge('portolan_routing_delivered_bytes_total', 'Bytes of blocks delivered', now => now.bytes.delivered)
  gauge('portolan_routing_wasted_bytes_total', 'Bytes received and not needed', now => now.bytes.wasted)
  gauge('portolan_routing_streams_total', 'Files asked for as one stream', now => now.streams.begun)
  gauge('portolan_routing_streams_resumed_total', 'Streams that went on where another had failed', now => now.streams.resumed)
  gauge('portolan_routing_stream_blocks_total', 'Blocks that came by streams to whoever wanted them', now => now.streams.blocks)
  gauge('portolan_routing_stream_bytes_total', 'Bytes of the blocks that came by streams', now => now.streams.bytes)
  gauge('portolan_routing_streams', 'Streams under way', now => now.streams.open)
  gauge('portolan_routing_lookups_total', 'Provider lookups started', now => now.discovery.lookups)
  gauge('portolan_routing_lookups_failed_total', 'Provider lookups that failed', now => now.discovery.failed)
  gauge('portolan_routing_providers_found_total', 'Providers that lookups named', now => now.discovery.providersFound)

  group('portolan_routing_source_lookups_total', 'source', 'Lookups that a source of providers was asked in', now => bySource(now, each => each.lookups))
  group('portolan_routing_source_failed_total', 'source', 'Lookups that a source of providers failed in', now => bySource(now, each => each.failed))
  group('portolan_routing_source_named_total', 'source', 'Providers that a source named', now => bySource(now, each => each.named))
  group('portolan_routing_source_alone_total', 'source', 'Providers that one source named, and no other in that lookup', now => bySource(now, each => each.alone))
  group('portolan_routing_source_delivered_total', 'source', 'Blocks delivered by providers that a source had named', now => bySource(now, each => each.successfulRetrievals))
  group('portolan_routing_source_kept_ratio', 'source', 'Share of the strangers that a source named lately that delivered when first asked', now => bySource(now, each => each.kept))
  group('portolan_routing_source_first_p90_seconds', 'source', 'Time within which nine in ten lookups heard of a first provider from a source, lately', now => bySource(now, each => seconds(each.firstProvider.p90)))
  group('portolan_routing_source_end_p90_seconds', 'source', 'Time within which nine in ten lookups had the whole answer of a source, lately', now => bySource(now, each => seconds(each.end.p90)))

  gauge('portolan_routing_local_hits_total', 'Reads answered by the local store', now => now.cache.hits)
  gauge('portolan_routing_hit_ratio', 'Share of reads answered by the local store', now => ratio(now.cache.hitRatio))
  gauge('portolan_routing_saved_bytes_total', 'Bytes that local hits spared the network', now => now.cache.bytesSaved)
  gauge('portolan_routing_saved_seconds', 'Time that local hits and joined retrievals spared, at the mean of a retrieval', now => seconds(now.cache.timeSaved))
  gauge('portolan_routing_corrupt_local_total', 'Local copies that did not match their CID or could not be read in time', now => now.cache.corrupt)
  gauge('portolan_routing_store_failures_total', 'Fetched blocks that could not be stored', now => now.cache.storeFailures)

  gauge('portolan_routing_flights', 'Retrievals under way', now => now.inFlight.flights)
  gauge('portolan_routing_attempts', 'Requests under way', now => now.inFlight.attempts)
  gauge('portolan_routing_queued', 'Reads waiting for a free slot', now => now.inFlight.queued)
  gauge('portolan_routing_sessions', 'Sessions that are open', now => now.inFlight.sessions)
  gauge('portolan_routing_providers', 'Providers in the reputation book', now => now.reputation.size)
  gauge('portolan_routing_announced_total', 'CIDs announced', now => now.announced.done)
  gauge('portolan_routing_announce_failed_total', 'CIDs that could not be announced', now => now.announced.failed)
  gauge('portolan_routing_announce_pending', 'CIDs waiting to be announced', now => now.announced.pending)
}

/** Those that have anything to tell */
function bySource ({ discovery }: RoutingFigures, read: (source: SourceStats) => number | undefined): Record<string, number> {
  return Object.fromEntries(discovery.sources.map((source): [string, number] => [source.name, read(source) ?? NaN]).filter(([, value]) => !Number.isNaN(value)))
}

/** Of nothing there is no share: registries have NaN for that, and 0 would be a bad one */
function ratio (share: number | undefined): number {
  return share ?? NaN
}

function seconds (ms: number | undefined): number {
  return ms == null ? NaN : ms / 1000
}

function percentiles ({ p50, p90, p99 }: RoutingFigures['retrievalTime']): Record<string, number> {
  return p50 == null ? {} : { p50: seconds(p50), p90: seconds(p90), p99: seconds(p99) }
}
