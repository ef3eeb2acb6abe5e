import crypto from 'node:crypto'

/** Bytes of a digest */
const LENGTH = 32

/**
 * Node's hash in one call, which has it as text first: 0.7 us for 1 KiB, where the same call takes 1.2 for a buffer of its
 * own, and an object that is fed 1.2 to 1.7. Undefined on platforms that know the object only.
 */
export const nativeSha256 = typeof crypto.hash === 'function' ? inOneCall : undefined

function inOneCall (bytes: Uint8Array): Uint8Array {
  const text = crypto.hash('sha256', bytes, 'binary')
  const digest = new Uint8Array(LENGTH)

  for (let i = 0; i < LENGTH; i++) {
    digest[i] = text.charCodeAt(i)
  }
  return digest
}
