import type { CacheCounts } from './cache-counts.ts'
import type { DiskHealth } from './disk-health.ts'
import type { MemoryTier } from './memory-tier.ts'
import type { Residents } from './residents.ts'
import type { Room } from './room.ts'
import type { Shares } from './shares.ts'
import type { Transit } from './transit.ts'
import type { DiskTier } from './disk/disk-tier.ts'
import type { SharedTier } from './shared/shared-tier.ts'
import type { AdaptivePolicy } from './policy/adaptive-policy.ts'
import type { BlockVerifier } from '../block/verify.ts'
import type { CacheKind } from '../interface/cache.ts'
import type { Clock, Random } from '../interface/clock.ts'
import type { Logger } from '../interface/logger.ts'

/**
 * For how long a block can be read after `has` said that it is there, or a write resolved, in ms: a second more than
 * callers are told, which covers what timers round off
 */
export const PROMISE_TIME = 6_000

/** The block can be read until `PROMISE_TIME` from now, whatever the policy says */
export function promiseRead ({ disk, clock }: Pick<CacheParts, 'disk' | 'clock'>, slot: number): void {
  disk.promise(slot, clock.now() + PROMISE_TIME)
}

/** What reads, writes and the cache itself are made of */
export interface CacheParts {
  readonly disk: DiskTier
  readonly residents: Residents
  /** What is said of it; who decides is `residents` */
  readonly policy: Pick<AdaptivePolicy, 'leader' | 'windowBytes'>
  readonly memory: MemoryTier
  readonly transit: Transit
  readonly room: Room
  readonly health: DiskHealth
  readonly counts: CacheCounts
  readonly shares?: Shares
  readonly verifier: BlockVerifier
  readonly verifyRate: number
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  /** The block with this hash is not at the slot any more, nobody decides about it */
  gone (slot: number, hash: number): void
}

/** What a cache is besides */
export interface BlockCacheInit {
  /** What a `put` is when nothing says that the bytes were fetched */
  readonly puts: CacheKind
  readonly maxBytes: number
  readonly shared?: SharedTier
  /** After all that is under way is over */
  close (): Promise<void>
}
