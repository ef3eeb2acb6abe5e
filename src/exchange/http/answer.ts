import { printable } from './printable.ts'
import type { HttpResponse } from '../../interface/http-transport.ts'
import type { Outcome } from '../../interface/outcome.ts'

/** What an answer's head means, before a byte of its body is read */
export type Answer =
  | { readonly kind: 'block', readonly announced?: number }
  | { readonly kind: 'failure', readonly outcome: Exclude<Outcome, 'delivered'>, readonly why: string }

/**
 * Types under which a raw block may travel: the one the trustless gateway
 * specification demands, those of plain file servers, and none. Any other type
 * (a captive portal's HTML, a JSON error, a CAR) is not what was asked for.
 */
const RAW_TYPES: readonly string[] = ['application/vnd.ipld.raw', 'application/octet-stream', 'binary/octet-stream']

const REDIRECTS: readonly number[] = [300, 301, 302, 303, 305, 307, 308]
const OVERLOADED: readonly number[] = [429, 502, 503, 504]

/** What an answer's head means for a request for a CAR */
export type CarAnswer =
  | { readonly kind: 'car' }
  /** It has no CARs to give: nothing to hold against it, and, where it makes none at all, no reason to ask again soon */
  | { readonly kind: 'no-cars', readonly why: string, readonly lasting: boolean }
  | Extract<Answer, { kind: 'failure' }>

/** How servers say that they do not make this format: not acceptable, unsupported type, not implemented */
const NO_SUCH_FORMAT: readonly number[] = [406, 415, 501]

/** It may be the format, or this file, or the range */
const BAD_REQUEST = 400

/**
 * Judges status, type, encoding and length of an answer to a request for one raw block.
 *
 * @param base what the request was sent to, for relative redirect targets
 */
export function judge (response: HttpResponse, maxBytes: number, base: URL): Answer {
  return response.status === 200 ? judgeBlock(response, maxBytes) : judgeStatus(response, base)
}

/** The same for a request for a CAR: whoever answers it with something else just does not make any */
export function judgeCar (response: HttpResponse, base: URL): CarAnswer {
  const { status, headers, decoded } = response

  if (NO_SUCH_FORMAT.includes(status)) {
    return { kind: 'no-cars', why: `answered ${status}: makes no CARs`, lasting: true }
  }

  if (status === BAD_REQUEST) {
    return { kind: 'no-cars', why: `answered ${status}: makes no CAR of this`, lasting: false }
  }

  if (status !== 200) {
    return judgeStatus(response, base)
  }

  const type = headers.get('content-type') ?? ''

  if (essence(type) !== 'application/vnd.ipld.car') {
    return { kind: 'no-cars', why: `answered 200 with content-type "${printable(type)}" instead of a CAR`, lasting: true }
  }

  const encoding = headers.get('content-encoding')

  return decoded || encoding === undefined || encoding.trim().toLowerCase() === 'identity'
    ? { kind: 'car' }
    : { kind: 'failure', outcome: 'invalid', why: `answered 200 with content-encoding "${printable(encoding)}" although none was accepted` }
}

function judgeStatus ({ status, headers }: HttpResponse, base: URL): Extract<Answer, { kind: 'failure' }> {
  const failure = (outcome: Exclude<Outcome, 'delivered'>, why: string): Extract<Answer, { kind: 'failure' }> => ({ kind: 'failure', outcome, why })

  if (status === 404 || status === 412) {
    return failure('not-here', `answered ${status}: does not have the block`)
  }

  if (OVERLOADED.includes(status)) {
    return failure('overloaded', `answered ${status}: overloaded`)
  }

  if (REDIRECTS.includes(status)) {
    return failure('refused', `answered ${status}: redirects to ${target(headers.get('location'), base)}, which is not followed`)
  }

  // a slow request is a broken connection's fault, or the server's hurry; no answer about the block
  if (status === 408 || (status >= 500 && status < 600)) {
    return failure('unreachable', `answered ${status}: failed to serve the request`)
  }

  if (status >= 400 && status < 500) {
    return failure('refused', `answered ${status}: refused the request`)
  }

  return failure('invalid', `answered ${status}, which is no answer to a request for a whole block`)
}

function judgeBlock ({ headers, decoded }: HttpResponse, maxBytes: number): Answer {
  const invalid = (why: string): Answer => ({ kind: 'failure', outcome: 'invalid', why: `answered 200 with ${why}` })
  const type = headers.get('content-type')

  if (type !== undefined && !RAW_TYPES.includes(essence(type))) {
    return invalid(`content-type "${printable(type)}" instead of a raw block`)
  }

  if (decoded) {
    return { kind: 'block' }
  }

  const encoding = headers.get('content-encoding')

  if (encoding !== undefined && encoding.trim().toLowerCase() !== 'identity') {
    return invalid(`content-encoding "${printable(encoding)}" although none was accepted`)
  }

  const length = headers.get('content-length')

  if (length === undefined) {
    return { kind: 'block' }
  }

  if (!/^\d+$/.test(length)) {
    return invalid(`content-length "${printable(length)}", which is no number`)
  }

  // digits beyond 2^53 lose precision, not their being too large
  const announced = Number(length)

  return announced > maxBytes
    ? invalid(`a content-length of ${printable(length)} bytes, more than the ${maxBytes} allowed`)
    : { kind: 'block', announced }
}

/** A media type without its parameters */
function essence (type: string): string {
  return (type.split(';', 1)[0] ?? '').trim().toLowerCase()
}

function target (location: string | undefined, base: URL): string {
  if (location === undefined) {
    return 'nowhere'
  }

  const url = URL.parse(location, base)

  // scheme and host say who would have been asked; the path is the provider's to fill with anything
  return url === null ? `"${printable(location)}"` : printable(url.host === '' ? url.protocol : `${url.protocol}//${url.host}`)
}
