import { InvalidOptionError } from '../../interface/errors.ts'
import { TransportError } from '../../interface/http-transport.ts'
import { addressPolicy } from '../../provider/address.ts'
import { beforeAsking, transportError } from './failure.ts'
import { portOf } from './port.ts'
import type { Disclosure } from '../../interface/disclosure.ts'
import type { HttpRequest, HttpResponse, HttpTransport } from '../../interface/http-transport.ts'
import type { AddressPolicy } from '../../provider/address.ts'

export interface FetchTransportInit {
  /**
   * Which addresses may be asked. Only literal addresses can be checked: where
   * `fetch` is all there is, nobody but the platform sees what a name resolves to.
   * @default public ones only
   */
  policy?: AddressPolicy
  /** @default the platform's */
  fetch?: typeof globalThis.fetch
  /**
   * Whether the platform decompresses bodies without being asked to: browsers do,
   * and do not let a page refuse.
   * @default found out
   */
  decodes?: boolean
}

/**
 * HTTP over `fetch`, for browsers. The platform pools, resolves and connects, and
 * says little about what failed: a request without an answer is disclosed as
 * `unknown` unless the platform says that no connection came about.
 *
 * @example
 * ```ts
 * const fetcher = httpBlockFetcher({ transport: fetchTransport(), policy: addressPolicy() })
 * ```
 */
export function fetchTransport (init: FetchTransportInit = {}): HttpTransport {
  const policy = init.policy ?? addressPolicy()
  const fetch = init.fetch ?? globalThis.fetch

  if (typeof fetch !== 'function') {
    throw new InvalidOptionError('fetch must be a function: this platform has none, so pass one')
  }

  const decodes = init.decodes ?? !canRefuseEncodings()

  return {
    async request (request, disclosure) {
      const { url, headers, signal } = request

      try {
        signal.throwIfAborted()
        policy.check(url.hostname, portOf(url))
      } catch (error) {
        disclosure.notSent()
        throw error
      }

      // connecting cannot be seen, so its time counts toward the first byte
      request.onConnected()
      const response = await ask(async () => fetch(url, {
        headers,
        signal,
        // `error` would not tell a redirect from a failure
        redirect: 'manual',
        credentials: 'omit',
        referrerPolicy: 'no-referrer',
        cache: 'no-store'
      }), request, disclosure)

      if (response.type === 'opaqueredirect') {
        throw new TransportError('redirect', 'redirects, which is not followed')
      }

      return new FetchedResponse(response, signal, decodes)
    }
  }
}

async function ask (fetch: () => Promise<Response>, { signal }: HttpRequest, disclosure: Disclosure): Promise<Response> {
  try {
    const response = await fetch()
    disclosure.sent()
    return response
  } catch (error) {
    const failure = transportError(error, 'asked')

    if (beforeAsking(failure.failure)) {
      disclosure.notSent()
    } else {
      disclosure.unknown()
    }
    throw signal.aborted ? signal.reason as Error : failure
  }
}

class FetchedResponse implements HttpResponse {
  readonly #response: Response
  readonly #signal: AbortSignal
  readonly #reader?: ReadableStreamDefaultReader<Uint8Array>
  readonly status: number
  readonly decoded: boolean
  readonly body: AsyncIterable<Uint8Array>

  constructor (response: Response, signal: AbortSignal, decoded: boolean) {
    this.#response = response
    this.#signal = signal
    this.#reader = response.body?.getReader()
    this.status = response.status
    this.decoded = decoded
    this.body = { [Symbol.asyncIterator]: () => this.#iterate() }
  }

  readonly headers = {
    get: (name: string): string | undefined => this.#response.headers.get(name) ?? undefined
  }

  discard (): void {
    // fails only when the body broke already, and then there is nothing left to cancel
    this.#reader?.cancel().then(undefined, () => undefined)
  }

  #iterate (): AsyncIterator<Uint8Array> {
    return {
      next: async () => {
        try {
          const result = await this.#reader?.read()

          return result === undefined || result.done
            ? { done: true, value: undefined }
            : { done: false, value: result.value }
        } catch (error) {
          throw this.#signal.aborted ? this.#signal.reason as Error : transportError(error, 'body')
        }
      },
      return: async () => {
        this.discard()
        return { done: true, value: undefined }
      }
    }
  }
}

/** Browsers drop an `accept-encoding` that a page sets, and decompress whatever comes */
function canRefuseEncodings (): boolean {
  return new Request('http://localhost/', { headers: { 'accept-encoding': 'identity' } }).headers.has('accept-encoding')
}
