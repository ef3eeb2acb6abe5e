/**
 * @packageDocumentation
 *
 * Portolan is a content-routing cache for IPFS. One line wraps a Helia node:
 * reads become faster, survive bad providers and explain themselves.
 *
 * @example
 *
 * ```ts
 * import { createHeliaLight } from 'helia'
 * import { CID } from 'multiformats/cid'
 * import { getFilesystem, withContentRouting } from 'portolan'
 *
 * const helia = await withContentRouting(createHeliaLight(), {
 *   providers: ['http://127.0.0.1:8080']
 * }).start()
 *
 * const cid = CID.parse('bafkreifjjcie6lypi6ny7amxnfftagclbuxndqonfipmb64f2km2devei4')
 *
 * for await (const bytes of getFilesystem(helia).cat(cid)) {
 *   console.log(bytes.byteLength)
 * }
 *
 * console.log(String(helia.contentRouting.explain(cid)))
 * ```
 */
import { heliaMixin, libp2pComposer } from './compose.ts'
import { systemResolve } from './exchange/http/dial-egress.ts'
import { undiciTransport } from './exchange/http/undici-egress.ts'
import { systemResolveText } from './exchange/lease/dns-egress.ts'

const names = { resolve: systemResolve, resolveText: systemResolveText }

/** Wraps a Helia node: its reads go through content routing over pooled HTTP and the brokers it has */
export const withContentRouting = heliaMixin(undiciTransport, { names })

/** Content routing on a libp2p node without Helia */
export const contentRoutingFor = libp2pComposer(undiciTransport, { names })

export { composeContentRouting, getFilesystem, heliaMixin, libp2pComposer } from './compose.ts'
export { createPortolan } from './portolan.ts'
export { ContentRoutingManager } from './routing/manager.ts'
export { reputationBook } from './reputation/book.ts'
export { blockVerifier } from './block/verify.ts'
export { openBlockCache } from './open-block-cache.ts'
export { redisTier } from './cache/shared/redis-tier.ts'
export { addressPolicy } from './provider/address.ts'
export { toProvider } from './provider/provider.ts'
export { EnhancedDHTDiscovery, enhancedDHTDiscovery } from './discovery/enhanced-dht-discovery.ts'
export { announceSource } from './helia/announce-source.ts'
export { delegatedRouter } from './discovery/routers/delegated-router.ts'
export { httpBlockFetcher } from './exchange/http/http-fetcher.ts'
export { fetchTransport } from './exchange/http/fetch-egress.ts'
export { undiciTransport } from './exchange/http/undici-egress.ts'
export { accountExternalMemory } from './config/external-memory.ts'
export { systemClock } from './clock/system-clock.ts'
export { seededRandom, systemRandom } from './clock/random.ts'
export { collectorMetrics } from './privacy/collector/collector-metrics.ts'
export { listeningAddress } from './privacy/collector/listening-address.ts'
export { MetadataCollector } from './privacy/collector/metadata-collector.ts'
export { PrivacyAnalyzer } from './privacy/analysis/analyzer.ts'
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
export { readMembershipGroup } from './privacy/proofs/membership-group-file.ts'
export { MembershipProver } from './privacy/proofs/membership-prover.ts'
export { NullifierDirectory } from './privacy/proofs/nullifier-directory.ts'
export { loadMemberIdentity } from './config/membership-seed.ts'
export { PRIVACY_PRESETS, switchesOf } from './interface/privacy-preset.ts'
export * from './interface/errors.ts'

