import crypto from 'node:crypto'

/** Bytes of a digest */
const LENGTH = 32

/**
 * Node's hash in one call, which has it as text first: 0.7 us for 1 KiB, where the same call takes 1.2 for a buffer of its
 * own, and an object that is fed 1.2 to 1.7. Undefined on platforms that know the object only.
 */
export const nativeSha256 = typeof crypto.hash === 'function' ? inOneCall : undefined

/** Whether a multihash ends in the digest of these bytes: as `nativeSha256`, without an array for it */
export const endsInSha256 = typeof crypto.hash === 'function' ? isAtEnd : undefined

function isAtEnd (multihash: Uint8Array, bytes: Uint8Array): boolean {
  const text = crypto.hash('sha256', bytes, 'binary')
  const at = multihash.byteLength - LENGTH
  let differences = 0

  for (let i = 0; i < LENGTH; i++) {
    differences |= text.charCodeAt(i) ^ (multihash[at + i] as number)
  }
  return differences === 0
}

function inOneCall (bytes: Uint8Array): Uint8Array {
  const text = crypto.hash('sha256', bytes, 'binary')
  const digest = new Uint8Array(LENGTH)

  for (let i = 0; i < LENGTH; i++) {
    digest[i] = text.charCodeAt(i)
  }
  return digest
}
