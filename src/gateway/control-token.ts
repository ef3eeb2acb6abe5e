import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'

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
