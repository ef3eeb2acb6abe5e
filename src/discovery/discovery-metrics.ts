import { calculatedMetrics } from './calculated-metrics.ts'
import type { DiscoveryStats } from './discovery-stats.ts'
import type { Metrics } from '../interface/metrics.ts'
import type { Percentiles } from '../interface/stats.ts'

/**
 * Registers what `stats()` of discovery says; names are listed in docs/metrics.md. Read when scraped.
 *
 * @param current - undefined while there is none: what it said last stays
 */
export function discoveryMetrics (metrics: Metrics, current: () => DiscoveryStats | undefined): void {
  const { gauge, group } = calculatedMetrics(metrics, current)

  group('portolan_discovery_lookups_total', 'answered', 'Lookups in the DHT, by what answered them', ({ lookups }) => ({ memory: lookups.hits, stale: lookups.stale, network: lookups.lookups, joined: lookups.joined, rescued: lookups.staleOnError }))
  gauge('portolan_discovery_records', 'Answers of the DHT that are remembered', now => now.records)
  gauge('portolan_discovery_delivered_total', 'Blocks delivered by providers that the DHT had named', now => now.lookups.successfulRetrievals)
  gauge('portolan_discovery_retrievals_total', 'Requests to providers that the DHT had named', now => now.lookups.retrievals)
  group('portolan_discovery_walks_total', 'outcome', 'Lookups that asked peers of the DHT, by how they ended', ({ walks: { begun, ended, failed } }) => ({ ended, failed, left: begun - ended - failed }))
  group('portolan_discovery_asked_total', 'outcome', 'Peers that lookups in the DHT asked, by what they did', ({ walks: { asked, answered, errors, late } }) => ({ asked, answered, errors, late }))
  gauge('portolan_discovery_passed_over_total', 'Peers among the nearest of a lookup that were known to be dead and left alone', now => now.walks.passedOver)
  gauge('portolan_discovery_providers_total', 'Providers that peers of the DHT named, each once in a lookup', now => now.walks.providers)
  gauge('portolan_discovery_skipped_total', 'Parts of answers of the DHT that made no sense or were beyond the bounds', now => now.walks.skipped)
  group('portolan_discovery_hops', 'quantile', 'Answers on the way to the nearest peers of a lookup in the DHT, lately', now => quantiles(now.walks.hops, 1))
  group('portolan_discovery_first_seconds', 'quantile', 'Time to the first provider of a lookup in the DHT, lately', now => quantiles(now.walks.firstProvider, 1_000))
  group('portolan_discovery_end_seconds', 'quantile', 'Time to the end of a lookup in the DHT, lately', now => quantiles(now.walks.end, 1_000))

  gauge('portolan_discovery_peers', 'Peers of the DHT that are known', now => now.peers)
  gauge('portolan_discovery_silent_peers', 'Peers of the DHT whose last word was silence', now => now.silent)
  gauge('portolan_discovery_buckets', 'Buckets of the table of the DHT that have peers', now => now.buckets.filter(({ peers }) => peers > 0).length)
  gauge('portolan_discovery_overdue_buckets', 'Buckets of the table of the DHT whose refresh is due', now => now.buckets.filter(({ peers, dueIn }) => peers > 0 && dueIn === 0).length)
  group('portolan_discovery_refreshes_total', 'outcome', 'Walks that refreshed buckets of the table of the DHT', ({ refreshes: { walks, failed } }) => ({ ended: walks - failed, failed }))
  gauge('portolan_discovery_network_size', 'Peers in the DHT, as the distances of those have it that lookups found', now => now.networkSize ?? NaN)
  gauge('portolan_discovery_dense_regions_total', 'Lookups with more peers near their key than there are by chance', now => now.denseRegions)
  group('portolan_discovery_joining_total', 'event', 'Times that the way into the DHT was looked for, and what the peers that were tried did', ({ joining: { rounds, answered, failed } }) => ({ rounds, answered, failed }))
  gauge('portolan_discovery_remembered_peers', 'Peers that are remembered as ways into the DHT', now => now.joining.remembered)
  group('portolan_discovery_announced_total', 'outcome', 'Blocks that were announced in sweeps, by whether any peer took them', ({ announcements: { announced, failed } }) => ({ announced, failed }))
  group('portolan_discovery_sweeps_total', 'outcome', 'Parts of the keyspace that were announced again', ({ announcements: { sweeps, failedSweeps } }) => ({ ended: sweeps, failed: failedSweeps }))
  gauge('portolan_discovery_announce_scheduled', 'Blocks that are announced again and again', now => now.announcements.scheduled)
  gauge('portolan_discovery_announce_overdue', 'Parts of the keyspace that should have been announced by now', now => now.announcements.overdue)
  gauge('portolan_discovery_announce_refused_total', 'Blocks for which the schedule had no room', now => now.announcements.refused)
  gauge('portolan_discovery_announce_chosen', 'Blocks that the strategy names', now => now.announcements.chosen)
  gauge('portolan_discovery_announce_waiting', 'Blocks that the strategy names and that were not announced yet', now => now.announcements.waiting)
  group('portolan_discovery_kept_errors_total', 'event', 'What was kept and could not be read, or could not be written', now => ({ ...now.kept }))
}

function quantiles (values: Percentiles, unit: number): Record<string, number> {
  return Object.fromEntries(Object.entries(values).map(([name, value]: [string, number]) => [name, value / unit]))
}
