import { InvalidOptionError } from '../interface/errors.ts'
import { quote } from '../interface/quote.ts'
import { DisclosureLedger } from '../privacy/ledger/disclosure-ledger.ts'
import { nullLedger } from '../privacy/null-ledger.ts'
import type { Ledger } from '../interface/disclosure.ts'
import type { LedgerComponents, LedgerInit } from '../privacy/ledger/disclosure-ledger.ts'

/** `false`: nobody writes down who learnt what. The options of a ledger, or one of your own. */
export type LedgerOption = boolean | LedgerInit | Ledger

export interface ComposedLedger {
  readonly ledger: Ledger
  /** The same, where whoever composes has to start and stop it */
  readonly own?: DisclosureLedger
}

/** Throws an `InvalidOptionError` that names option, range and value */
export function composedLedger (option: LedgerOption = true, components: LedgerComponents = {}): ComposedLedger {
  if (option === false) {
    return { ledger: nullLedger }
  }
  if (option === true) {
    const own = new DisclosureLedger(components)
    return { ledger: own, own }
  }
  if (typeof option !== 'object' || option === null || Array.isArray(option)) {
    throw new InvalidOptionError(`ledger must be true, false, its options or a ledger, got ${quote(option)}`)
  }
  if (isLedger(option)) {
    return { ledger: option }
  }
  const own = new DisclosureLedger(components, option)
  return { ledger: own, own }
}

function isLedger (option: LedgerInit | Ledger): option is Ledger {
  const { intended, settled } = option as Partial<Ledger>
  return typeof intended === 'function' && typeof settled === 'function'
}
