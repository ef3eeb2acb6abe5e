import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import * as Digest from 'multiformats/hashes/digest'
import type { DiskTier } from './disk/disk-tier.ts'

/** Of the block in a slot, with the codec that any block may have; undefined when it has gone meanwhile */
export async function cidOf (disk: DiskTier, slot: number): Promise<CID | undefined> {
  const multihash = await disk.multihash(slot)
  return disk.find(multihash) === slot ? CID.createV1(raw.code, Digest.decode(multihash)) : undefined
}
