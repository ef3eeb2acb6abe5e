import type { SharedTier } from './shared-tier.ts'
import type { DiskTier } from '../disk/disk-tier.ts'
import type { CID } from 'multiformats/cid'

/** Somebody was given a block from here. A hot one is for the other nodes, too, unless it is the user's own. */
export function shareHit (shared: SharedTier | undefined, disk: DiskTier, slot: number, cid: CID, bytes: Uint8Array): void {
  if (shared != null && (slot === -1 || (disk.kind(slot) === 'fetched' && disk.find(cid.multihash.bytes) === slot))) {
    shared.offer(cid.multihash.bytes, bytes)
  }
}
