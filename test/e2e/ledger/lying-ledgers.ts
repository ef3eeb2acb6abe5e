import { Disclosure } from '../../../src/interface/disclosure.ts'
import type { DisclosureEntry, Ledger } from '../../../src/interface/disclosure.ts'

/** Milliseconds after which a stream that breaks is no doubt about a CANCEL any more, twice over */
const OVER = 500
/** Milliseconds within which CANCELs to one peer count as one message */
const MESSAGE = 50

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
      const copy: DisclosureEntry = { ...copied(entry), state: 'sent' }
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

export interface Secretive {
  readonly between: (ledger: Ledger) => Ledger
  /** Messages with CANCELs about which it has said nothing, and whose streams have had the time to break */
  readonly hidden: number
}

/** Never says that a want was cancelled */
export function secretive (): Secretive {
  const shown = new Map<DisclosureEntry, { -readonly [Name in keyof DisclosureEntry]: DisclosureEntry[Name] }>()
  /** By whom and when: those of one message are settled together */
  const hidden = new Map<string, number>()
  return {
    get hidden () {
      return [...hidden.values()].filter(at => Date.now() - at > OVER).length
    },
    between: ledger => ({
      intended: entry => {
        const copy = copied(entry)
        shown.set(entry, copy)
        ledger.intended(copy)
      },
      settled: entry => {
        const copy = shown.get(entry)
        if (entry.cancelled) {
          hidden.set(`${entry.observer} ${Math.floor(Date.now() / MESSAGE)}`, Date.now())
        }
        if (copy != null) {
          copy.state = entry.state
          ledger.settled(copy)
        }
      }
    })
  }
}

function copied ({ observer, form, transport, audience, purpose, request, mode, key, at, state }: DisclosureEntry): DisclosureEntry {
  return { observer, form, transport, audience, purpose, request, mode, key, at, state, cancelled: false }
}
