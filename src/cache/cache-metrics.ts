import type { BlockCache, CacheExpert, CacheStats } from '../interface/cache.ts'
import type { CalculatedMetrics, Metrics } from '../interface/metrics.ts'

const EXPERTS: readonly CacheExpert[] = ['recent', 'worthy', 'frequent', 'interval', 'learned']

/** Registers what `stats()` of a cache says; names are listed in docs/metrics.md. Read when scraped. */
export function cacheMetrics (metrics: Metrics, cache: Pick<BlockCache, 'stats'>): void {
  const registry = metrics as unknown as CalculatedMetrics
  let last = cache.stats()
  // whoever scrapes goes on when the cache is closed
  const stats = (): CacheStats => {
    try {
      last = cache.stats()
    } catch (err) {
      if ((err as Error).name !== 'CacheClosedError') {
        throw err
      }
    }
    return last
  }
  const gauge = (name: string, help: string, pick: (now: CacheStats) => number): void => {
    registry.registerMetric(name, { help, calculate: () => pick(stats()) })
  }
  const group = (name: string, label: string, help: string, pick: (now: CacheStats) => Readonly<Record<string, number>>): void => {
    registry.registerMetricGroup(name, { label, help, calculate: () => ({ ...pick(stats()) }) })
  }

  group('portolan_cache_hits_total', 'tier', 'Reads that the cache could answer, by tier', now => now.hits)
  group('portolan_cache_hit_bytes_total', 'tier', 'Bytes of these blocks, by tier', now => now.hitBytes)
  gauge('portolan_cache_misses_total', 'Reads that it could not answer, and blocks that came because somebody missed them', now => now.misses)
  gauge('portolan_cache_hit_ratio', 'Hits of all reads since the cache was opened', now => now.hitRatio ?? NaN)
  group('portolan_cache_tier_hit_ratio', 'tier', 'What each tier adds to the hit ratio', now => ({ ...now.hitRatios }))
  group('portolan_cache_tier_byte_hit_ratio', 'tier', 'What each tier adds to the byte hit ratio', now => ({ ...now.byteHitRatios }))
  gauge('portolan_cache_byte_hit_ratio', 'Bytes of hits of all bytes that were asked for since the cache was opened', now => now.byteHitRatio ?? NaN)
  gauge('portolan_cache_admitted_total', 'Fetched blocks that were kept', now => now.admitted)
  gauge('portolan_cache_declined_total', 'Fetched blocks that were not worth what they would have displaced', now => now.declined)
  gauge('portolan_cache_joined_total', 'Writes of blocks that were there or being written', now => now.joined)
  gauge('portolan_cache_evicted_total', 'Fetched blocks that went because room was needed', now => now.evicted)
  gauge('portolan_cache_evicted_bytes_total', 'Their bytes', now => now.evictedBytes)
  gauge('portolan_cache_deleted_total', 'Blocks that somebody deleted', now => now.deleted)
  gauge('portolan_cache_quarantined_total', 'Blocks that were damaged on disk; never served', now => now.quarantined)
  gauge('portolan_cache_skipped_writes_total', 'Fetched blocks that were not kept because of the disk', now => now.skippedWrites)
  gauge('portolan_cache_slowed_writes_total', 'Writers that waited for room', now => now.slowedWrites)
  gauge('portolan_cache_max_bytes', 'What the files of the cache may take', now => now.maxBytes)
  gauge('portolan_cache_disk_bytes', 'What they take', now => now.diskBytes)
  gauge('portolan_cache_memory_bytes', 'Blocks in memory, overhead included', now => now.memoryBytes)
  gauge('portolan_cache_transit_bytes', 'Blocks in memory only because they came seconds ago', now => now.transitBytes)
  gauge('portolan_cache_pinned_bytes', 'Fetched blocks that would have gone if they were not pinned', now => now.pinnedBytes)
  group('portolan_cache_leader', 'expert', '1 for the one that the policy follows', now => Object.fromEntries(EXPERTS.map(expert => [expert, expert === now.leader ? 1 : 0])))
  gauge('portolan_cache_window_bytes', 'Where newcomers are let in without asking what they are worth', now => now.windowBytes)
  group('portolan_cache_blocks', 'kind', 'Blocks on disk, by kind', now => now.blocks)
  group('portolan_cache_shared_total', 'event', 'What came of reads and writes of the shared level', now => ({ ...now.shared }))
  group('portolan_cache_block_bytes', 'kind', 'Their bytes, by kind', now => now.bytes)
}
