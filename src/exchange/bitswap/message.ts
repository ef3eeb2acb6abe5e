import type { BlockKey } from '../../interface/provider.ts'
import type { CID } from 'multiformats/cid'

/** Newest first: the order in which they are offered */
export const BITSWAP_PROTOCOLS = ['/ipfs/bitswap/1.2.0', '/ipfs/bitswap/1.1.0', '/ipfs/bitswap/1.0.0'] as const

export type BitswapProtocol = typeof BITSWAP_PROTOCOLS[number]

/** What every implementation accepts in one frame (boxo's MessageSizeMax) */
export const MAX_MESSAGE_SIZE = 4_194_304

/** One line of a want-list as it arrives: the CID was checked, its key is the one tables use */
export interface WantEntry {
  readonly cid: CID
  readonly key: BlockKey
  readonly type: 'block' | 'have'
  readonly priority: number
  readonly cancel: boolean
  readonly sendDontHave: boolean
}

/** What a CID is besides its digest, as it precedes a block on the wire */
export interface BlockPrefix {
  readonly version: 0 | 1
  readonly codec: number
  readonly hash: number
  readonly digestLength: number
}

/** A block as it arrives: nobody has hashed it yet, and whose it is only the hash will tell */
export interface BlockPayload {
  readonly prefix: BlockPrefix
  /** Memory of its own: not a view that keeps a whole message alive */
  readonly bytes: Uint8Array
}

export interface Presence {
  readonly cid: CID
  readonly key: BlockKey
  readonly type: 'have' | 'dont-have'
}

/** A message as it arrives */
export interface BitswapMessage {
  /** The want-list replaces the one before */
  readonly full: boolean
  readonly wants: readonly WantEntry[]
  readonly blocks: readonly BlockPayload[]
  readonly presences: readonly Presence[]
  /** Bytes that the sender has still queued for us */
  readonly pendingBytes: number
}

/** A message to be sent; absent lists are empty */
export interface OutgoingMessage {
  readonly wants?: ReadonlyArray<{
    readonly cid: CID
    readonly type: 'block' | 'have'
    readonly priority: number
    readonly cancel?: boolean
    readonly sendDontHave?: boolean
  }>
  readonly full?: boolean
  readonly blocks?: ReadonlyArray<{ readonly cid: CID, readonly bytes: Uint8Array }>
  readonly presences?: ReadonlyArray<{ readonly cid: CID, readonly type: 'have' | 'dont-have' }>
  readonly pendingBytes?: number
}
