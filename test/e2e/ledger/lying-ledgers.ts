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

/** Never says that a want was cancelled */
export function secretive (ledger: Ledger): Ledger {
  const shown = new Map<DisclosureEntry, Copy>()
  return {
    intended: entry => {
      const copy = copied(entry)
      shown.set(entry, copy)
      ledger.intended(copy)
    },
    settled: entry => {
      const copy = shown.get(entry)
      if (copy != null) {
        copy.state = entry.state
        ledger.settled(copy)
      }
    }
  }
}

export interface Doubtful {
  readonly between: (ledger: Ledger) => Ledger
  /** What was sent, and is shown as unknown */
  readonly doubted: ReadonlySet<DisclosureEntry>
}

/** Takes every nth that was sent for unknown, which spares it from being compared with what was seen */
export function doubtful (nth: number): Doubtful {
  const shown = new Map<DisclosureEntry, Copy>()
  const doubted = new Set<DisclosureEntry>()
  let count = 0
  return {
    doubted,
    between: ledger => ({
      intended: entry => {
        const copy = copied(entry)
        shown.set(entry, copy)
        ledger.intended(copy)
      },
      settled: entry => {
        const copy = shown.get(entry)
        if (copy == null) {
          return
        }
        if (copy.state === 'intended') {
          copy.state = entry.state
          if (entry.state === 'sent' && entry.transport !== 'foreign' && ++count % nth === 0) {
            copy.state = 'unknown'
            doubted.add(copy)
          }
        }
        copy.cancelled = entry.cancelled
        ledger.settled(copy)
      }
    })
  }
}

type Copy = { -readonly [Name in keyof DisclosureEntry]: DisclosureEntry[Name] }

function copied ({ observer, form, transport, audience, purpose, request, mode, key, at, state }: DisclosureEntry): Copy {
  return { observer, form, transport, audience, purpose, request, mode, key, at, state, cancelled: false }
}
