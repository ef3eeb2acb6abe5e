/** How long an answer may be used, in ms from when it came */
export interface Freshness {
  /** Without a word to the router */
  readonly fresh: number
  /** While it is being asked again */
  readonly whileRevalidating: number
  /** When asking it again failed */
  readonly ifError: number
}

interface Headers {
  get (name: string): string | undefined
}

/** Servers say five minutes of a list of providers; whoever says a year has set it for blocks */
export const MAX_FRESH = 3_600_000

/** A provider record lives for 48 h, and so do the words of those who pass them on */
export const MAX_STALE = 172_800_000

/** Servers say 15 s of an empty answer: somebody may be announcing it just now */
export const MAX_EMPTY_FRESH = 60_000

/** Characters of an entity tag: hashes have 64, and each is kept and sent back */
const MAX_TAG_LENGTH = 256

// RFC 9110, 8.8.3
const ENTITY_TAG = /^(?:W\/)?"[\x21\x23-\x7e]*"$/

/** RFC 9111, 5.2: a name, and a token or a quoted string */
const DIRECTIVE = /([a-z][a-z0-9-]*)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*)))?/gi

const NOTHING: Freshness = { fresh: 0, whileRevalidating: 0, ifError: 0 }

/**
 * What the head of an answer says about its use later (RFC 9111, RFC 5861), as a
 * cache of one node reads it; undefined when it must not be kept. An empty answer
 * is never used stale: nobody is a better answer than an old nobody.
 */
export function freshness (headers: Headers, empty: boolean): Freshness | undefined {
  const directives = cacheControl(headers.get('cache-control') ?? '')

  if (directives.has('no-store')) {
    return undefined
  }

  if (directives.has('no-cache')) {
    return NOTHING
  }

  const lifetime = seconds(directives.get('max-age'))
  const age = seconds(headers.get('age')?.trim())
  const left = Math.max(0, lifetime - age)
  // what a cache on the way has used up of the stale time is gone as well
  const overdue = Math.max(0, age - lifetime)
  const stale = (name: string): number => empty ? 0 : Math.min(MAX_STALE, Math.max(0, seconds(directives.get(name)) - overdue))

  return {
    fresh: Math.min(left, empty ? MAX_EMPTY_FRESH : MAX_FRESH),
    whileRevalidating: stale('stale-while-revalidate'),
    ifError: stale('stale-if-error')
  }
}

/** The entity tag of an answer, if it is one that can be sent back */
export function entityTag (value: string | undefined): string | undefined {
  const tag = value?.trim()
  return tag != null && tag.length <= MAX_TAG_LENGTH && ENTITY_TAG.test(tag) ? tag : undefined
}

/** Of a directive that is there twice the first counts */
function cacheControl (text: string): Map<string, string> {
  const directives = new Map<string, string>()

  for (const [, name = '', quoted, token] of text.matchAll(DIRECTIVE)) {
    const key = name.toLowerCase()

    if (!directives.has(key)) {
      directives.set(key, quoted ?? token ?? '')
    }
  }
  return directives
}

/** In ms; what is no number of seconds is none */
function seconds (text: string | undefined): number {
  return text != null && /^\d+$/.test(text) ? Number(text) * 1000 : 0
}
