import { hmac } from '@noble/hashes/hmac.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { toString } from 'uint8arrays/to-string'

export type Identifier = 'observer' | 'subject' | 'request' | 'client'

/** As wide as the hash: nothing shorter is harder to guess, nothing longer helps */
const KEY_BYTES = 32

/** 128 bits: among a million names two collide with a chance of 1 in 10^26 */
const PSEUDONYM_BYTES = 16

/** One block of a retrieval comes up a few times in a row, a provider for hours; 300 KB */
const REMEMBERED = 2_000

const encoder = new TextEncoder()

/**
 * Names for names, by a key that exists in this object alone: the same name has
 * the same one as long as it lives, and nobody can ask for one afterwards, not
 * even by trying all CIDs there are.
 */
export class Pseudonyms {
  readonly #mac: ReturnType<typeof hmac.create>
  readonly #known = new Map<string, string>()

  constructor (key: Uint8Array = crypto.getRandomValues(new Uint8Array(KEY_BYTES))) {
    this.#mac = hmac.create(sha256, key)
  }

  /** What is one kind of name does not tell that it is also another */
  of (kind: Identifier, name: string): string {
    const text = `portolan:ledger:v1:${kind}:${name}`
    let pseudonym = this.#known.get(text)

    if (pseudonym == null) {
      pseudonym = toString(this.#mac.clone().update(encoder.encode(text)).digest().subarray(0, PSEUDONYM_BYTES), 'base64url')
      if (this.#known.size >= REMEMBERED) {
        this.#known.clear()
      }
      this.#known.set(text, pseudonym)
    }
    return pseudonym
  }
}
