/** What a Range header asks of a representation of a known size */
export type RangeRequest =
  | { readonly kind: 'whole' }
  | { readonly kind: 'part', readonly first: number, readonly last: number }
  | { readonly kind: 'unsatisfiable' }

const WHOLE: RangeRequest = { kind: 'whole' }

/** Longer numbers lie beyond every file, and beyond what a number holds exactly */
const MAX_DIGITS = 15

/**
 * Reads a Range header (RFC 9110, section 14.2). Another unit, a malformed
 * header and several ranges mean the whole, as the RFC allows: sending
 * everything is always a right answer.
 */
export function parseRange (header: string | undefined, size: number): RangeRequest {
  const match = /^\s*bytes\s*=\s*(\d*)\s*-\s*(\d*)\s*$/i.exec(header ?? '')
  const [, from = '', to = ''] = match ?? []

  if (match == null || (from === '' && to === '') || from.length > MAX_DIGITS || to.length > MAX_DIGITS) {
    return WHOLE
  }
  if (from === '') {
    const length = Math.min(Number(to), size)
    return length === 0 ? { kind: 'unsatisfiable' } : { kind: 'part', first: size - length, last: size - 1 }
  }

  const first = Number(from)
  const last = to === '' ? size - 1 : Math.min(Number(to), size - 1)

  if (to !== '' && Number(to) < first) {
    return WHOLE
  }
  return first >= size ? { kind: 'unsatisfiable' } : { kind: 'part', first, last }
}

/** Whether an If-None-Match header names the entity tag (weak comparison, RFC 9110, section 8.8.3.2) */
export function namesETag (header: string | undefined, etag: string): boolean {
  if (header == null) {
    return false
  }
  if (header.trim() === '*') {
    return true
  }
  const opaque = (tag: string): string => tag.replace(/^W\//, '')
  return Array.from(header.matchAll(/(?:W\/)?"[^"]*"/g), match => opaque(match[0])).includes(opaque(etag))
}

/** Whether an If-Range header lets a Range count: only the strong tag does, dates never match content that has no date */
export function allowsRange (header: string | undefined, etag: string): boolean {
  return header == null || header.trim() === etag
}
