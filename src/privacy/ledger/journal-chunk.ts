import { sha256 } from '@noble/hashes/sha2.js'
import { fromString } from 'uint8arrays/from-string'
import { toString } from 'uint8arrays/to-string'
import { OBSERVER_CLASSES } from '../../interface/privacy.ts'
import { MAX_TEXT } from './exposure-ring.ts'
import type { CountRow } from './exposure-counters.ts'
import type { DisclosureInit, DisclosureState, PrivacyMode } from '../../interface/disclosure.ts'
import type { Exposure, ObserverClass } from '../../interface/privacy.ts'
import type { Purpose } from '../../interface/request.ts'

/** Exposures of one stretch of time, whose names are all as they are or all pseudonyms of one key */
export interface JournalChunk {
  readonly raw: boolean
  readonly exposures: readonly Exposure[]
}

export interface KeptCounts {
  /** Wall clock, in ms */
  readonly since: number
  readonly rows: readonly CountRow[]
}

/** What lies in the datastore is not what was put there, or was put there by somebody else */
class DamagedError extends Error {
  static override name = 'DamagedError'
  override name = 'DamagedError'
}

/** Four times what 500 of the longest entries take */
const MAX_BYTES = 8_388_608
const DIGEST_LENGTH = 32
/** What a Date can say, in ms either way: of anything else there is no calendar day to print */
const MAX_TIME = 8_640_000_000_000_000

const FORMS = ['cid', 'multihash', 'prefix', 'hostname', 'peer', 'none']
const AUDIENCES = ['one', 'many', 'unbounded']
const MODES = ['open', 'balanced', 'strict']
const STATES = ['intended', 'sent', 'not-sent', 'unknown']
const COUNTED = ['sent', 'not-sent', 'unknown', 'intended', 'cancelled'] as const

export function encodeChunk ({ raw, exposures }: JournalChunk): Uint8Array {
  return sealed({
    raw,
    exposures: exposures.map(({ at, request, purpose, mode, observer, observerClass, subject, client, form, transport, audience, state, cancelled }) => [
      at, observerClass, observer, form, transport, audience, purpose, mode, state, cancelled ? 1 : 0, request, subject ?? 0, client ?? 0
    ])
  })
}

/** Throws when anything is wrong. The message has nothing of what was read: it is for a log. */
export function decodeChunk (bytes: Uint8Array): JournalChunk {
  const { raw, exposures } = opened(bytes) as { raw?: unknown, exposures?: unknown }

  if (typeof raw !== 'boolean' || !Array.isArray(exposures)) {
    throw new DamagedError('it is no piece of a ledger')
  }
  return { raw, exposures: exposures.map(exposure) }
}

export function encodeCounts (counts: KeptCounts): Uint8Array {
  return sealed(counts)
}

/** Throws when anything is wrong */
export function decodeCounts (bytes: Uint8Array): KeptCounts {
  const { since, rows } = opened(bytes) as { since?: unknown, rows?: unknown }

  if (!isTime(since) || !Array.isArray(rows)) {
    throw new DamagedError('it has no counters')
  }
  return { since, rows: rows.map(countRow) }
}

/** One disclosure: what is written later says what came of it */
export function identity ({ at, request, observer, subject, form, transport }: Exposure): string {
  return JSON.stringify([at, request, observer, subject, form, transport])
}

export function newest (exposures: readonly Exposure[]): number {
  return exposures.reduce((newest, { at }) => Math.max(newest, at), 0)
}

/** As it is kept, with a digest: a flipped bit within a text would still be JSON */
function sealed (value: object): Uint8Array {
  const body = JSON.stringify(value)
  return fromString(`${digest(body)}\n${body}`)
}

function opened (bytes: Uint8Array): object {
  if (bytes.byteLength > MAX_BYTES) {
    throw new DamagedError(`it has ${bytes.byteLength} bytes, more than any that was written here`)
  }
  const text = toString(bytes)
  const body = text.slice(DIGEST_LENGTH + 1)

  if (text.slice(0, DIGEST_LENGTH + 1) !== `${digest(body)}\n`) {
    throw new DamagedError('it is not as it was written')
  }
  const value: unknown = parsed(body)

  if (typeof value !== 'object' || value === null) {
    throw new DamagedError('it is no piece of a ledger')
  }
  return value
}

function parsed (body: string): unknown {
  try {
    return JSON.parse(body)
  } catch {
    // the parser's own message quotes what it read
    throw new DamagedError('it is not JSON')
  }
}

function digest (body: string): string {
  return toString(sha256(fromString(body)).subarray(0, DIGEST_LENGTH / 2), 'hex')
}

function exposure (row: unknown): Exposure {
  const [at, observerClass, observer, form, transport, audience, purpose, mode, state, cancelled, request, subject, client] = Array.isArray(row) ? row as unknown[] : []

  if (!isTime(at) || !isOneOf(observerClass, OBSERVER_CLASSES) || !isText(observer) || !isOneOf(form, FORMS) || !isText(transport) || !isOneOf(audience, AUDIENCES) ||
    !isText(purpose) || !isOneOf(mode, MODES) || !isOneOf(state, STATES) || !isText(request)) {
    throw new DamagedError('an entry makes no sense')
  }
  return {
    at,
    request,
    purpose: purpose as Purpose,
    mode: mode as PrivacyMode,
    observer,
    observerClass: observerClass as ObserverClass,
    ...isText(subject) ? { subject } : {},
    ...isText(client) ? { client } : {},
    form: form as DisclosureInit['form'],
    transport,
    audience: audience as DisclosureInit['audience'],
    // the process ended before anybody said what came of it
    state: state === 'intended' ? 'unknown' : state as DisclosureState,
    cancelled: cancelled === 1
  }
}

function countRow (row: unknown): CountRow {
  const { observerClass, form, transport, purpose, ...counts } = (row ?? {}) as Partial<CountRow>

  if (!isText(observerClass) || !isText(form) || !isText(transport) || !isText(purpose) || COUNTED.some(name => !isCount(counts[name]))) {
    throw new DamagedError('a counter makes no sense')
  }
  return { observerClass, form, transport, purpose, ...counts as Record<typeof COUNTED[number], number> }
}

function isText (value: unknown): value is string {
  return typeof value === 'string' && value.length <= MAX_TEXT
}

function isOneOf (value: unknown, choices: readonly string[]): value is string {
  return typeof value === 'string' && choices.includes(value)
}

function isTime (value: unknown): value is number {
  return typeof value === 'number' && Math.abs(value) <= MAX_TIME
}

function isCount (value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}
