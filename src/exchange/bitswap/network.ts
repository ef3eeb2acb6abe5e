import type { BitswapMessage, BitswapProtocol, BlockPayload, BlockPrefix, OutgoingMessage, Presence } from './message.ts'
import type { Disclosure } from '../../interface/disclosure.ts'
import type { Connection } from '@libp2p/interface'

/**
 * What a peer did that no honest one does:
 *
 * - `malformed`: bytes that are no bitswap message
 * - `unsolicited`: a block that it was not asked for
 * - `slow`: a message that does not come to its end
 * - `flood`: streams that are opened for nothing
 * - `excess`: more bytes than anybody asked for
 * - `not-reading`: it takes nothing of what it asked for
 */
export type BitswapFault = 'malformed' | 'unsolicited' | 'slow' | 'flood' | 'excess' | 'not-reading'

export interface PeerMessage {
  /** The peer id as text */
  readonly peer: string
  readonly connection: Connection
  /** Its blocks went to whoever receives blocks */
  readonly message: BitswapMessage
}

/**
 * Was such a block asked for? Only of one that was (`yes`) any byte is kept; one
 * that was, but is wanted no more (`late`), is not held against the peer. One
 * besides as many as are wanted (`spare`) may be a second copy: it counts among
 * the bytes that the peer may send unasked.
 */
export type Acceptance = 'yes' | 'late' | 'spare' | 'no'

/** A block that was accepted and is not complete */
export interface Unfinished {
  /** Nobody waits for it any more: what came of it is forgotten, the rest is skipped */
  drop (): void
}

/** The client: told about blocks while they arrive */
export interface BlockReceiver {
  /** Is anything wanted from this peer? It then has a place when others have taken all. */
  wantsFrom (peer: string): boolean
  /** What is accepted stays `unfinished` until `finished` or dropped */
  accept (peer: string, prefix: BlockPrefix, length: number, unfinished: Unfinished): Acceptance
  /** An accepted block is complete, or its stream is over */
  finished (peer: string, unfinished: Unfinished): void
  /** Bytes of an accepted block have arrived */
  progress (peer: string, bytes: number): void
  /** An accepted block is complete. While the promise is pending the stream that it came by may be held back. */
  block (peer: string, payload: BlockPayload): Promise<void> | void
  presences (peer: string, presences: readonly Presence[]): void
  /** The stream for wants broke, and perhaps the peer did not read what was written last */
  broken (peer: string, error: Error): void
}

/** The server: told about want-lists */
export interface WantReceiver {
  /** May this peer be served? Of one that may not, no more wants are read than are refused. @default yes */
  serves? (peer: string): boolean
  /** Must not throw, and must bound what it keeps */
  wants (message: PeerMessage): void
  /** The last connection to this peer is gone */
  left (peer: string): void
}

/** Wants and answers travel in streams of their own: a block on its way to a slow reader holds up no want */
export type Lane = 'wants' | 'answers'

export interface Recipient {
  readonly peer: string
  readonly connection: Connection
  readonly lane: Lane
}

/** What is to be written, and which disclosures that settles */
export interface Outgoing {
  readonly message: OutgoingMessage
  /** `sent` once written; `notSent` or `unknown` when that fails */
  readonly disclosures: readonly Disclosure[]
  /** Those whose want this message cancels */
  readonly cancelled?: readonly Disclosure[]
}

export interface BitswapNetwork {
  start (): Promise<void>
  /** Ends all streams. Nothing is told any more. */
  stop (): Promise<void>
  /** One receiver of each kind; the returned function takes it away again */
  receiveBlocks (receiver: BlockReceiver): () => void
  receiveWants (receiver: WantReceiver): () => void
  /** A receiver's own judgement: what was asked for and came as something else */
  fault (peer: string, fault: BitswapFault, message: string): void
  /**
   * Writes one message. `compose` is called when the stream is there and would
   * take it, so that what was not written yet can still be withdrawn; undefined
   * means there is nothing to say any more. Resolves when the stream would take another message,
   * rejects with a FetchError: `unreachable`, `stalled` (it reads nothing) or `cancelled` (`signal`).
   */
  write (to: Recipient, compose: (protocol: BitswapProtocol) => Outgoing | undefined, options: WriteOptions): Promise<void>
}

export interface WriteOptions {
  /**
   * Until the message is written, it is withdrawn. After that, the stream of
   * `answers` is ended with the reason: nobody wants the rest to stay in memory.
   */
  readonly signal: AbortSignal
  /** Bytes left to write when it counts as written. @default 256 KiB, so that the next message is there in time */
  readonly leaving?: number
  /** Called from time to time while the stream takes what was written */
  readonly progress?: () => void
}

export interface BitswapFaultEvent {
  readonly peer: string
  readonly fault: BitswapFault
  readonly message: string
}
