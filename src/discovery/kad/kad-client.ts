import type { KadKey } from './kad-key.ts'
import type { Disclosure } from '../../interface/disclosure.ts'

/** Somebody in the DHT, as a table or an answer names them */
export interface KadPeer {
  /** Base58 */
  readonly id: string
  readonly key: KadKey
  /** Multiaddrs without the peer's own `/p2p/`; at most eight. None: those that the node knows. */
  readonly addresses: readonly string[]
}

/** What a peer said */
export interface KadAnswer {
  /** Peers that it thinks are nearer, at most twenty; neither itself nor we */
  readonly closer: readonly KadPeer[]
  /** Who it says has the block, at most a hundred */
  readonly providers: readonly KadPeer[]
  /** Parts of the answer that were passed over: ids and addresses that make no sense, and what is beyond the bounds */
  readonly skipped: number
}

/** How near a peer already is when it is asked, and so how often a message crosses the network before its answer is here */
export interface Reach {
  /** 1 over a stream that is open, 2 where the protocol of a new one is agreed on first */
  readonly rounds: 1 | 2
  /** Milliseconds that it took to connect, where that was part of this request */
  readonly dialled?: number
  /** The address at which it is */
  readonly from?: string
}

export interface KadRequestOptions {
  readonly signal: AbortSignal
  /** The connection is there. Called at once, before the function that asks returns, when it was there before. */
  onReached? (reach: Reach): void
}

/** Records that are written at once: with eight addresses each some 20 KB, a twelfth of what a stream takes without waiting */
export const MAX_RECORDS = 64

/** That somebody has a block, for one peer to keep */
export interface ProviderRecord {
  readonly multihash: Uint8Array
  readonly disclosure: Disclosure
}

/** Asks one peer one thing. Every promise ends with the signal, and rejects with a `KadRequestError`, a `KadMessageError` or the signal's reason. */
export interface KadClient {
  /**
   * Whom the peer knows near `key` (a preimage).
   *
   * @param disclosure - undefined only for keys that say nothing about a block: random ones and peer ids
   */
  findNode (peer: KadPeer, key: Uint8Array, disclosure: Disclosure | undefined, options: KadRequestOptions): Promise<KadAnswer>
  /** Who has the block with this multihash */
  getProviders (peer: KadPeer, multihash: Uint8Array, disclosure: Disclosure, options: KadRequestOptions): Promise<KadAnswer>
  /**
   * Tells the peer that `self` has these blocks, at most `MAX_RECORDS` of them.
   * Resolves when it has read them all: it answers none, but the question that
   * was written behind them.
   */
  addProviders (peer: KadPeer, records: readonly ProviderRecord[], self: Pick<KadPeer, 'id' | 'addresses'>, options: KadRequestOptions): Promise<void>
}

/** A peer was not asked, or gave no answer */
export class KadRequestError extends Error {
  static override name = 'KadRequestError'
  override name = 'KadRequestError'
  /**
   * - `unreachable`: no connection
   * - `declined`: our own node did not try
   * - `refused`: it opens no stream of the protocol
   * - `broken`: the stream ended before the answer
   */
  readonly reason: 'unreachable' | 'declined' | 'refused' | 'broken'

  constructor (reason: KadRequestError['reason'], message: string, options?: ErrorOptions) {
    super(message, options)
    this.reason = reason
  }
}

/** What an error says, in bounds: foreign ones have no message at times */
export function told (error: unknown): string {
  return String((error as Error | undefined)?.message ?? error).slice(0, 200)
}
