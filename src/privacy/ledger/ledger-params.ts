import { InvalidOptionError } from '../../interface/errors.ts'
import { checkOptionNames } from '../../interface/option-names.ts'
import { quote } from '../../interface/quote.ts'
import { OBSERVER_CLASSES } from '../../interface/privacy.ts'
import type { ObserverClass } from '../../interface/privacy.ts'

export interface LedgerInit {
  /** Disclosures kept with all they say, in memory and in files; the oldest makes room. @default 10_000 */
  readonly maxEntries?: number
  /** How long they are kept, in ms. @default 86_400_000 */
  readonly maxAge?: number
  /** Observers that are recorded by name (`p2p:PEER`, `https:HOST`, `router:NAME`, or a bare peer id); all others are only counted. @default everybody */
  readonly allow?: readonly string[]
  /** Keep names and CIDs as they are in the node's datastore. Without it they are pseudonyms that nobody can resolve after a restart. @default false */
  readonly raw?: boolean
  /** Kinds of parties that their names do not tell: `{ 'https:proxy.example': 'own' }`. @default none */
  readonly parties?: Readonly<Record<string, ObserverClass>>
}

export interface LedgerParams {
  readonly maxEntries: number
  readonly maxAge: number
  readonly allow?: ReadonlySet<string>
  readonly raw: boolean
  readonly parties: ReadonlyArray<readonly [observer: string, observerClass: ObserverClass]>
}

/** Some hours of a person's reading, some minutes of a gateway's; 5 MB */
export const DEFAULT_MAX_ENTRIES = 10_000

/** Half a gigabyte: a ledger is no archive */
export const MAX_ENTRIES = 1_000_000

/** A day: long enough to ask in the evening about the morning; what is not kept cannot be taken */
export const DEFAULT_MAX_AGE = 86_400_000

/** A year */
export const MAX_MAX_AGE = 31_536_000_000

/** The peers that one operator has an eye on */
export const MAX_ALLOWED = 10_000

export const LEDGER_OPTIONS: readonly string[] = Object.keys({ maxEntries: true, maxAge: true, allow: true, raw: true, parties: true } satisfies Record<keyof LedgerInit, true>)

/** Throws an `InvalidOptionError` that names option, range and value */
export function ledgerParams (init: LedgerInit): LedgerParams {
  checkOptionNames('ledger', init, LEDGER_OPTIONS)
  const { maxEntries = DEFAULT_MAX_ENTRIES, maxAge = DEFAULT_MAX_AGE, allow, raw = false, parties = {} } = init

  if (typeof raw !== 'boolean') {
    throw new InvalidOptionError(`ledger.raw must be true or false, got ${quote(raw)}`)
  }
  return {
    maxEntries: whole('maxEntries', maxEntries, MAX_ENTRIES),
    maxAge: whole('maxAge', maxAge, MAX_MAX_AGE),
    ...allow == null ? {} : { allow: allowed(allow) },
    raw,
    parties: classes(parties)
  }
}

function whole (name: string, value: unknown, max: number): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 1 || value > max) {
    throw new InvalidOptionError(`ledger.${name} must be a whole number from 1 to ${max}, got ${quote(value)}`)
  }
  return value
}

function allowed (list: unknown): ReadonlySet<string> {
  if (!Array.isArray(list) || list.length > MAX_ALLOWED) {
    throw new InvalidOptionError(`ledger.allow must be an array of at most ${MAX_ALLOWED} names of observers, like p2p:PEER or https:HOST, got ${Array.isArray(list) ? list.length : quote(list)}`)
  }
  return new Set(list.map((name: unknown) => {
    if (typeof name !== 'string' || name === '') {
      throw new InvalidOptionError(`ledger.allow must name observers, like p2p:PEER or https:HOST, got ${quote(name)}`)
    }
    return name.includes(':') ? name : `p2p:${name}`
  }))
}

function classes (parties: unknown): LedgerParams['parties'] {
  if (parties === null || typeof parties !== 'object') {
    throw new InvalidOptionError(`ledger.parties must be an object of observers and their kinds, got ${quote(parties)}`)
  }
  return Object.entries(parties).map(([observer, observerClass]) => {
    if (!(OBSERVER_CLASSES as readonly unknown[]).includes(observerClass)) {
      throw new InvalidOptionError(`ledger.parties must give each observer one of ${OBSERVER_CLASSES.join(', ')}, got ${quote(observerClass)} for ${quote(observer)}`)
    }
    return [observer, observerClass as ObserverClass] as const
  })
}
