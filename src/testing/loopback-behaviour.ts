import { InvalidOptionError } from '../interface/errors.ts'
import type { Random } from '../interface/clock.ts'

/**
 * What a loopback provider does to a request:
 *
 * - `good`: serves what it has, answers 404 to the rest
 * - `slow`: as `good`, late and thinly
 * - `silent`: accepts the request and never answers
 * - `garbage`: wrong bytes of the right length
 * - `empty`: 200 with no bytes
 * - `truncated`: promises the whole block, breaks off in the middle
 * - `short`: a well-formed answer that holds only the first half
 * - `lying-length`: a Content-Length that has nothing to do with the body
 * - `endless`: a body that never ends
 * - `html`: 200 with a web page, as captive portals and broken proxies do
 * - `partial`: 404 for a share of the blocks
 * - `stalling`: half of the body, then nothing, the connection left open
 * - `flapping`: good for a while, then resets every connection for a while
 * - `rate-limited`: 429 with Retry-After
 * - `error`: 500, or the given status
 * - `refusing`: 403, or the given status
 * - `redirect`: 302 to `location`
 */
export type LoopbackFault = 'good' | 'slow' | 'silent' | 'garbage' | 'empty' | 'truncated' | 'short' | 'lying-length' | 'endless' |
  'html' | 'partial' | 'stalling' | 'flapping' | 'rate-limited' | 'error' | 'refusing' | 'redirect'

export interface LoopbackBehaviour {
  readonly kind: LoopbackFault
  /** Milliseconds before the first byte, or a range from which each request draws. @default 0, 500 for `slow` */
  readonly firstByte?: number | readonly [min: number, max: number]
  /** Bytes per second of each answer. @default unlimited, 262_144 for `slow` */
  readonly bytesPerSecond?: number
  /** The share of CIDs that the fault strikes, always the same ones for one seed; the others are served well. @default 1, 0.5 for `partial` */
  readonly share?: number
  /** CIDs (as `blockKey`) that are always served well, such as a root */
  readonly except?: ReadonlySet<string>
  /** `error`, `refusing`: the HTTP status */
  readonly status?: number
  /** `rate-limited`: sent as Retry-After, in ms, rounded up to seconds. @default 60_000 */
  readonly retryAfter?: number
  /** `lying-length`: the Content-Length claimed. @default twice the length of the body */
  readonly claims?: number
  /** `flapping`: milliseconds up, milliseconds down. @default [1000, 1000] */
  readonly period?: readonly [up: number, down: number]
  /** `redirect`: where to. @default `http://127.0.0.1:1/` */
  readonly location?: string
}

/** What to put on the wire for one request: decided at once, done later */
export type LoopbackAnswer =
  { readonly wire: 'nothing' } |
  { readonly wire: 'reset' } |
  {
    readonly wire: 'answer'
    readonly status: number
    readonly headers: Readonly<Record<string, string>>
    readonly body: Uint8Array
    /** Content-Length; absent: chunked */
    readonly length?: number
    /** After the body: end well, leave the connection open, break it, or start over for ever */
    readonly then: 'end' | 'hang' | 'reset' | 'repeat'
  }

// half a second is what a distant or overloaded gateway takes; 256 KiB/s makes a default-sized block take a second
const DEFAULT_SLOW_FIRST_BYTE = 500
const DEFAULT_SLOW_RATE = 262_144
const DEFAULT_PARTIAL_SHARE = 0.5
// what boxo's gateway sends with a 429
const DEFAULT_RETRY_AFTER = 60_000
const DEFAULT_PERIOD = [1000, 1000] as const
// nothing listens on port 1: who follows the redirect is refused, and noticed
const DEFAULT_LOCATION = 'http://127.0.0.1:1/'

const PAGE = new TextEncoder().encode('<!doctype html><html><title>Welcome</title><body>Please log in to use this network.</body></html>')

/** Fills in the defaults of a kind and checks the ranges, naming option, range and value */
export function loopbackBehaviour (behaviour: LoopbackFault | LoopbackBehaviour): LoopbackBehaviour {
  const init = typeof behaviour === 'string' ? { kind: behaviour } : behaviour
  const slow = init.kind === 'slow'
  const full: LoopbackBehaviour = {
    ...init,
    firstByte: init.firstByte ?? (slow ? DEFAULT_SLOW_FIRST_BYTE : 0),
    bytesPerSecond: init.bytesPerSecond ?? (slow ? DEFAULT_SLOW_RATE : Infinity),
    share: init.share ?? (init.kind === 'partial' ? DEFAULT_PARTIAL_SHARE : 1),
    retryAfter: init.retryAfter ?? DEFAULT_RETRY_AFTER
  }

  for (const ms of [full.firstByte ?? 0].flat()) {
    check('firstByte', ms, 0, 2 ** 31 - 1)
  }
  check('bytesPerSecond', full.bytesPerSecond, 1, Infinity)
  check('share', full.share, 0, 1)
  check('retryAfter', full.retryAfter, 0, Infinity)
  return full
}

