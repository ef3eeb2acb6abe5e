import { promiseRead } from './cache-parts.ts'
import { shareHit } from './shared/share.ts'
import type { CacheParts } from './cache-parts.ts'
import type { DiskReads } from './disk-reads.ts'
import type { CacheKey } from './key.ts'
import type { SharedTier } from './shared/shared-tier.ts'
import type { CID } from 'multiformats/cid'

/** A block was read from disk, for somebody who asked for it */
export function diskHit ({ disk, counts, residents }: CacheParts, shared: SharedTier | undefined, cid: CID, slot: number, bytes: Uint8Array): void {
  // not if it was evicted while it was read
  if (disk.find(cid.multihash.bytes) === slot) {
    residents.hit(slot)
  }
  counts.hit('disk', bytes.byteLength)
  shareHit(shared, disk, slot, cid, bytes)
}

/** A block on disk that the system has in memory, for somebody who asks for it; undefined when it is not there, or has to be waited for */
export function promptHit (parts: CacheParts, shared: SharedTier | undefined, reads: DiskReads, cid: CID, key: CacheKey): Uint8Array | undefined {
  const slot = parts.disk.find(cid.multihash.bytes)
  const bytes = slot === -1 ? undefined : reads.readNow(cid, key, slot)

  if (bytes != null) {
    promiseRead(parts, slot)
    diskHit(parts, shared, cid, slot, bytes)
  }
  return bytes
}
