import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto'

/** 256 bits, in a form that fits a header and a shell */
export function newToken (): string {
  return randomBytes(32).toString('base64url')
}

/** Compares in a time that tells nothing about where two tokens differ, or how long they are */
export function sameToken (a: string, b: string): boolean {
  const digest = (text: string): Uint8Array => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(a), digest(b))
}

/** The token of an `Authorization: Bearer …` header */
export function bearerToken (header: string | undefined): string | undefined {
  return /^bearer +([\w.~+/=-]{1,512}) *$/i.exec(header ?? '')?.[1]
}

/** A question that nobody was asked before */
export function newNonce (): string {
  return randomBytes(32).toString('base64url')
}

/** As long as ours, or what another program makes up; bounded, since everybody may ask */
export function isNonce (text: string | null): text is string {
  return text != null && /^[\w-]{16,128}$/.test(text)
}

/**
 * Shows that somebody knows the token without telling it: the answer of the
 * node at `url` to a nonce. With the address in it, a stranger who passes the
 * question on to the node gets an answer that fits the node's address only.
 */
export function tokenProof (token: string, url: string, nonce: string): string {
  return createHmac('sha256', token).update(`portolan control hello\n${url}\n${nonce}`).digest('base64url')
}
