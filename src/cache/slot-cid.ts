import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import * as Digest from 'multiformats/hashes/digest'
import type { DiskTier } from './disk/disk-tier.ts'

/**
 * Of the block in a slot, with the codec that any block may have; undefined when it has gone meanwhile
 *
 * @param inTime - what a long multihash that has to be read is waited for with
 */
export async function cidOf (disk: DiskTier, slot: number, inTime: (reading: Promise<Uint8Array>) => Promise<Uint8Array | undefined> = async reading => reading): Promise<CID | undefined> {
  const found = disk.multihash(slot)
  const multihash = found instanceof Uint8Array ? found : await inTime(found)
  return multihash != null && disk.find(multihash) === slot ? CID.createV1(raw.code, Digest.decode(multihash)) : undefined
}
