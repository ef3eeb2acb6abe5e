import { cacheKey } from '../key.ts'
import type { SharedTier } from './shared-tier.ts'
import type { CacheParts } from '../cache-parts.ts'
import type { DiskTier } from '../disk/disk-tier.ts'
import type { AbortOptions } from '@libp2p/interface'
import type { CID } from 'multiformats/cid'

/** A block that came from the shared level stays in memory: the disk is for what came from further away */
export async function readShared (shared: SharedTier | undefined, { counts, memory, disk }: CacheParts, cid: CID, options?: AbortOptions): Promise<Uint8Array | undefined> {
  const bytes = await shared?.get(cid.multihash.bytes, options)

  if (bytes != null) {
    counts.hit('shared', bytes.byteLength)
    memory.set(cacheKey(cid), bytes, disk.find(cid.multihash.bytes))
  }
  return bytes
}

/** Somebody was given a block from here. A hot one is for the other nodes, too, unless it is the user's own. */
export function shareHit (shared: SharedTier | undefined, disk: DiskTier, slot: number, cid: CID, bytes: Uint8Array): void {
  if (shared != null && (slot === -1 || (disk.kind(slot) === 'fetched' && disk.find(cid.multihash.bytes) === slot))) {
    shared.offer(cid.multihash.bytes, bytes)
  }
}
