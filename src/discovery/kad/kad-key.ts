import { sha256 } from '@noble/hashes/sha2.js'
import { LRUCache } from 'lru-cache'
import { base58btc } from 'multiformats/bases/base58'

/** Where something is in the DHT: SHA-256 of the bytes that name it. 32 bytes; the distance of two is their XOR. */
export type KadKey = Uint8Array

/** Peers whose key is kept: a table is 1 280 at most, a lookup meets a few hundred. 100 bytes each. */
const MAX_CACHED = 8_192

const peerKeys = new LRUCache<string, KadKey>({ max: MAX_CACHED })

/** The key of a preimage: the multihash of a block, or the bytes of a peer id */
export function kadKey (preimage: Uint8Array): KadKey {
  return sha256(preimage)
}

/**
 * The bytes of a base58 peer id, which are a multihash.
 * Throws a `SyntaxError` when it is not base58.
 */
export function peerBytes (id: string): Uint8Array {
  return base58btc.baseDecode(id)
}

/** The key of a peer by its base58 id */
export function peerKey (id: string): KadKey {
  const known = peerKeys.get(id)

  if (known != null) {
    return known
  }

  const key = kadKey(peerBytes(id))
  peerKeys.set(id, key)
  return key
}

/** Below 0 when `a` is nearer to the target than `b` is */
export function compareDistance (target: KadKey, a: KadKey, b: KadKey): number {
  for (let i = 0; i < target.byteLength; i++) {
    const byte = target[i] as number
    const difference = ((a[i] as number) ^ byte) - ((b[i] as number) ^ byte)

    if (difference !== 0) {
      return difference
    }
  }

  return 0
}

/** Bits that both begin with: 0 to 256 */
export function commonPrefixLength (a: KadKey, b: KadKey): number {
  for (let i = 0; i < a.byteLength; i++) {
    const difference = (a[i] as number) ^ (b[i] as number)

    if (difference !== 0) {
      return 8 * i + Math.clz32(difference) - 24
    }
  }

  return 8 * a.byteLength
}
