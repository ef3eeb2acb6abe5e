import type { CacheStats, CacheTier } from '../interface/cache.ts'

type Source = CacheTier | 'transit'

/** Requests that were not answered are told apart by the hash of their key, so many at a time */
const RECENT_MISSES = 8_192

/** What `stats()` says about the time since the cache was opened */
export class CacheCounts {
  readonly hits: Record<Source, number> = { memory: 0, disk: 0, shared: 0, transit: 0 }
  readonly hitBytes: Record<Source, number> = { memory: 0, disk: 0, shared: 0, transit: 0 }
  misses = 0
  #missedBytes = 0
  #sized = 0
  admitted = 0
  declined = 0
  joined = 0
  evicted = 0
  evictedBytes = 0
  deleted = 0
  quarantined = 0
  skippedWrites = 0
  slowedWrites = 0
  readonly #recent = new Uint32Array(RECENT_MISSES)

  hit (source: Source, bytes: number): void {
    this.hits[source]++
    this.hitBytes[source] += bytes
  }

  /** Somebody read a block that is not here */
  miss (hash: number): void {
    this.misses++
    this.#recent[hash % RECENT_MISSES] = hash
  }

  /** The same block is about to come once more, for the same reader */
  again (hash: number): void {
    this.#recent[hash % RECENT_MISSES] = hash
  }

  /**
   * A fetched block has come: somebody missed it. Helia asks `has` and goes to the network without a read, so most
   * misses are seen here first.
   *
   * @returns whether it was not counted before
   */
  came (hash: number, bytes: number): boolean {
    const at = hash % RECENT_MISSES
    const known = this.#recent[at] === hash
    this.#recent[at] = 0
    this.#missedBytes += bytes
    this.#sized++
    if (!known) {
      this.misses++
    }
    return !known
  }

  /** No block comes after all for somebody who missed it */
  nowhere (hash: number): void {
    const at = hash % RECENT_MISSES
    this.misses += this.#recent[at] === hash ? 0 : 1
    this.#recent[at] = 0
  }

  ratios (): Pick<CacheStats, 'hitRatio' | 'byteHitRatio' | 'hitRatios' | 'byteHitRatios'> {
    const { memory, disk, shared, transit } = this.hits
    const hits = memory + disk + shared + transit
    const hitBytes = this.hitBytes.memory + this.hitBytes.disk + this.hitBytes.shared + this.hitBytes.transit
    const requests = hits + this.misses

    if (requests === 0) {
      return {}
    }
    const mean = hits + this.#sized === 0 ? 0 : (hitBytes + this.#missedBytes) / (hits + this.#sized)
    const bytes = hitBytes + this.#missedBytes + mean * Math.max(0, this.misses - this.#sized)
    return {
      hitRatio: hits / requests,
      hitRatios: parts(this.hits, requests),
      ...bytes > 0 ? { byteHitRatio: hitBytes / bytes, byteHitRatios: parts(this.hitBytes, bytes) } : {}
    }
  }
}

function parts ({ memory, disk, shared, transit }: Readonly<Record<Source, number>>, all: number): Record<Source, number> {
  return { memory: memory / all, disk: disk / all, shared: shared / all, transit: transit / all }
}
