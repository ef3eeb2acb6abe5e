import { sha256 } from '@noble/hashes/sha2.js'

/** Where something is in a Kademlia keyspace: the SHA-256 of a multihash or of a peer id's bytes */
export function keyOf (bytes: Uint8Array): Uint8Array {
  return sha256(bytes)
}

/** Leading bits that two keys share: 256 for equal ones */
export function sharedPrefix (a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < a.length; i++) {
    const difference = (a[i] ?? 0) ^ (b[i] ?? 0)

    if (difference !== 0) {
      return i * 8 + Math.clz32(difference) - 24
    }
  }

  return a.length * 8
}

/** Negative when `a` is nearer to the target by XOR than `b` */
export function compareDistance (target: Uint8Array, a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < target.length; i++) {
    const difference = ((a[i] ?? 0) ^ (target[i] ?? 0)) - ((b[i] ?? 0) ^ (target[i] ?? 0))

    if (difference !== 0) {
      return difference
    }
  }

  return 0
}
