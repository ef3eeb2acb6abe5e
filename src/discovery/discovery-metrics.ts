import type { DiscoveryStats } from './enhanced-dht-discovery.ts'
import type { Metrics } from '../interface/metrics.ts'
import type { Percentiles } from '../interface/stats.ts'

/** As in routing/metrics.ts: what grows is a metric too, because calculated counters mean two things */
interface CalculatedMetrics {
  registerMetric (name: string, options: { help: string, calculate (): number }): unknown
  registerMetricGroup (name: string, options: { label: string, help: string, calculate (): Record<string, number> }): unknown
}

/**
 * Registers what `stats()` of discovery says; names are listed in docs/metrics.md. Read when scraped.
 *
 * @param current - undefined while there is none: what it said last stays
 */
export function discoveryMetrics (metrics: Metrics, current: () => DiscoveryStats | undefined): void {
  const registry = metrics as unknown as CalculatedMetrics
  let last: DiscoveryStats | undefined
  const read = (): DiscoveryStats | undefined => {
    last = current() ?? last
    return last
  }
  const gauge = (name: string, help: string, pick: (now: DiscoveryStats) => number): void => {
    registry.registerMetric(name, {
      help,
      calculate: () => {
        const now = read()
        return now == null ? NaN : pick(now)
      }
    })
  }
  const group = (name: string, label: string, help: string, pick: (now: DiscoveryStats) => Record<string, number>): void => {
    registry.registerMetricGroup(name, {
      label,
      help,
      calculate: () => {
        const now = read()
        return now == null ? {} : pick(now)
      }
    })
  }

  group('portolan_discovery_lookups_total', 'answered', 'Lookups in the DHT, by what answered them', ({ lookups }) => ({ memory: lookups.hits, stale: lookups.stale, network: lookups.lookups, joined: lookups.joined, rescued: lookups.staleOnError }))
  gauge('portolan_discovery_records', 'Answers of the DHT that are remembered', now => now.records)
  gauge('portolan_discovery_delivered_total', 'Blocks delivered by providers that it named', now => now.lookups.successfulRetrievals)
  gauge('portolan_discovery_retrievals_total', 'Requests to providers that it named', now => now.lookups.retrievals)
  group('portolan_discovery_walks_total', 'outcome', 'Lookups that asked the network, by how they ended', ({ walks: { begun, ended, failed } }) => ({ ended, failed, left: begun - ended - failed }))
  group('portolan_discovery_asked_total', 'outcome', 'Peers that were asked in them, by what they did', ({ walks: { asked, answered, errors, late } }) => ({ asked, answered, errors, late }))
  gauge('portolan_discovery_passed_over_total', 'Peers among the nearest that were known to be dead and left alone', now => now.walks.passedOver)
  gauge('portolan_discovery_providers_total', 'Providers that they named', now => now.walks.providers)
  gauge('portolan_discovery_skipped_total', 'Parts of answers that made no sense or were beyond the bounds', now => now.walks.skipped)
  group('portolan_discovery_hops', 'quantile', 'Answers on the way to the nearest, lately', now => quantiles(now.walks.hops, 1))
  group('portolan_discovery_first_seconds', 'quantile', 'Time to the first provider, lately', now => quantiles(now.walks.firstProvider, 1_000))
  group('portolan_discovery_end_seconds', 'quantile', 'Time to the end of a lookup, lately', now => quantiles(now.walks.end, 1_000))

  gauge('portolan_discovery_peers', 'Peers of the DHT that are known', now => now.peers)
  gauge('portolan_discovery_silent_peers', 'Peers whose last word was silence', now => now.silent)
  gauge('portolan_discovery_buckets', 'Buckets of the table that have peers', now => now.buckets.filter(({ peers }) => peers > 0).length)
  gauge('portolan_discovery_overdue_buckets', 'Those whose refresh is due', now => now.buckets.filter(({ peers, dueIn }) => peers > 0 && dueIn === 0).length)
  group('portolan_discovery_refreshes_total', 'outcome', 'Walks that refreshed buckets', ({ refreshes: { walks, failed } }) => ({ ended: walks - failed, failed }))
  group('portolan_discovery_kept_errors_total', 'event', 'What was kept and could not be read, or could not be written', now => ({ ...now.kept }))
}

function quantiles (values: Percentiles, unit: number): Record<string, number> {
  return Object.fromEntries(Object.entries(values).map(([name, value]: [string, number]) => [name, value / unit]))
}
