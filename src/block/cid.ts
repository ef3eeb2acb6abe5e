import { base16, base16upper } from 'multiformats/bases/base16'
import { base32, base32upper } from 'multiformats/bases/base32'
import { base36, base36upper } from 'multiformats/bases/base36'
import { base58btc } from 'multiformats/bases/base58'
import { base64url } from 'multiformats/bases/base64'
import { CID } from 'multiformats/cid'
import { InvalidCIDError } from '../interface/errors.ts'
import { quote, reason } from '../interface/quote.ts'
import { SHA256_CODE } from './hashes.ts'

/**
 * Characters of a CID string. The longest useful one, an identity CID of 128
 * bytes in base16, has 269; twice that leaves room to say "its hash is not
 * acceptable" rather than "too long", and keeps base58, which is quadratic, cheap.
 */
export const MAX_CID_LENGTH = 512

// base64 proper is left out: its alphabet has a slash, which here always means a path
const decoder = base32.decoder
  .or(base58btc.decoder)
  .or(base36.decoder)
  .or(base16.decoder)
  .or(base16upper.decoder)
  .or(base32upper.decoder)
  .or(base36upper.decoder)
  .or(base64url.decoder)

/**
 * Reads a CID from a string (base32, base36, base58btc, base16, base64url) or a CID object, also one
 * of another copy of multiformats. Whatever else it is given, it throws an
 * `InvalidCIDError` that says what was wrong, and no other error.
 */
export function parseCID (value: unknown): CID {
  try {
    return typeof value === 'string' ? fromString(value) : fromObject(value)
  } catch (err) {
    if (err instanceof InvalidCIDError) {
      throw err
    }

    // the decoder quotes its whole input back: cut that too
    throw new InvalidCIDError(`${quote(value)} is not a CID${typeof value === 'string' ? `${likeness(value)} (${reason(err)})` : `: ${reason(err)}`}`, { cause: err })
  }
}

/** How those begin that people copy */
const BEGINNING = /^(?:Qm|baf|BAF|zdj|zb2|k5|k2|f01|F01|uA)/
/** Characters: the decoder knows the base of what is as long as this and begins with the letter of one, and words are shorter */
const LONG = 32

/** The decoder's words are about bytes: what whoever pasted it wants to know is whether it was one */
function likeness (text: string): string {
  return BEGINNING.test(text) || (text.length >= LONG && /^[QbzkfFBKu][\w-]+$/.test(text)) ? ': cut off or mistyped' : ', which looks like bafybei... or Qm...'
}

function fromString (value: string): CID {
  if (value === '') {
    throw new InvalidCIDError('The CID is empty')
  }

  if (value.length > MAX_CID_LENGTH) {
    throw new InvalidCIDError(`${quote(value)} is not a CID: it has ${value.length} characters, at most ${MAX_CID_LENGTH} are read`)
  }

  if (value.includes('/')) {
    throw new InvalidCIDError(`${quote(value)} is a path or a URL, not a CID: pass the CID alone`)
  }

  if (value.trim() !== value) {
    throw new InvalidCIDError(`${quote(value)} is not a CID: there is white space around it`)
  }

  return sound(value.startsWith('Q') ? CID.parse(value) : CID.parse(value, decoder), value)
}

function fromObject (value: unknown): CID {
  const cid = CID.asCID(value as CID)

  if (cid == null) {
    throw new InvalidCIDError(`${quote(value)} is not a CID: expected a string or a CID object, got ${nameOf(value)}`)
  }

  if (value instanceof CID) {
    // built by our own class: only a hand-made one can be unsound
    return sound(cid, value)
  }

  // the bytes are the truth; the fields beside them were set by code we do not know
  return sound(CID.decode(cid.bytes), value)
}

function sound (cid: CID, value: unknown): CID {
  if (!(cid.bytes instanceof Uint8Array) || !(cid.multihash?.digest instanceof Uint8Array) || !(cid.multihash.bytes instanceof Uint8Array)) {
    throw new InvalidCIDError(`${quote(value)} is not a CID: it has no multihash`)
  }

  if (!Number.isSafeInteger(cid.code) || !Number.isSafeInteger(cid.multihash.code)) {
    throw new InvalidCIDError(`${quote(value)} is not a CID: its codec or hash code is larger than any that exists`)
  }

  // written as bytes it would be something else, or nothing
  if (cid.version === 0 && (cid.multihash.code !== SHA256_CODE || cid.multihash.digest.byteLength !== 32)) {
    throw new InvalidCIDError(`${quote(value)} is not a CID: one of version 0 is a SHA-256`)
  }

  return cid
}

function nameOf (value: unknown): string {
  if (value === null) {
    return 'null'
  }

  return Array.isArray(value) ? 'an array' : value instanceof Uint8Array ? 'bytes (decode them with CID.decode)' : `a value of type ${typeof value}`
}
