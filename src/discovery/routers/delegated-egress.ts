import { TransportError } from '../../interface/http-transport.ts'
import type { Disclosure } from '../../interface/disclosure.ts'
import type { HttpRequest, HttpResponse, HttpTransport } from '../../interface/http-transport.ts'

/**
 * Sends one request to a router, and once more when a kept connection turns out to
 * have died meanwhile. The transport settles what was disclosed.
 *
 * @param disclose - called for each request, before it
 */
export async function askRouter (transport: HttpTransport, init: HttpRequest, disclose: () => Disclosure): Promise<HttpResponse> {
  try {
    return await transport.request(init, disclose())
  } catch (err) {
    if (!(err instanceof TransportError && err.stale) || init.signal.aborted) {
      throw err
    }
    return transport.request(init, disclose())
  }
}
