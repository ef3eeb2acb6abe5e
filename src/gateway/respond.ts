import { HttpError } from './http-error.ts'
import type { Clock } from '../interface/clock.ts'
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from './server.ts'

/** Written at once: small enough that a slow client shows progress within a stall timeout */
const SLICE = 65_536

/** Sends a text and ends the answer */
export function sendText (response: ServerResponse, status: number, text: string, headers: OutgoingHttpHeaders = {}): void {
  const body = new TextEncoder().encode(text)

  response.writeHead(status, {
    'content-type': 'text/plain; charset=utf-8',
    'content-length': body.byteLength,
    'x-content-type-options': 'nosniff',
    'cache-control': 'no-store',
    ...headers
  })
  // node:http leaves the body out of the answer to a HEAD
  response.end(body)
}

export function sendJson (response: ServerResponse, status: number, value: unknown, headers: OutgoingHttpHeaders = {}): void {
  sendText(response, status, `${JSON.stringify(value, undefined, 2)}\n`, { 'content-type': 'application/json', ...headers })
}

export function sendError (request: IncomingMessage, response: ServerResponse, error: HttpError): void {
  sendText(response, error.status, `${error.status} ${error.message}\n`, { ...error.headers, ...(hasBody(request) ? { connection: 'close' } : {}) })
}

/** Whether a request announces a body, which nothing here reads */
export function hasBody ({ headers }: IncomingMessage): boolean {
  return (headers['content-length'] ?? '0') !== '0' || headers['transfer-encoding'] != null
}

export interface BodyOptions {
  signal: AbortSignal
  clock: Clock
  /** How long the client may take no bytes */
  stallTimeout: number
  /** The promised Content-Length; another amount breaks the connection */
  length?: number
  /** Sends the head; called with the first chunk at hand, so that a failure before it still has a status of its own */
  head: () => void
}

/**
 * Writes chunks as fast as the client takes them, and asks for the next one
 * only then. Throws when the client left, stalled, or the bytes are not as
 * many as promised; the source is closed in every case.
 */
export async function sendBody (response: ServerResponse, chunks: AsyncIterable<Uint8Array>, options: BodyOptions): Promise<number> {
  const { length, signal, head } = options
  let sent = 0

  for await (const chunk of chunks) {
    signal.throwIfAborted()
    if (length != null && sent + chunk.byteLength > length) {
      throw new HttpError(502, `The content is longer than the ${length} bytes it declares.`)
    }
    if (!response.headersSent) {
      head()
    }
    for (let at = 0; at < chunk.byteLength; at += SLICE) {
      const slice = chunk.subarray(at, at + SLICE)
      sent += slice.byteLength
      if (!response.write(slice)) {
        await drained(response, options)
      }
    }
  }
  if (length != null && sent !== length) {
    throw new HttpError(502, `The content ended after ${sent} of ${length} bytes.`)
  }
  if (!response.headersSent) {
    head()
  }
  response.end()
  return sent
}

async function drained (response: ServerResponse, options: BodyOptions): Promise<void> {
  const { clock, signal, stallTimeout } = options
  signal.throwIfAborted()

  await new Promise<void>((resolve, reject) => {
    const settle = (err?: Error): void => {
      cancel()
      response.off('drain', onDrain)
      signal.removeEventListener('abort', onAbort)
      err == null ? resolve() : reject(err)
    }
    const onDrain = (): void => { settle() }
    const onAbort = (): void => { settle(signal.reason as Error) }
    const cancel = clock.schedule(stallTimeout, () => {
      settle(new HttpError(408, `the client took no bytes for ${stallTimeout} ms`))
    })
    response.on('drain', onDrain)
    signal.addEventListener('abort', onAbort, { once: true })
  })
}
