import type { CalculatedMetrics, Metrics } from '../interface/metrics.ts'
import type { ExchangeStats, PeerExchangeStats } from '../interface/stats.ts'

/** Registers what `stats().exchange` says; names are listed in docs/metrics.md. Read when scraped. */
export function exchangeMetrics (metrics: Metrics, read: () => ExchangeStats): void {
  const registry = metrics as unknown as CalculatedMetrics
  const group = (name: string, help: string, pick: (now: ExchangeStats) => Readonly<Record<string, number>>): void => {
    registry.registerMetricGroup(name, {
      label: 'transport',
      help,
      calculate: () => ({ ...pick(read()) })
    })
  }
  const gauge = (name: string, help: string, pick: (now: PeerExchangeStats) => number | undefined): void => {
    registry.registerMetric(name, {
      help,
      calculate: () => {
        const now = read().bitswap
        return now == null ? 0 : pick(now) ?? 0
      }
    })
  }

  group('portolan_exchange_received_bytes_total', 'Bytes of answers by transport, also of those that were not needed', now => now.received)
  group('portolan_exchange_blocks_total', 'Blocks that were delivered, by transport', now => now.blocks)
  gauge('portolan_exchange_bitswap_wants_total', 'Wants written to peers', now => now.wants)
  gauge('portolan_exchange_bitswap_cancels_total', 'Wants that were taken back on the wire', now => now.cancels)
  gauge('portolan_exchange_bitswap_wants', 'Blocks that are wanted from peers just now', now => now.wantsOpen)
  gauge('portolan_exchange_leases', 'Holders of connections to peers', now => now.connections.leases)
  gauge('portolan_exchange_dials', 'Peers that are being dialled', now => now.connections.dials)
  gauge('portolan_exchange_served_blocks_total', 'Blocks sent to peers that asked for them', now => now.serving?.blocks)
  gauge('portolan_exchange_served_bytes_total', 'Bytes of blocks sent to peers', now => now.serving?.bytes)
  gauge('portolan_exchange_refused_wants_total', 'Wants of peers that may not be served', now => now.serving?.refused)
  gauge('portolan_exchange_stalled_peers_total', 'Peers that were given up because they did not read', now => now.serving?.stalled)
  gauge('portolan_exchange_served_wants', 'Wants of peers that are remembered', now => now.serving?.wants)
  gauge('portolan_exchange_serving_bytes', 'Bytes of blocks in memory for peers', now => now.serving?.memory)
}
