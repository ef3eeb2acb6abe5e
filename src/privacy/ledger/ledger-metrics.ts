import { oneReading } from '../../clock/one-reading.ts'
import { OBSERVER_CLASSES } from '../../interface/privacy.ts'
import type { Clock } from '../../interface/clock.ts'
import type { LedgerStats, ReadableLedger } from '../../interface/ledger.ts'
import type { CalculatedMetrics, Metrics } from '../../interface/metrics.ts'

/** Registers what the ledger counts; names are listed in docs/metrics.md. Kinds of parties are labels, parties are not: there is no end of them. */
export function ledgerMetrics (metrics: Metrics, clock: Pick<Clock, 'now'>, ledger: Pick<ReadableLedger, 'stats'>): void {
  const registry = metrics as unknown as CalculatedMetrics
  const stats = oneReading(() => clock.now(), () => ledger.stats())
  const gauge = (name: string, help: string, read: (now: LedgerStats) => number): void => {
    registry.registerMetric(name, { help, calculate: () => read(stats()) })
  }
  const group = (name: string, label: string, help: string, read: (now: LedgerStats) => Record<string, number>): void => {
    registry.registerMetricGroup(name, { label, help, calculate: () => read(stats()) })
  }

  group('portolan_ledger_exposures_total', 'observer_class', 'Messages that told another party something, or may have, by kind of party', ({ byClass }) => Object.fromEntries(OBSERVER_CLASSES.map(name => [name, byClass[name].sent + byClass[name].unknown])))
  group('portolan_ledger_disclosures_total', 'state', 'Disclosures by what came of them', ({ states }) => ({ ...states }))
  group('portolan_ledger_purposes_total', 'purpose', 'Disclosures by what they were for', ({ byPurpose }) => ({ ...byPurpose }))
  gauge('portolan_ledger_cancelled_total', 'Disclosures that were taken back on the wire', ({ cancelled }) => cancelled)
  gauge('portolan_ledger_entries', 'Disclosures that are kept with all they say', ({ entries }) => entries)
  gauge('portolan_ledger_paused', '1 while requests go past the ledger', ({ paused }) => paused ? 1 : 0)
  gauge('portolan_ledger_failed_writes_total', 'Times that the ledger could not be read or written in the datastore', ({ journal }) => journal?.failedWrites ?? 0)
  gauge('portolan_ledger_dropped_total', 'Damaged pieces of the ledger that were dropped', ({ journal }) => journal?.dropped ?? 0)
}