function check (option: string, value: unknown, min: number, max: number): void {
  if (typeof value !== 'number' || !(value >= min && value <= max)) {
    throw new InvalidOptionError(`${option} of a loopback behaviour must be a number from ${min} to ${max}, got ${String(value)}`)
  }
}

/** Whether the fault strikes this block: by hash of seed and key, so always the same ones */
export function strikes (behaviour: LoopbackBehaviour, key: string, seed: number): boolean {
  if (behaviour.except?.has(key) === true) {
    return false
  }
  return fraction(`${seed}:${key}`) < (behaviour.share ?? 1)
}

/** FNV-1a with a final mix: spreads strings evenly over [0, 1) */
function fraction (text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  }
  hash = Math.imul(hash ^ (hash >>> 15), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32
}

export function firstByteDelay (behaviour: LoopbackBehaviour, random: Random): number {
  const delay = behaviour.firstByte ?? 0
  return typeof delay === 'number' ? delay : delay[0] + random.next() * (delay[1] - delay[0])
}

/** The answer to a request for a block that is there (`bytes`) or not */
export function answerFor (behaviour: LoopbackBehaviour, bytes: Uint8Array | undefined, context: { struck: boolean, elapsed: number, random: Random }): LoopbackAnswer {
  const kind = context.struck ? behaviour.kind : 'good'

  // what hides the block, or the lack of it, comes before looking at it
  switch (kind) {
    case 'silent':
      return { wire: 'nothing' }
    case 'flapping': {
      const [up, down] = behaviour.period ?? DEFAULT_PERIOD
      if (context.elapsed % (up + down) >= up) {
        return { wire: 'reset' }
      }
      break
    }
    case 'rate-limited':
      return text(429, 'too many requests', { 'retry-after': `${Math.ceil((behaviour.retryAfter ?? DEFAULT_RETRY_AFTER) / 1000)}` })
    case 'error':
      return text(behaviour.status ?? 500, 'internal error')
    case 'refusing':
      return text(behaviour.status ?? 403, 'not for you')
    case 'redirect':
      return text(302, 'over there', { location: behaviour.location ?? DEFAULT_LOCATION })
    case 'html':
      return { wire: 'answer', status: 200, headers: { 'content-type': 'text/html; charset=utf-8' }, body: PAGE, length: PAGE.byteLength, then: 'end' }
    default:
  }

  if (bytes == null || kind === 'partial') {
    return text(404, 'block not found')
  }

  const length = bytes.byteLength
  const half = bytes.subarray(0, length >> 1)
  const answer = { wire: 'answer', status: 200, headers: { 'content-type': 'application/vnd.ipld.raw' } } as const

  switch (kind) {
    case 'garbage': {
      const body = noise(length, context.random)
      // noise of the same seed may be the very block: wrong bytes must be wrong
      body.fill(~(bytes[0] ?? 0), 0, 1)
      return { ...answer, body, length, then: 'end' }
    }
    case 'empty':
      return { ...answer, body: new Uint8Array(0), length: 0, then: 'end' }
    case 'truncated':
      return { ...answer, body: half, length, then: 'reset' }
    case 'short':
      return { ...answer, body: half, length: half.byteLength, then: 'end' }
    case 'stalling':
      return { ...answer, body: half, length, then: 'hang' }
    case 'lying-length':
      return { ...answer, body: bytes, length: behaviour.claims ?? length * 2, then: 'reset' }
    case 'endless':
      return { ...answer, body: noise(16_384, context.random), then: 'repeat' }
    default:
      return { ...answer, body: bytes, length, then: 'end' }
  }
}

function text (status: number, message: string, headers: Record<string, string> = {}): LoopbackAnswer {
  const body = new TextEncoder().encode(`${message}\n`)
  return { wire: 'answer', status, headers: { 'content-type': 'text/plain; charset=utf-8', ...headers }, body, length: body.byteLength, then: 'end' }
}

function noise (length: number, random: Random): Uint8Array {
  const words = new Uint32Array(Math.ceil(length / 4))
  for (let i = 0; i < words.length; i++) {
    words[i] = random.next() * 2 ** 32
  }
  return new Uint8Array(words.buffer, 0, length)
}
