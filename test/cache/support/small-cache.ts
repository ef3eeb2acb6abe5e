import { blockVerifier } from '../../../src/block/verify.ts'
import { seededRandom } from '../../../src/clock/random.ts'
import { composeCache } from '../../../src/cache/compose-cache.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'
import { MemoryDisk } from './memory-disk.ts'
import type { BlockVerifier } from '../../../src/block/verify.ts'
import type { CacheParams } from '../../../src/cache/params.ts'
import type { SharedTier } from '../../../src/cache/shared/shared-tier.ts'
import type { BlockCache } from '../../../src/interface/cache.ts'

export interface SmallCache {
  readonly cache: BlockCache
  readonly disk: MemoryDisk
  readonly clock: VirtualClock
  readonly verifier: BlockVerifier
}

export interface SmallCacheInit extends Partial<CacheParams> {
  readonly disk?: MemoryDisk
  readonly shared?: SharedTier
  readonly clock?: VirtualClock
}

/** A cache for ten blocks of a thousand bytes or so, over a disk that does what it is told */
export async function smallCache ({ disk = new MemoryDisk(), clock = new VirtualClock(), shared, ...params }: SmallCacheInit = {}): Promise<SmallCache> {
  const verifier = blockVerifier()
  const cache = await composeCache({
    disk,
    shared,
    verifier,
    clock,
    random: seededRandom(1),
    log: Object.assign(() => {}, { error () {}, trace () {} })
  }, {
    maxBytes: 20_000,
    memoryBytes: 0,
    transitBytes: 4_000,
    capacity: 11_000,
    puts: 'authored',
    verifyRate: 0,
    ...params
  })
  return { cache, disk, clock, verifier }
}
