import { InvalidOptionError } from '../../interface/errors.ts'

export interface LedgerInit {
  /** Disclosures kept with all they say; the oldest makes room. @default 10_000 */
  readonly maxEntries?: number
  /** How long they are kept, in ms. @default 86_400_000 */
  readonly maxAge?: number
  /** Observers that are recorded by name (`p2p:PEER`, `https:HOST`, `router:NAME`, or a bare peer id); all others are only counted. @default all */
  readonly allow?: readonly string[]
}

export interface LedgerParams {
  readonly maxEntries: number
  readonly maxAge: number
  readonly allow?: ReadonlySet<string>
}

/** Some hours of a person's reading, some minutes of a gateway's; 5 MB */
export const DEFAULT_MAX_ENTRIES = 10_000

/** Half a gigabyte: a ledger is no archive */
const MAX_ENTRIES = 1_000_000

/** A day: long enough to ask in the evening about the morning; what is not kept cannot be taken */
export const DEFAULT_MAX_AGE = 86_400_000

const YEAR = 31_536_000_000

/** The peers that one operator has an eye on */
const MAX_ALLOWED = 10_000

export function ledgerParams ({ maxEntries = DEFAULT_MAX_ENTRIES, maxAge = DEFAULT_MAX_AGE, allow }: LedgerInit): LedgerParams {
  return {
    maxEntries: whole('maxEntries', maxEntries, 1, MAX_ENTRIES),
    maxAge: whole('maxAge', maxAge, 1, YEAR),
    ...allow == null ? {} : { allow: allowed(allow) }
  }
}

function whole (name: string, value: unknown, min: number, max: number): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < min || value > max) {
    throw new InvalidOptionError(`ledger.${name} must be a whole number from ${min} to ${max}, got ${String(value)}`)
  }
  return value
}

function allowed (list: unknown): ReadonlySet<string> {
  if (!Array.isArray(list) || list.length > MAX_ALLOWED || list.some(entry => typeof entry !== 'string' || entry === '')) {
    throw new InvalidOptionError(`ledger.allow must be an array of at most ${MAX_ALLOWED} names of observers, like p2p:PEER or https:HOST`)
  }
  return new Set((list as string[]).flatMap(name => name.includes(':') ? [name] : [`p2p:${name}`]))
}
