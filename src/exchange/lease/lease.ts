import type { RelayRule } from './relays.ts'
import type { Disclosure } from '../../interface/disclosure.ts'
import type { Connection } from '@libp2p/interface'

/** Who is to be reached, and by which ways */
export interface LeaseTarget {
  /** The peer id as text, without `p2p:` */
  readonly peer: string
  /** Multiaddrs to dial, best first; a connection that is already open is used whatever its address */
  readonly addresses: readonly string[]
  /** Through which relays it may be reached. @default through any */
  readonly relays?: RelayRule
  /** The right to dial it: nobody is dialled who is not about to be told something */
  readonly disclosure: Disclosure
}

/** A connection that is kept open for its holder; every lease is released exactly once, later calls do nothing */
export interface Lease {
  readonly peer: string
  readonly connection: Connection
  release (): void
}

/** Connections held for those who talk over them, on top of libp2p's own pool */
export interface ConnectionLeases {
  /**
   * Resolves with a connection, dialling when there is none. Rejects with a
   * FetchError: `unreachable` (nobody answered, or no address of it may be or can
   * be dialled: where the address policy refused one, `cause` says so),
   * `overloaded` (our own caps), `cancelled` (`signal`, or `stop`).
   * It settles no disclosure: nothing about a CID is written yet.
   */
  acquire (target: LeaseTarget, options: { signal: AbortSignal }): Promise<Lease>
  /** Whether any address is known to be the peer's own: it was reached there, or has signed it. Otherwise only hearsay is dialled. */
  proven (peer: string): boolean
  start (): void
  /** Releases everything and closes nothing that others use */
  stop (): Promise<void>
}