export type { RefusalReason } from './privacy/proofs/errors.ts'
export type { MemberIdentity } from './privacy/proofs/member-identity.ts'
export type { Membership, MembershipInit } from './privacy/proofs/membership.ts'
export type { MembershipGroupInit } from './privacy/proofs/membership-group.ts'
export type { ExpectedClaim, MembershipVerifierComponents, MembershipVerifierInit } from './privacy/proofs/membership-verifier.ts'
export type { NullifierBookComponents, NullifierBookInit, NullifierClaim, Nullifiers } from './privacy/proofs/nullifier-book.ts'
export type { Depth } from './privacy/proofs/statement.ts'
export type { MembershipClaim, MembershipProof } from './interface/privacy.ts'
export type { Packages } from './privacy/proofs/artifacts.ts'
export type { ClaimInit, MembershipProverComponents, MembershipProverInit } from './privacy/proofs/membership-prover.ts'
export type { NullifierDirectoryComponents, NullifierDirectoryInit } from './privacy/proofs/nullifier-directory.ts'
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
export type { ModeStats, PrivacyOverrides, PrivacySwitches, SwitchesOf } from './interface/privacy-preset.ts'
export type { AnalyzedNode } from './privacy/analysis/advice.ts'
export type { PrivacyAnalyzerInit } from './privacy/analysis/analyzer.ts'
export type { ComparedNode, PrivacyComparison } from './privacy/analysis/compare.ts'
export type { Portolan, PortolanInit } from './portolan.ts'
export type { Composition, CompositionParts, ContentRoutingOptions, RouterOption, Filesystem, FilesystemInit, FilesystemNode, TransportFactory } from './compose.ts'
export type { HeliaContentRouting } from './helia/helia-routing.ts'
export type { ContentRoutingReadOptions } from './helia/read-options.ts'
export type { ContentRoutingSessionOptions } from './helia/session-store.ts'
export type { ContentRoutingComponents, ContentRoutingInit } from './routing/manager.ts'
export type { ContentRoutingStats, RouterStats, SourceStats } from './interface/stats.ts'
export type { AttemptSummary } from './routing/timeline.ts'
export type { Explanation, RetrievalStory } from './routing/story.ts'
export type { BlockVerifier, BlockVerifierInit } from './block/verify.ts'
export type { DiscoveryStats } from './discovery/discovery-stats.ts'
export type { EnhancedDHTDiscoveryComponents, EnhancedDHTDiscoveryInit } from './discovery/enhanced-dht-discovery.ts'
export type { DelegatedRouter, DelegatedRouterComponents, DelegatedRouterInit } from './discovery/routers/delegated-router.ts'
export type { RecordFilter } from './discovery/routers/delegated-records.ts'
export type { AddressPolicy } from './provider/address.ts'
export type { HttpTransport } from './interface/http-transport.ts'
export type { AnnounceOptions, AnnounceProgress, AnnounceProgressEvents, AnnounceSource, AnnounceStrategy, AnnounceWatcher, AnnouncedCID } from './interface/announce.ts'
export type { ContentRouting, RetrievalSession, RetrieveContentOptions, RetrieveOptions, RetrieveProgressEvents, SessionOptions } from './interface/routing.ts'
export type { Block, BlockFetcher } from './interface/fetcher.ts'
export type { Attempt, Purpose, Request, Want } from './interface/request.ts'
export type { Disclosure, DisclosureEntry, DisclosureInit, DisclosureState, Ledger, Observer, PrivacyMode } from './interface/disclosure.ts'
export type { BlockKey, Provider, ProviderHint, ProviderId, ProviderSource, Route, Transport } from './interface/provider.ts'
export type { ProviderView, ReputationBook, Sample } from './interface/reputation.ts'
export type { Outcome } from './interface/outcome.ts'
export type { MetadataCollectorInit } from './privacy/collector/collector-params.ts'
export type { Clock, Random, TimeoutSignal } from './interface/clock.ts'
export type { BlockLoader, ContentReader } from './interface/unixfs.ts'
export type { BlockCacheOptions } from './cache/open-block-cache.ts'
export type { OpenBlockCacheOptions } from './open-block-cache.ts'
export type { RedisTierInit } from './cache/shared/redis-options.ts'
export type { RequestFor, SharedTier, SharedTierComponents, SharedTierFactory } from './cache/shared/shared-tier.ts'
export type { AdmitOptions, BlockCache, CacheEntry, CacheHealth, CacheKind, CacheProgress, CacheProgressEvents, CacheStats, CacheTier, CacheVerifyProgress, LocalStore, SharedStats } from './interface/cache.ts'
export type { LedgerOption } from './config/ledger-option.ts'
export type { ExposureFilter, LedgerStats, ReadableLedger, UnaccountedSpan } from './interface/ledger.ts'
export type { LedgerComponents, LedgerInit } from './privacy/ledger/disclosure-ledger.ts'
