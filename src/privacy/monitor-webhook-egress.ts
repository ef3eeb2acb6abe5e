import { errorName } from './error-name.ts'
import type { Disclosure } from '../interface/disclosure.ts'

export interface WebhookPost {
  readonly url: URL
  /** JSON */
  readonly body: string
  readonly signal: AbortSignal
  /** Throws an AddressRefusedError for an address that the name in the URL must not lead to: whoever resolves it asks before they connect */
  readonly checkAddress: (address: string) => void
}

export interface WebhookAnswer {
  readonly status: number
  /** The header, as it came */
  readonly retryAfter?: string
}

/** Asks once: settles the disclosure, as sent when the head of the answer is there, resolves with that, and leaves nothing open */
export type WebhookRequest = (post: WebhookPost, disclosure: Disclosure) => Promise<WebhookAnswer>

/** Failures that come before a connection stands */
const BEFORE_WRITING = new Set(['ENOTFOUND', 'EAI_AGAIN', 'ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'EADDRNOTAVAIL', 'UND_ERR_CONNECT_TIMEOUT', 'ENODATA', 'AddressRefusedError'])

/** Sends one POST: follows no redirect, sends no credentials, and reads nothing of the answer but its head */
export async function postWebhook (post: WebhookPost, disclosure: Disclosure, request: WebhookRequest = byFetch): Promise<WebhookAnswer> {
  try {
    post.signal.throwIfAborted()
  } catch (err) {
    disclosure.notSent()
    throw err
  }
  try {
    const { status, retryAfter } = await request(post, disclosure)
    if (!Number.isInteger(status)) {
      throw new TypeError('a request needs a status in what it resolves with')
    }
    return { status, retryAfter: typeof retryAfter === 'string' ? retryAfter : undefined }
  } finally {
    // where a request of somebody else's left it open; what is settled stays as it is
    disclosure.unknown()
  }
}

/** Settles the disclosure of a request that failed */
export function webhookFailed (err: unknown, disclosure: Disclosure): void {
  if (BEFORE_WRITING.has(failureCode(err))) {
    disclosure.notSent()
  } else {
    disclosure.unknown()
  }
}

/** Whatever the platform has, which does not say what a name leads to */
const byFetch: WebhookRequest = async ({ url, body, signal }: WebhookPost, disclosure: Disclosure) => {
  const response = await fetch(url, {
    method: 'POST',
    // there is one in five minutes: a connection that is kept would outlive the monitor
    headers: { 'content-type': 'application/json', connection: 'close' },
    body,
    signal,
    redirect: 'manual',
    credentials: 'omit',
    referrerPolicy: 'no-referrer',
    cache: 'no-store'
  }).catch((err: unknown) => {
    webhookFailed(err, disclosure)
    throw err
  })
  disclosure.sent()
  // fails only where the body broke already, and then there is nothing left to cancel
  await response.body?.cancel().then(undefined, () => undefined)
  return { status: response.status, retryAfter: response.headers.get('retry-after') ?? undefined }
}

/** What `fetch` wraps in a TypeError. Never throws, and never says more than a code or a name: foreign code throws anything */
export function failureCode (err: unknown): string {
  const { code, cause } = (err ?? {}) as { readonly code?: unknown, readonly cause?: unknown }
  const [first] = cause instanceof AggregateError ? cause.errors as unknown[] : [cause]
  const inner = (first as { readonly code?: unknown } | null | undefined)?.code
  return typeof inner === 'string' ? inner : typeof code === 'string' ? code : errorName(err)
}
