import { retryAfter } from '../../clock/retry-after.ts'
import { RouterFailedError } from '../../interface/errors.ts'
import { TransportError } from '../../interface/http-transport.ts'
import { quote } from '../../interface/quote.ts'
import type { RouterFailureKind } from '../../interface/errors.ts'
import type { HttpResponse, TransportFailure } from '../../interface/http-transport.ts'

/** What an answer's head means */
export type AnswerHead =
  | { readonly kind: 'lines' | 'document' | 'nobody' | 'unchanged' }
  | { readonly kind: 'failure', readonly error: RouterFailedError }

/** Nobody asks a router more often than once a second because it said so */
const LEAST_RETRY_AFTER = 1_000

/** Of foreign text inside a sentence */
const MAX_QUOTED = 80

const OVERLOADED: readonly number[] = [429, 502, 503, 504]

const KINDS: Record<TransportFailure, RouterFailureKind> = {
  dns: 'unreachable',
  connect: 'unreachable',
  tls: 'unreachable',
  lost: 'unreachable',
  network: 'unreachable',
  truncated: 'invalid',
  protocol: 'invalid',
  redirect: 'refused'
}

/**
 * Judges status, type and encoding of an answer of the delegated routing API.
 *
 * @param conditional - whether it may say that nothing has changed
 */
export function judgeAnswer (response: HttpResponse, { router, wall, conditional }: { readonly router: string, readonly wall: number, readonly conditional: boolean }): AnswerHead {
  const { status, headers } = response
  const failure = (kind: RouterFailureKind, message: string, wait?: number): AnswerHead => ({ kind: 'failure', error: new RouterFailedError(router, kind, message, { status, retryAfter: wait }) })

  if (status === 200) {
    return judgeContent(response, failure)
  }

  // since IPIP-513 an empty list; 404 is how older servers say it
  if (status === 404) {
    return { kind: 'nobody' }
  }
  if (status === 304 && conditional) {
    return { kind: 'unchanged' }
  }
  if (OVERLOADED.includes(status)) {
    const asked = retryAfter(headers.get('retry-after'), wall)
    const wait = asked == null ? undefined : Math.max(LEAST_RETRY_AFTER, asked)
    return failure('overloaded', `it answered ${status}: overloaded${wait == null ? '' : `, and wants to be left alone for ${Math.ceil(wait / 1000)} s`}`, wait)
  }
  if (status >= 300 && status < 400) {
    return failure('refused', `it answered ${status}: redirects to ${quote(headers.get('location') ?? '', MAX_QUOTED)}, which is not followed; name the router that is meant`)
  }
  if (status === 408 || status >= 500) {
    return failure('unreachable', `it answered ${status}: failed to serve the request`)
  }
  return failure('refused', `it answered ${status}: refused the request`)
}

/** What stopped a request below the status of an answer. Undefined for what is nobody's failure: closing the transport. */
export function failureOf (router: string, err: unknown): RouterFailedError | undefined {
  if (err instanceof RouterFailedError) {
    return err
  }
  if (err instanceof TransportError) {
    return new RouterFailedError(router, KINDS[err.failure], err.message, { cause: err })
  }

  const { name, message } = err as Error

  return name === 'NotRunningError'
    ? undefined
    : new RouterFailedError(router, name === 'AddressRefusedError' ? 'refused' : 'unreachable', quote(message, 300).slice(1, -1), { cause: err })
}

/** Whether a failure is the router's and not the request's: it is refused a CID for what the CID is */
export function countsAgainst ({ kind, status }: RouterFailedError): boolean {
  return kind !== 'busy' && kind !== 'resting' && status !== 400 && status !== 422
}

function judgeContent ({ headers, decoded }: HttpResponse, failure: (kind: RouterFailureKind, message: string) => AnswerHead): AnswerHead {
  const type = headers.get('content-type') ?? ''
  const encoding = headers.get('content-encoding')?.trim().toLowerCase()

  if (!decoded && encoding != null && encoding !== '' && encoding !== 'identity') {
    return failure('invalid', `it answered 200 with content-encoding ${quote(encoding, MAX_QUOTED)} although none was accepted`)
  }

  switch ((type.split(';', 1)[0] ?? '').trim().toLowerCase()) {
    case 'application/x-ndjson':
      return { kind: 'lines' }
    case 'application/json':
      return { kind: 'document' }
    default:
      return failure('invalid', `it answered 200 with content-type ${quote(type, MAX_QUOTED)} instead of a list of providers`)
  }
}
