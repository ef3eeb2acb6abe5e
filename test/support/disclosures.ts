import { Disclosure } from '../../src/interface/disclosure.ts'
import type { DisclosureEntry, DisclosureInit, Ledger } from '../../src/interface/disclosure.ts'

const NAME: DisclosureInit = { observer: 'party:dns', form: 'hostname', transport: 'dns', audience: 'one' }

/** Makes disclosures for what is called without a request, and keeps them */
export function disclosures (): { readonly entries: DisclosureEntry[], disclose (init?: DisclosureInit): Disclosure } {
  const entries: DisclosureEntry[] = []
  const ledger: Ledger = { intended: entry => { entries.push(entry) }, settled: () => {} }
  return { entries, disclose: (init = NAME) => new Disclosure(ledger, init, { request: 'test', purpose: 'join', at: 0 }) }
}

export const disclose = disclosures().disclose
