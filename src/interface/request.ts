import type { Disclosure, DisclosureInit, PrivacyMode } from './disclosure.ts'
import type { BlockKey, Provider } from './provider.ts'
import type { CID } from 'multiformats/cid'

export type Purpose = 'read' | 'prefetch' | 'announce' | 'probe' | 'shadow' | 'serve' | 'join'

/** Why bytes may leave the process: carried by everything that acts for one retrieval */
export interface Request {
  readonly id: string
  readonly purpose: Purpose
  readonly mode: PrivacyMode
  readonly signal: AbortSignal
  /** On the clock's monotonic scale */
  readonly deadline: number
  readonly priority: number
  /** Who asks, for fair queues: a session, a client key */
  readonly client?: string
  readonly hints: readonly Provider[]
  disclose (init: DisclosureInit): Disclosure
  /** One more line in the story of the read, where somebody tells one */
  note? (what: string): void
}

/** What is wanted. `size` is a guess from links already read, when there is one. */
export interface Want {
  readonly cid: CID
  readonly key: BlockKey
  /** Largest block accepted, in bytes: checked before buffering */
  readonly maxBytes: number
  readonly size?: number
}

/** One provider being asked once. Timers belong to whoever made the attempt; the fetcher only reports. */
export interface Attempt {
  readonly request: Request
  /** Aborts when the attempt timed out, lost a race or lost its last reader: stop on the wire at once */
  readonly signal: AbortSignal
  /** Call when connected (at once on a pooled connection) and when the first byte of the answer is in */
  phase (phase: 'connected' | 'first-byte'): void
  /** Call for every chunk of the body: feeds the stall timer and the byte counts */
  bytes (n: number): void
  /** For brokers that try several providers themselves: throws when the bytes do not match the want */
  verify (bytes: Uint8Array): Promise<void>
}
