import { createHash } from 'node:crypto'

/** A sha2-256 multihash has 34 bytes, in 4-byte words 36. Longer ones are known by their sha2-256, and by their length */
export const KEY_BYTES = 36
const DIGEST_BYTES = 32

/** What a block is known by in memory and in sidecars: the multihash itself where it fits, and zeros */
export function writeKey (key: Uint8Array, multihash: Uint8Array): void {
  if (multihash.byteLength > KEY_BYTES) {
    key.set(createHash('sha256').update(multihash).digest())
    key.fill(0, DIGEST_BYTES)
  } else {
    key.set(multihash)
    key.fill(0, multihash.byteLength)
  }
}
