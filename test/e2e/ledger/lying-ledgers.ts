import { Disclosure } from '../../../src/interface/disclosure.ts'
import type { DisclosureEntry, Ledger } from '../../../src/interface/disclosure.ts'

/** Loses every fifth entry about a block */
export function forgetful (ledger: Ledger): Ledger {
  const lost = new Set<DisclosureEntry>()
  let count = 0
  return {
    intended: entry => {
      if (entry.form === 'cid' && ++count % 5 === 0) {
        lost.add(entry)
      } else {
        ledger.intended(entry)
      }
    },
    settled: entry => {
      if (!lost.has(entry)) {
        ledger.settled(entry)
      }
    }
  }
}

/** Says that somebody was told of something whom nobody told */
export function inventive (ledger: Ledger): Ledger {
  return {
    intended: entry => {
      ledger.intended(entry)
      if (entry.transport === 'bitswap' || entry.transport === 'http') {
        new Disclosure(ledger, { ...entry, observer: entry.observer }, { request: 'made-up', purpose: 'read', key: 'nothing-that-there-is', at: entry.at }).sent()
      }
    },
    settled: entry => { ledger.settled(entry) }
  }
}

/** Takes whatever was meant for said */
export function credulous (ledger: Ledger): Ledger {
  const shown = new Map<DisclosureEntry, DisclosureEntry>()
  return {
    intended: entry => {
      const { observer, form, transport, audience, purpose, request, mode, key, at } = entry
      const copy: DisclosureEntry = { observer, form, transport, audience, purpose, request, mode, key, at, state: 'sent', cancelled: false }
      shown.set(entry, copy)
      ledger.intended(copy)
    },
    settled: entry => {
      const copy = shown.get(entry)
      if (copy != null) {
        ledger.settled(copy)
      }
    }
  }
}
