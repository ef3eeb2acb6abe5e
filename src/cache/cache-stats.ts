import type { CacheParts } from './cache-parts.ts'
import type { SharedTier } from './shared/shared-tier.ts'
import type { CacheHealth, CacheStats } from '../interface/cache.ts'

export function cacheStats ({ disk, memory, transit, residents, counts, policy }: CacheParts, { maxBytes, shared }: { maxBytes: number, shared?: Pick<SharedTier, 'stats'> }): CacheStats {
  const { files, blocks, authoredBlocks, authoredBytes, fetchedBytes } = disk.usage()
  const { hits, hitBytes, misses, admitted, declined, joined, evicted, evictedBytes, deleted, quarantined, skippedWrites, slowedWrites } = counts

  return {
    maxBytes,
    diskBytes: files,
    memoryBytes: memory.bytes,
    transitBytes: transit.bytes,
    blocks: { authored: authoredBlocks, fetched: blocks - authoredBlocks },
    bytes: { authored: authoredBytes, fetched: fetchedBytes },
    pinnedBytes: residents.pinnedBytes,
    hits: { ...hits },
    hitBytes: { ...hitBytes },
    misses,
    ...counts.ratios(),
    admitted,
    declined,
    joined,
    evicted,
    evictedBytes,
    deleted,
    quarantined,
    skippedWrites,
    slowedWrites,
    leader: policy.leader,
    windowBytes: policy.windowBytes,
    ...shared != null && { shared: shared.stats() }
  }
}

/** Of the disk, and of the shared level where the disk is well */
export function cacheHealth ({ health: { health } }: CacheParts, { shared }: { shared?: Pick<SharedTier, 'health'> }): CacheHealth {
  return health.state === 'ok' ? shared?.health() ?? health : health
}
