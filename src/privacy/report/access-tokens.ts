import { sha256 } from '@noble/hashes/sha2.js'
import { InvalidOptionError } from '../../interface/errors.ts'

/** `viewer` sees redacted reports, `admin` may ask for raw ones too */
export type ReportRole = 'viewer' | 'admin'

/** Who may see reports: a token, or the SHA-256 of one in hexadecimal, so that what is written down opens nothing */
export type ReportToken = { readonly role: ReportRole, readonly token: string } | { readonly role: ReportRole, readonly sha256: string }

/** 96 bits where it is random: nobody guesses it at the rate that is allowed */
export const MIN_TOKEN = 16
export const MAX_TOKEN = 512
/** Each is compared at every request */
const MAX_TOKENS = 256

const ROLES: readonly string[] = ['viewer', 'admin']
const DIGEST = /^[0-9a-f]{64}$/i
const encoder = new TextEncoder()

type Compare = (a: Uint8Array, b: Uint8Array) => boolean

export interface TokenHolder {
  readonly role: ReportRole
  /** Its place among the tokens: what limits are counted by, and all that a log may say */
  readonly index: number
}

/** Keeps digests only, and compares with all of them in a time that does not tell which one was near */
export class AccessTokens {
  readonly #holders: ReadonlyArray<{ readonly role: ReportRole, readonly digest: Uint8Array }>

  readonly #equal: Compare

  /** @param equal - how digests are compared, for tests that count */
  constructor (tokens: readonly ReportToken[], equal: Compare = equalDigests) {
    this.#equal = equal
    if (!Array.isArray(tokens) || tokens.length > MAX_TOKENS) {
      throw new InvalidOptionError(`tokens must be a list of at most ${MAX_TOKENS}`)
    }
    this.#holders = tokens.map((token, i) => ({ role: roleOf(token, i), digest: digestOf(token, i) }))

    this.#holders.forEach(({ digest }, i) => {
      if (this.#holders.some((other, j) => j < i && equalDigests(other.digest, digest))) {
        throw new InvalidOptionError(`token ${i + 1} is there twice: each role and person needs its own`)
      }
    })
  }

  /** Whose token it is; nothing when it is nobody's, or no text */
  holder (token: unknown): TokenHolder | undefined {
    const text = typeof token === 'string' ? token : ''
    const given = sha256(encoder.encode(text.slice(0, MAX_TOKEN + 1)))
    let found: TokenHolder | undefined

    // all of them, whichever it is
    this.#holders.forEach(({ role, digest }, index) => {
      found = this.#equal(given, digest) ? { role, index } : found
    })
    return text === '' || text.length > MAX_TOKEN ? undefined : found
  }
}

/** Looks at all bytes, wherever the first difference is */
export function equalDigests (a: Uint8Array, b: Uint8Array): boolean {
  let difference = a.length ^ b.length
  for (let i = 0; i < a.length; i++) {
    difference |= (a[i] ?? 0) ^ (b[i] ?? 0)
  }
  return difference === 0
}

/** Is it one that there is? Anything may be asked */
export function isRole (role: unknown): role is ReportRole {
  return ROLES.includes(role as string)
}

function roleOf ({ role }: ReportToken, i: number): ReportRole {
  if (!isRole(role)) {
    throw new InvalidOptionError(`the role of token ${i + 1} must be viewer or admin`)
  }
  return role
}

/** Errors say which one it is, and never what it is */
function digestOf (token: ReportToken, i: number): Uint8Array {
  if ('sha256' in token) {
    if (typeof token.sha256 !== 'string' || !DIGEST.test(token.sha256)) {
      throw new InvalidOptionError(`the sha256 of token ${i + 1} must be 64 hexadecimal digits`)
    }
    return Uint8Array.from(token.sha256.match(/../g) ?? [], pair => Number.parseInt(pair, 16))
  }
  if (typeof token.token !== 'string' || token.token.length < MIN_TOKEN || token.token.length > MAX_TOKEN || !/^[\w.~+/=-]+$/.test(token.token)) {
    throw new InvalidOptionError(`token ${i + 1} must have ${MIN_TOKEN} to ${MAX_TOKEN} letters, digits and . _ ~ + / = -, as fit a header`)
  }
  return sha256(encoder.encode(token.token))
}
