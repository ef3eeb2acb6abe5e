import { commonPrefixLength, kadKey } from './kad-key.ts'
import type { KadKey } from './kad-key.ts'
import type { Random } from '../../interface/clock.ts'

/** A hash takes a microsecond, so this is 30 ms at most; buckets as deep as that are in reach of a walk towards ourselves */
const MAX_DEPTH = 14
/** Times the expected number: one search in 3 000 finds nothing */
const PATIENCE = 8

/**
 * Something that hashes to a key with exactly so many bits in common with ours,
 * in the form of a multihash (servers take no other for a peer's id). It names
 * nothing that anybody has. Undefined when none was found.
 */
export function preimageAt (self: KadKey, depth: number, random: Random): Uint8Array | undefined {
  if (depth > MAX_DEPTH) {
    return undefined
  }
  const preimage = new Uint8Array(34)
  const view = new DataView(preimage.buffer)
  preimage.set([0x12, 0x20])

  for (let at = 2; at < 34; at += 4) {
    view.setUint32(at, Math.floor(random.next() * 2 ** 32))
  }
  for (let i = 0; i < PATIENCE * 2 ** (depth + 1); i++) {
    view.setUint32(2, i)
    if (commonPrefixLength(self, kadKey(preimage)) === depth) {
      return preimage
    }
  }
  return undefined
}
