import { systemClock } from '../clock/system-clock.ts'
import { OBSERVER_CLASSES } from '../interface/privacy.ts'
import { calculatedMetrics } from './prom-client-registry.ts'
import { RecentReport } from './report/recent-report.ts'
import type { ReportSource } from './report/recent-report.ts'
import type { Clock } from '../interface/clock.ts'
import type { ComponentLogger } from '../interface/logger.ts'
import type { PrivacyReport } from '../interface/privacy.ts'

/** Milliseconds that one analysis is good for: twice a minute at most, however often and by however many it is scraped */
export const METRICS_MAX_AGE = 30_000

export interface PrivacyMetricsComponents {
  readonly analyzer: ReportSource
  /** @default the machine's */
  readonly clock?: Pick<Clock, 'now'>
  /** @default nothing is logged */
  readonly logger?: ComponentLogger
}

/**
 * Registers what a report says with libp2p's metrics, or with a `Registry` of prom-client; names are listed in
 * docs/metrics.md. They are worked out when they are scraped, and at most every 30 s: a value is never older than that,
 * nothing runs where nobody scrapes, and there is nothing to stop. Where no report can be made they are absent.
 *
 * `createPortolan({ metrics })` does it by itself.
 *
 * @example
 * ```ts
 * import { MetadataCollector, PrivacyAnalyzer, privacyMetrics } from 'portolan/privacy'
 * import type { WatchedLibp2p } from 'portolan/privacy'
 *
 * function measure (libp2p: WatchedLibp2p, registry: object): void {
 *   privacyMetrics(registry, { analyzer: new PrivacyAnalyzer(new MetadataCollector(libp2p)) })
 * }
 * ```
 */
export function privacyMetrics (metrics: object, { analyzer, clock = systemClock, logger }: PrivacyMetricsComponents): void {
  const registry = calculatedMetrics(metrics)
  const recent = new RecentReport(analyzer, clock, METRICS_MAX_AGE)
  const log = logger?.forComponent('portolan:privacy:metrics')
  let failedAt: number | undefined
  const report = (): PrivacyReport | undefined => {
    // all values of a page ask, and an analysis that fails is not made for each of them
    if (failedAt != null && clock.now() - failedAt < METRICS_MAX_AGE) {
      return undefined
    }
    try {
      failedAt = undefined
      return recent.get()
    } catch (err) {
      failedAt = clock.now()
      // the message may hold what was observed
      log?.error('no report could be made: %s', (err as Error).name)
      return undefined
    }
  }
  const gauge = (name: string, help: string, read: (report: PrivacyReport) => number): void => {
    registry.registerMetric(name, {
      help,
      calculate: () => {
        const now = report()
        return now == null ? Number.NaN : read(now)
      }
    })
  }

  gauge('privacy_risk_score', 'Overall risk score, 0 to 1', ({ overallRiskScore }) => overallRiskScore)
  gauge('privacy_connections_total', 'Connections that were seen, open or closed', ({ statistics }) => statistics.totalConnections)
  gauge('privacy_unique_peers', 'Peers that are remembered', ({ statistics }) => statistics.uniquePeers)
  gauge('privacy_high_risks', 'Findings of high severity', report => report.highRisks().length)
  gauge('privacy_critical_risks', 'Findings of critical severity', report => report.criticalRisks().length)
  gauge('privacy_insufficient_data', 'Questions that too little was seen for', ({ insufficient }) => new Set(insufficient.map(({ kind }) => kind)).size)
  registry.registerMetricGroup('privacy_exposures', {
    label: 'observer_class',
    help: 'Exposures in the window of the report by class of observers',
    calculate: () => {
      const measures = report()?.measures
      return measures == null ? {} : Object.fromEntries(OBSERVER_CLASSES.map(name => [name, measures.find(({ observerClass }) => observerClass === name)?.exposures ?? 0]))
    }
  })
}
