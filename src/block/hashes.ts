import { blake2b } from '@noble/hashes/blake2.js'
import { blake3 } from '@noble/hashes/blake3.js'
import { keccak_256, sha3_224, sha3_256, sha3_384, sha3_512 } from '@noble/hashes/sha3.js'
import { sha1 } from 'multiformats/hashes/sha1'
import { sha256, sha512 } from 'multiformats/hashes/sha2'

/** A hash function and the digests that may be asked of it */
export interface Algorithm {
  readonly name: string
  /** Its multicodec */
  readonly code: number
  /** The longest digest it gives; a CID with a longer one can match nothing. Absent when unknown. */
  readonly maxDigest?: number
  /** The digest, at least `length` bytes of it where the function can */
  hash (bytes: Uint8Array, length: number): Uint8Array | Promise<Uint8Array>
}

/** blake3 gives digests of any length; the network's own check (boxo's verifcid) stops at 128 bytes */
const MAX_BLAKE3_DIGEST = 128
/** Bytes of a blake3 digest unless more are asked for */
export const BLAKE3_DIGEST = 32

export const BLAKE3_CODE = 0x1e
export const SHA1_CODE = 0x11
export const SHA256_CODE = 0x12
export const IDENTITY_CODE = 0x00

function fixed (name: string, code: number, maxDigest: number, hash: (bytes: Uint8Array) => Uint8Array | Promise<Uint8Array>): Algorithm {
  return { name, code, maxDigest, hash }
}

/** Hash functions that bytes are trusted by */
export const strongAlgorithms: readonly Algorithm[] = [
  // multiformats picks node:crypto or WebCrypto: an order of magnitude faster than JavaScript
  fixed('sha2-256', SHA256_CODE, 32, (bytes) => sha256.encode(bytes)),
  fixed('sha2-512', 0x13, 64, (bytes) => sha512.encode(bytes)),
  fixed('dbl-sha2-256', 0x56, 32, (bytes) => {
    const once = sha256.encode(bytes)
    return once instanceof Uint8Array ? sha256.encode(once) : once.then((digest) => sha256.encode(digest))
  }),
  fixed('sha3-224', 0x17, 28, (bytes) => sha3_224(bytes)),
  fixed('sha3-256', 0x16, 32, (bytes) => sha3_256(bytes)),
  fixed('sha3-384', 0x15, 48, (bytes) => sha3_384(bytes)),
  fixed('sha3-512', 0x14, 64, (bytes) => sha3_512(bytes)),
  fixed('keccak-256', 0x1b, 32, (bytes) => keccak_256(bytes)),
  fixed('blake2b-256', 0xb220, 32, (bytes) => blake2b(bytes, { dkLen: 32 })),
  {
    name: 'blake3',
    code: BLAKE3_CODE,
    maxDigest: MAX_BLAKE3_DIGEST,
    hash: (bytes, length) => blake3(bytes, { dkLen: Math.max(length, BLAKE3_DIGEST) })
  }
]

/** Broken for collisions: an attacker can make two blocks of one CID. Only for those who must read old git objects. */
export const sha1Algorithm: Algorithm = fixed('sha1', SHA1_CODE, 20, (bytes) => sha1.encode(bytes))
