import { commonPrefixLength, kadKey } from './kad-key.ts'
import type { KadKey } from './kad-key.ts'
import type { Random } from '../../interface/clock.ts'

/** A hash takes a microsecond, so a search takes 250 ms at worst, and a few ms in a network of thousands */
const MAX_BITS = 15
/** Times the expected number: one search in 3 000 finds nothing */
const PATIENCE = 8

/**
 * Something whose key has exactly so many bits in common with ours, in the form
 * of a multihash (servers take no other for a peer's id). It names nothing that
 * anybody has. Undefined when none was found: the deepest buckets are in reach of
 * a walk towards ourselves.
 */
export function preimageAt (self: KadKey, depth: number, random: Random): Uint8Array | undefined {
  return search(depth + 1, random, key => commonPrefixLength(self, key) === depth)
}

/** The same, for a key that has these first bits */
export function preimageIn (region: KadKey, bits: number, random: Random): Uint8Array | undefined {
  return search(bits, random, key => commonPrefixLength(region, key) >= bits)
}

function search (bits: number, random: Random, fits: (key: KadKey) => boolean): Uint8Array | undefined {
  if (bits > MAX_BITS) {
    return undefined
  }
  const preimage = new Uint8Array(34)
  const view = new DataView(preimage.buffer)
  preimage.set([0x12, 0x20])

  for (let at = 2; at < 34; at += 4) {
    view.setUint32(at, Math.floor(random.next() * 2 ** 32))
  }
  for (let i = 0; i < PATIENCE * 2 ** bits; i++) {
    view.setUint32(2, i)
    if (fits(kadKey(preimage))) {
      return preimage
    }
  }
  return undefined
}
