import { MemoryDatastore } from 'datastore-core'
import { composedLedger } from './config/ledger-option.ts'
import { isReadableLedger } from './interface/ledger.ts'
import { DisclosureLedger } from './privacy/ledger/disclosure-ledger.ts'
import { ledgerMetrics } from './privacy/ledger/ledger-metrics.ts'
import type { LedgerOption } from './config/ledger-option.ts'
import type { Clock, Random } from './interface/clock.ts'
import type { Ledger } from './interface/disclosure.ts'
import type { ReadableLedger } from './interface/ledger.ts'
import type { ComponentLogger } from './interface/logger.ts'
import type { Metrics } from './interface/metrics.ts'
import type { Provider } from './interface/provider.ts'
import type { Datastore } from 'interface-datastore'

export interface LedgerParts {
  readonly clock: Clock
  readonly random: Random
  readonly logger: ComponentLogger
  readonly metrics?: Metrics
  readonly datastore?: Datastore
  /** Started and stopped by whoever brings it. @default one as the option says */
  readonly ledger?: Ledger
}

export interface NodeLedger {
  readonly ledger: Ledger
  /** The same, where it has to be started and stopped with content routing */
  readonly own?: DisclosureLedger
  /** The same, where it can be asked */
  readonly readable?: ReadableLedger
}

/** The ledger of a node, which knows its siblings and is measured like the rest of it */
export function nodeLedger ({ clock, random, logger, metrics, datastore, ledger: given }: LedgerParts, option: LedgerOption | undefined, siblings: readonly Provider[]): NodeLedger {
  // what forgets with the process need not be written to
  const { ledger, own }: NodeLedger = given == null
    ? composedLedger(option, { clock, random, logger, datastore: datastore instanceof MemoryDatastore ? undefined : datastore })
    : { ledger: given }

  if (ledger instanceof DisclosureLedger) {
    ledger.know(siblings.map(({ id }) => id), 'sibling')
  }
  const readable = isReadableLedger(ledger) ? ledger : undefined

  if (metrics != null && readable != null) {
    ledgerMetrics(metrics, clock, readable)
  }
  return { ledger, own, readable }
}
