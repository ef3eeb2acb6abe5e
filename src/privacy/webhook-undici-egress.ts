import { lookup as systemLookup } from 'node:dns/promises'
import { Agent, request } from 'undici'
import { permittedAddresses } from '../provider/permitted-addresses.ts'
import { webhookFailed } from './monitor-webhook-egress.ts'
import type { WebhookPost, WebhookRequest } from './monitor-webhook-egress.ts'
import type { Disclosure } from '../interface/disclosure.ts'
import type { LookupAddress } from 'node:dns'
import type { LookupFunction } from 'node:net'

/** The addresses of a host name, best first; settles the disclosure where there are none to connect to */
export type WebhookResolve = (hostname: string, disclosure: Disclosure) => Promise<readonly LookupAddress[]>

/** The machine's own resolver (`getaddrinfo`, so `/etc/hosts` counts) */
const systemResolve: WebhookResolve = async (hostname, disclosure) => {
  try {
    return await systemLookup(hostname, { all: true, order: 'verbatim' })
  } catch (err) {
    webhookFailed(err, disclosure)
    throw err
  }
}

/** `undiciWebhookRequest` with a resolver of one's own */
export function undiciWebhook (resolve: WebhookResolve): WebhookRequest {
  return async ({ url, body, signal, checkAddress }: WebhookPost, disclosure: Disclosure) => {
    const agent = new Agent({ connections: 1, pipelining: 1, connect: { lookup: checkedLookup(async hostname => resolve(hostname, disclosure), checkAddress) } })
    const end = (): void => { agent.destroy(signal.reason as Error).then(undefined, () => undefined) }
    signal.addEventListener('abort', end)

    try {
      const answer = await request(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body, dispatcher: agent, reset: true }).catch((err: unknown) => {
        webhookFailed(err, disclosure)
        throw err
      })
      disclosure.sent()
      const { 'retry-after': retryAfter } = answer.headers
      answer.body.on('error', () => {})
      return { status: answer.statusCode, retryAfter: typeof retryAfter === 'string' ? retryAfter : undefined }
    } finally {
      signal.removeEventListener('abort', end)
      await agent.destroy()
    }
  }
}

/**
 * Asks over a connection of its own, and ends that with the request: for `PrivacyMonitor({ request })` on Node. What a name
 * leads to is checked before it is dialled, and what was checked is what is dialled: nothing is sent into a private network
 * that nobody named.
 *
 * The `fetch` of Node does neither. It opens another connection to the same host when a request is given up or its answer is
 * not read to its end, sends nothing over it, and keeps it for four seconds: a receiver sees one more than there were messages.
 *
 * @example
 * ```ts
 * import { PrivacyMonitor, undiciWebhookRequest } from 'portolan/privacy'
 * import type { PrivacyAnalyzer } from 'portolan/privacy'
 *
 * const watch = (analyzer: PrivacyAnalyzer): PrivacyMonitor => new PrivacyMonitor(analyzer, { webhook: 'https://alerts.example/', request: undiciWebhookRequest })
 * ```
 */
export const undiciWebhookRequest: WebhookRequest = undiciWebhook(systemResolve)

/** Addresses that are refused are never dialled */
function checkedLookup (resolve: (hostname: string) => Promise<readonly LookupAddress[]>, check: WebhookPost['checkAddress']): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname).then(addresses => permittedAddresses(addresses, check, () => Object.assign(new Error('its name leads to no address'), { code: 'ENODATA' }))).then(
      addresses => {
        if (options.all === true) {
          callback(null, addresses)
        } else {
          callback(null, addresses[0].address, addresses[0].family)
        }
      },
      (err: NodeJS.ErrnoException) => { callback(err, []) }
    )
  }
}
