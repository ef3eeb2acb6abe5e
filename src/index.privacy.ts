/**
 * @packageDocumentation
 *
 * What watches any libp2p node and says who learns what of it, without Helia and without routing.
 */
export { DisclosureLedger } from './privacy/ledger/disclosure-ledger.ts'
export { nullLedger } from './privacy/null-ledger.ts'
export type { Disclosure, DisclosureEntry, DisclosureState, Ledger, Observer, PrivacyMode } from './interface/disclosure.ts'
export type { ExposureFilter, LedgerComponents, LedgerInit, LedgerStats } from './privacy/ledger/disclosure-ledger.ts'
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
