/**
 * @packageDocumentation
 *
 * The cache alone, for whoever opens one without routing: a tenth of the modules of the whole package, and less than
 * half of the memory that these take.
 *
 * @example
 *
 * ```ts
 * import { openBlockCache } from 'portolan/cache'
 *
 * const cache = await openBlockCache({ path: './cache', maxBytes: 10_000_000_000 })
 * console.log(cache.stats())
 * await cache.close()
 * ```
 */
export { blockVerifier } from './block/verify.ts'
export { accountExternalMemory } from './config/external-memory.ts'
export { openBlockCache } from './open-block-cache.ts'
export { redisTier } from './cache/shared/redis-tier.ts'
export * from './interface/errors.ts'

export type { BlockVerifier, BlockVerifierInit } from './block/verify.ts'
export type { BlockCacheOptions } from './cache/open-block-cache.ts'
export type { OpenBlockCacheOptions } from './open-block-cache.ts'
export type { RedisTierInit } from './cache/shared/redis-options.ts'
export type { RequestFor, SharedTier, SharedTierComponents, SharedTierFactory } from './cache/shared/shared-tier.ts'
export type { AdmitOptions, BlockCache, CacheEntry, CacheHealth, CacheKind, CacheProgress, CacheProgressEvents, CacheStats, CacheTier, CacheVerifyProgress, SharedStats } from './interface/cache.ts'
