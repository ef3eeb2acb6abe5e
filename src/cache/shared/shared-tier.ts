import type { BlockVerifier } from '../../block/verify.ts'
import type { CacheHealth, SharedStats } from '../../interface/cache.ts'
import type { Clock, Random } from '../../interface/clock.ts'
import type { ComponentLogger } from '../../interface/logger.ts'
import type { Purpose, Request } from '../../interface/request.ts'
import type { AbortOptions } from '@libp2p/interface'
import type { CID } from 'multiformats/cid'

/**
 * A cache that several nodes share. It is somebody else's: nothing that comes from
 * it is believed, and nobody waits for it when it is slow or down.
 */
export interface SharedTier {
  /**
   * Bytes that hash to the multihash, or undefined: it does not have them, was not
   * asked, or did not answer in time. While it is down that is known at once. Rejects
   * only with the reason of the signal.
   */
  get (multihash: Uint8Array, options?: AbortOptions): Promise<Uint8Array | undefined>
  /**
   * Somebody was given this block from elsewhere, and these are its verified bytes: call
   * it for each such read. Small blocks that are offered more than once are written, in
   * the background. Never throws, never waits.
   */
  offer (multihash: Uint8Array, bytes: Uint8Array): void
  stats (): SharedStats
  health (): CacheHealth
  /** Idempotent. Nothing is left after it: reads under way end with undefined, what was not written yet is dropped */
  close (): Promise<void>
}

/** Makes what disclosures are made of: the composition's `unrouted`. Without a CID it is about no block; without a request nothing is asked, and nobody connected to. */
export type RequestFor = (cid: CID | undefined, purpose: Purpose) => Request | undefined

export interface SharedTierComponents {
  readonly request: RequestFor
  readonly verifier: BlockVerifier
  readonly logger: ComponentLogger
  readonly clock: Clock
  readonly random: Random
}

/**
 * Opens a shared tier. Resolves also while it cannot be reached, which `health` says,
 * and it is found again when it can; rejects with what would never work.
 */
export interface SharedTierFactory {
  (components: SharedTierComponents): Promise<SharedTier>
  /** Where it is, for whoever tells whom a node contacts */
  readonly location?: string
}
