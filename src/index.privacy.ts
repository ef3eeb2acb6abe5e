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
export { PrivacyMonitor } from './privacy/monitor.ts'
export { privacyMetrics } from './privacy/privacy-metrics.ts'
export { undiciWebhookRequest } from './privacy/webhook-undici-egress.ts'
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
export {
  ArtifactError, MembershipGroupError, NotAMemberError, NullifierStoreError, ProofRefusedError, ProverError, REFUSAL_REASONS
} from './privacy/proofs/errors.ts'
export { memberIdentity, randomSeed } from './privacy/proofs/member-identity.ts'
export { createMembership } from './privacy/proofs/membership.ts'
export { formatMembershipGroup, MembershipGroup } from './privacy/proofs/membership-group.ts'
export { readMembershipGroup } from './privacy/proofs/membership-group-file.ts'
export { MembershipProver } from './privacy/proofs/membership-prover.ts'
export { MembershipVerifier } from './privacy/proofs/membership-verifier.ts'
export { NullifierBook } from './privacy/proofs/nullifier-book.ts'
export { NullifierDirectory } from './privacy/proofs/nullifier-directory.ts'
export { createNonce, reportDigest } from './privacy/proofs/report-digest.ts'
export { verifyReportDocument } from './privacy/proofs/report-document.ts'
export type { ExposureSource, MetadataCollectorInit } from './privacy/collector/collector-params.ts'
export type { WatchedLibp2p } from './privacy/collector/metadata-collector.ts'
export type { ObservedPeers, PeerName } from './privacy/collector/peer-table.ts'
export type { AnalyzedNode } from './privacy/analysis/advice.ts'
export type { PrivacyAnalyzerInit } from './privacy/analysis/analyzer.ts'
export type { ComparedNode, PrivacyComparison } from './privacy/analysis/compare.ts'
export type { Packages } from './privacy/proofs/artifacts.ts'
export type { RefusalReason } from './privacy/proofs/errors.ts'
export type { MemberIdentity } from './privacy/proofs/member-identity.ts'
export type { Membership, MembershipInit } from './privacy/proofs/membership.ts'
export type { MembershipGroupInit } from './privacy/proofs/membership-group.ts'
export type { ClaimInit, MembershipProverComponents, MembershipProverInit } from './privacy/proofs/membership-prover.ts'
export type { ExpectedClaim, MembershipVerifierComponents, MembershipVerifierInit } from './privacy/proofs/membership-verifier.ts'
export type { NullifierBookComponents, NullifierBookInit, NullifierClaim, Nullifiers } from './privacy/proofs/nullifier-book.ts'
export type { NullifierDirectoryComponents, NullifierDirectoryInit } from './privacy/proofs/nullifier-directory.ts'
export type { Depth } from './privacy/proofs/statement.ts'
export type { AlertReason } from './privacy/monitor-alerts.ts'
export type { PrivacyMonitorInit } from './privacy/monitor-params.ts'
export type { WebhookAnswer, WebhookPost, WebhookRequest } from './privacy/monitor-webhook-egress.ts'
export type { WebhookInit, WebhookStatistics } from './privacy/monitor-webhook.ts'
export type { MonitorCheck, MonitorEventTarget, MonitorStatistics, MonitoredAnalyzer, PrivacyAlert, PrivacyMonitorEvents } from './privacy/monitor.ts'
export type { PrivacyMetricsComponents } from './privacy/privacy-metrics.ts'
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
  MembershipClaim,
  MembershipProof,
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
