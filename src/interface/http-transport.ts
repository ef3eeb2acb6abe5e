import type { Disclosure } from './disclosure.ts'

export interface HttpRequest {
  readonly url: URL
  readonly headers: Record<string, string>
  /** Aborting it ends the request on the wire at once, whatever it is waiting for */
  readonly signal: AbortSignal
  /**
   * Called when a connection is there and the request is about to be written: at
   * once on a pooled one, and at once where the platform hides connecting.
   */
  onConnected (): void
}

export interface HttpResponse {
  readonly status: number
  readonly headers: { get (name: string): string | undefined }
  /** Read once. Rejects with a TransportError when the answer breaks off, with the signal's reason when aborted. */
  readonly body: AsyncIterable<Uint8Array>
  /**
   * The platform may have decompressed the body on its own account (browsers do),
   * so that Content-Length and Content-Encoding say nothing about these bytes.
   */
  readonly decoded: boolean
  /**
   * Not interested in the rest: ends the request on the wire. A transport may read
   * out a short announced rest instead, bounded in bytes and time, to keep the connection.
   */
  discard (): void
}

/**
 * Sends one GET to one origin: follows no redirect, keeps no cookies, sends no
 * credentials, caches nothing.
 *
 * It settles the disclosure: `sent` once the request's bytes have left, `not-sent`
 * when it failed before any could, `unknown` when the connection broke around the write.
 */
export interface HttpTransport {
  /** Rejects with a TransportError, an AddressRefusedError, a NotRunningError, or the signal's reason */
  request (init: HttpRequest, disclosure: Disclosure): Promise<HttpResponse>
  close? (): Promise<void>
}

/**
 * - `dns`, `connect`, `tls`: no connection came about, nothing was asked
 * - `lost`: the connection broke
 * - `truncated`: the answer ended before the end it had announced
 * - `protocol`: what came back is not HTTP, or breaks its rules or our limits
 * - `redirect`: the platform only says that there was one
 * - `network`: the platform says no more than that it failed
 */
export type TransportFailure = 'dns' | 'connect' | 'tls' | 'lost' | 'truncated' | 'protocol' | 'redirect' | 'network'

export interface TransportErrorInit extends ErrorOptions {
  /** A kept-alive connection broke before one byte of an answer: the provider may be fine, ask once more */
  stale?: boolean
}

/** A request failed below HTTP's own status codes; `failure` says how */
export class TransportError extends Error {
  static override name = 'TransportError'
  override name = 'TransportError'
  readonly failure: TransportFailure
  readonly stale: boolean

  constructor (failure: TransportFailure, message: string, init: TransportErrorInit = {}) {
    super(message, init)
    this.failure = failure
    this.stale = init.stale ?? false
  }
}
