/**
 * @packageDocumentation
 *
 * What watches any libp2p node and says who learns what of it, without Helia and without routing.
 */
export { DisclosureLedger } from './privacy/ledger/disclosure-ledger.ts'
export { collectorMetrics } from './privacy/collector/collector-metrics.ts'
export { listeningAddress } from './privacy/collector/listening-address.ts'
export { MetadataCollector } from './privacy/collector/metadata-collector.ts'
export { PrivacyAnalyzer } from './privacy/analysis/analyzer.ts'
export { compareReports } from './privacy/analysis/compare.ts'
export { nullLedger } from './privacy/null-ledger.ts'
export type { ExposureSource, MetadataCollectorInit } from './privacy/collector/collector-params.ts'
export type { WatchedLibp2p } from './privacy/collector/metadata-collector.ts'
export type { ObservedPeers, PeerName } from './privacy/collector/peer-table.ts'
export type { PrivacyAnalyzerInit } from './privacy/analysis/analyzer.ts'
export type { ComparedNode, PrivacyComparison } from './privacy/analysis/compare.ts'
export type { Disclosure, DisclosureEntry, DisclosureState, Ledger, Observer, PrivacyMode } from './interface/disclosure.ts'
export type { LedgerComponents, LedgerInit } from './privacy/ledger/disclosure-ledger.ts'
export type { ExposureCounts, ExposureFilter, JournalStats, LedgerStats, ReadableLedger, UnaccountedSpan } from './interface/ledger.ts'
export type {
  ClassMeasures,
  CollectorStatistics,
  ConnectionObservation,
  Exposure,
  Insufficient,
  Observations,
  ObservationSource,
  ObserverClass,
  PeerObservation,
  PrivacyReport,
  PrivacyReportData,
  PrivacyThresholds,
  Risk,
  RiskKind,
  Severity,
  TrafficEvent
} from './interface/privacy.ts'
