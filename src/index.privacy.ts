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
export { consoleFormat, terminalOptions } from './privacy/report/console-format.ts'
export { htmlFormat } from './privacy/report/html-format.ts'
export { jsonFormat } from './privacy/report/json-format.ts'
export { redactReport } from './privacy/report/redact-report.ts'
export { ReportFileError, writeReport } from './privacy/report/report-file.ts'
export { UnknownFormatError } from './privacy/report/report-format.ts'
export { reportFormats } from './privacy/report/report-formats.ts'
export { privacyReportSchema } from './privacy/report/report-schema.ts'
export { AccessDeniedError, PrivacyReportService, RateLimitedError } from './privacy/report/report-service.ts'
export { timelineOf } from './privacy/report/report-timeline.ts'
export { slackFormat } from './privacy/report/slack-format.ts'
export { nullLedger } from './privacy/null-ledger.ts'
export type { ExposureSource, MetadataCollectorInit } from './privacy/collector/collector-params.ts'
export type { WatchedLibp2p } from './privacy/collector/metadata-collector.ts'
export type { ObservedPeers, PeerName } from './privacy/collector/peer-table.ts'
export type { PrivacyAnalyzerInit } from './privacy/analysis/analyzer.ts'
export type { ComparedNode, PrivacyComparison } from './privacy/analysis/compare.ts'
export type { ReportRole, ReportToken } from './privacy/report/access-tokens.ts'
export type { ReportDocument } from './privacy/report/json-format.ts'
export type { ReportSource } from './privacy/report/recent-report.ts'
export type { MissingProof, RenderOptions, ReportFormat, ReportProof, ScorePoint } from './privacy/report/report-format.ts'
export type { ReportFormats } from './privacy/report/report-formats.ts'
export type { ReportRequest, ReportResponse, ReportServiceComponents, ReportServiceInit } from './privacy/report/report-service.ts'
export type { ReportTimeline, TimelineBin } from './privacy/report/report-timeline.ts'
export type { SlackBlock, SlackMessage } from './privacy/report/slack-format.ts'
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
