/**
 * @packageDocumentation
 *
 * What runs in browsers: the same mixin over `fetch`. Names cannot be resolved
 * there, so private addresses behind public names are the browser's to refuse.
 */
import { heliaMixin, libp2pComposer } from './compose.ts'
import { fetchTransport } from './exchange/http/fetch-egress.ts'

/** Wraps a Helia node: its reads go through content routing over `fetch` and the brokers it has */
export const withContentRouting = heliaMixin(fetchTransport)

/** Content routing on a libp2p node without Helia */
export const contentRoutingFor = libp2pComposer(fetchTransport)

export { composeContentRouting, getFilesystem, heliaMixin, libp2pComposer } from './compose.ts'
export { ContentRoutingManager } from './routing/manager.ts'
export { reputationBook } from './reputation/book.ts'
export { blockVerifier } from './block/verify.ts'
export { addressPolicy } from './provider/address.ts'
export { toProvider } from './provider/provider.ts'
export { delegatedRouter } from './discovery/routers/delegated-router.ts'
export { httpBlockFetcher } from './exchange/http/http-fetcher.ts'
export { fetchTransport } from './exchange/http/fetch-egress.ts'
export { systemClock } from './clock/system-clock.ts'
export { seededRandom, systemRandom } from './clock/random.ts'
export { collectorMetrics } from './privacy/collector/collector-metrics.ts'
export { listeningAddress } from './privacy/collector/listening-address.ts'
export { MetadataCollector } from './privacy/collector/metadata-collector.ts'
export { PrivacyAnalyzer } from './privacy/analysis/analyzer.ts'
export { PrivacyMonitor } from './privacy/monitor.ts'
export { privacyMetrics } from './privacy/privacy-metrics.ts'
export { consoleFormat, terminalOptions } from './privacy/report/console-format.ts'
export { htmlFormat } from './privacy/report/html-format.ts'
export { jsonFormat } from './privacy/report/json-format.ts'
export { redactReport } from './privacy/report/redact-report.ts'
export { UnknownFormatError } from './privacy/report/report-format.ts'
export { reportFormats } from './privacy/report/report-formats.ts'
export { privacyReportSchema } from './privacy/report/report-schema.ts'
export { AccessDeniedError, PrivacyReportService, RateLimitedError } from './privacy/report/report-service.ts'
export { timelineOf } from './privacy/report/report-timeline.ts'
export { slackFormat } from './privacy/report/slack-format.ts'
export { DisclosureLedger } from './privacy/ledger/disclosure-ledger.ts'
export { nullLedger } from './privacy/null-ledger.ts'
export {
  ArtifactError, MembershipGroupError, NotAMemberError, NullifierStoreError, ProofRefusedError, ProverError, REFUSAL_REASONS
} from './privacy/proofs/errors.ts'
export { memberIdentity, randomSeed } from './privacy/proofs/member-identity.ts'
export { createMembership } from './privacy/proofs/membership.ts'
export { formatMembershipGroup, MembershipGroup } from './privacy/proofs/membership-group.ts'
export { MembershipVerifier } from './privacy/proofs/membership-verifier.ts'
export { NullifierBook } from './privacy/proofs/nullifier-book.ts'
export { createNonce, reportDigest } from './privacy/proofs/report-digest.ts'
export { verifyReportDocument } from './privacy/proofs/report-document.ts'
export * from './interface/errors.ts'
