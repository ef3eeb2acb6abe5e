import { toString } from 'uint8arrays/to-string'
import { HashMismatchError, UnacceptableHashError } from '../interface/errors.ts'
import { quote } from '../interface/quote.ts'
import type { Algorithm } from './hashes.ts'
import type { CID } from 'multiformats/cid'

/** Throws when the digest of the bytes is not that of the CID */
export function compare (cid: CID, algorithm: Algorithm, bytes: Uint8Array, digest: Uint8Array): void {
  const expected = cid.multihash.digest

  if (digest.byteLength < expected.byteLength) {
    throw new UnacceptableHashError(`The CID ${quote(cid)} has ${expected.byteLength} bytes of ${algorithm.name} digest, which has only ${digest.byteLength}`)
  }

  // here: a call for 32 bytes takes longer than they do
  for (let i = 0; i < expected.byteLength; i++) {
    if (digest[i] !== expected[i]) {
      throw mismatch(cid, bytes, `its ${algorithm.name} is ${hex(digest.subarray(0, expected.byteLength))}, it should be ${hex(expected)}`)
    }
  }
}

export function mismatch (cid: CID, bytes: Uint8Array, detail: string): HashMismatchError {
  const what = bytes.byteLength === 0 ? 'No bytes came (0, an empty block)' : `The ${bytes.byteLength} bytes are the wrong ones`

  return new HashMismatchError(`${what} for ${quote(cid)}: ${detail}`)
}

/** Our own failure (WebCrypto outside a secure context, a broken hasher): the bytes may well be right */
export function unhashed (algorithm: Algorithm, cause: unknown): UnacceptableHashError {
  return new UnacceptableHashError(`The hash function ${algorithm.name} failed, so nothing can be said about the bytes`, { cause })
}

function hex (digest: Uint8Array): string {
  return toString(digest, 'base16')
}
