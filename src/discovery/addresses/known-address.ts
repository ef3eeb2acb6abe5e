import { RECORD_LASTING, RELAYED_LASTING } from '../lasting.ts'
import { addressEndpoint, isRelayed, parseAddress } from '../../provider/endpoint.ts'

/** One way to a peer, and what became of it */
export interface KnownAddress {
  /** Multiaddr without the peer's own `/p2p/` */
  readonly text: string
  /** When somebody named it last. Monotonic, as all times here */
  told: number
  /** The peer signed it, or has been reached there: nobody else can have made it up */
  own: boolean
  /** When the peer was reached there last */
  reached?: number
  /** Dials in vain since then */
  failures: number
  /** When a probe may be made */
  due: number
}

/** Best first: whom to dial, and whom to leave alone as long as there is another */
export type Standing = 'good' | 'own' | 'told' | 'doubtful' | 'dead'

const ORDER: readonly Standing[] = ['good', 'own', 'told', 'doubtful', 'dead']

/** Failures that are told apart: beyond them the pause is the longest */
const MAX_FAILURES = 8

export function standing ({ reached, failures, own }: KnownAddress): Standing {
  if (failures === 0) {
    return reached == null ? own ? 'own' : 'told' : 'good'
  }
  // once is an accident where it has worked before
  return failures === 1 && reached != null ? 'doubtful' : 'dead'
}

/** Whether it is still worth anything */
export function lasts ({ text, told, reached = -Infinity }: KnownAddress, now: number): boolean {
  return now - Math.max(told, reached) < (isRelayed(text) ? RELAYED_LASTING : RECORD_LASTING)
}

/** Which of two ways to dial first: what works, then what was never tried, then by how often it failed; the one that worked last, direct before relayed */
export function compareKnown (a: KnownAddress, b: KnownAddress): number {
  return ORDER.indexOf(standing(a)) - ORDER.indexOf(standing(b)) ||
    Number(isRelayed(a.text)) - Number(isRelayed(b.text)) ||
    a.failures - b.failures ||
    (b.reached ?? 0) - (a.reached ?? 0)
}

export function failedOnce (known: KnownAddress): void {
  known.failures = Math.min(MAX_FAILURES, known.failures + 1)
}

/** Where it connects to, as far as the text says */
export function hostOf (text: string): string {
  return addressEndpoint(text)?.host ?? text
}

export interface StoredAddress {
  readonly address: string
  readonly told: number
  readonly reached?: number
  readonly failures: number
  readonly own: boolean
}

/** @param wall - the time of day of a monotonic time */
export function storeAddress ({ text, told, reached, failures, own }: KnownAddress, wall: (at: number) => number): StoredAddress {
  return { address: text, told: wall(told), ...(reached == null ? {} : { reached: wall(reached) }), failures, own }
}

/** Reads what `storeAddress` made, and throws at anything that it would not have made */
export function restoreAddress (value: unknown, init: { readonly monotonic: (wall: number) => number, readonly due: number }): KnownAddress {
  const { address, told, reached, failures, own } = (value ?? {}) as Partial<Record<keyof StoredAddress, unknown>>
  const parsed = typeof address === 'string' ? parseAddress(address) : undefined

  if (parsed?.type !== 'bare' || parsed.address !== address || !isTime(told) || (reached !== undefined && !isTime(reached)) || !Number.isInteger(failures) || (failures as number) < 0 || typeof own !== 'boolean') {
    throw new TypeError('Not a stored address')
  }
  return {
    text: parsed.address,
    told: init.monotonic(told),
    ...(reached === undefined ? {} : { reached: init.monotonic(reached) }),
    failures: Math.min(MAX_FAILURES, failures as number),
    own,
    due: init.due
  }
}

function isTime (value: unknown): value is number {
  return Number.isFinite(value)
}
