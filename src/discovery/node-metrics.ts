import { calculatedMetrics } from './calculated-metrics.ts'
import type { Metrics } from '../interface/metrics.ts'
import type { AddressesStats, LookupsStats } from '../interface/stats.ts'

/**
 * Registers what content routing over a node knows of where providers are, wherever the book is kept, and what answered
 * the lookups in the node's own routers. Names are listed in docs/metrics.md; read when scraped.
 *
 * @param addresses - undefined where there is no libp2p node
 * @param lookups - undefined where the node has no routers of its own
 */
export function nodeMetrics (metrics: Metrics, { addresses, lookups }: { addresses (): AddressesStats | undefined, lookups (): LookupsStats | undefined }): void {
  const book = calculatedMetrics(metrics, addresses)
  const routers = calculatedMetrics(metrics, lookups)

  book.gauge('portolan_addresses_providers', 'Providers whose addresses are remembered', now => now.known)
  book.group('portolan_addresses_known', 'state', 'Addresses of providers', ({ addresses, good, dead }) => ({ good, dead, untried: addresses - good - dead }))
  book.group('portolan_addresses_probes_total', 'outcome', 'Dials that no read was behind, by what came of them', ({ probes, reached, failed }) => ({ reached, failed, other: probes - reached - failed }))
  book.gauge('portolan_addresses_refused_total', 'Addresses that were passed over: private, or of no use here', now => now.refused)
  book.group('portolan_addresses_sought_total', 'outcome', 'Providers without addresses that others were asked for', ({ sought, found }) => ({ found, unknown: sought - found }))

  routers.group('portolan_routers_lookups_total', 'answered', 'Lookups in the routers of the node, by what answered them', now => ({ memory: now.hits, stale: now.stale, network: now.lookups, joined: now.joined, rescued: now.staleOnError }))
  routers.gauge('portolan_routers_records', 'Answers of these routers that are remembered', now => now.records)
  routers.group('portolan_routers_kept_errors_total', 'event', 'What was kept and could not be read, or could not be written', now => ({ ...now.kept }))
}
