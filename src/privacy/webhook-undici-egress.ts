import { Agent, request } from 'undici'
import { webhookFailed } from './monitor-webhook-egress.ts'
import type { WebhookPost, WebhookRequest } from './monitor-webhook-egress.ts'
import type { Disclosure } from '../interface/disclosure.ts'

/**
 * Asks over a connection of its own, and ends that with the request: for `PrivacyMonitor({ request })` on Node.
 *
 * The `fetch` of Node opens another connection to the same host when a request is given up or its answer is not read to its
 * end, sends nothing over it, and keeps it for four seconds: a receiver sees one more than there were messages.
 *
 * @example
 * ```ts
 * import { PrivacyMonitor, undiciWebhookRequest } from 'portolan/privacy'
 * import type { PrivacyAnalyzer } from 'portolan/privacy'
 *
 * const watch = (analyzer: PrivacyAnalyzer): PrivacyMonitor => new PrivacyMonitor(analyzer, { webhook: 'https://alerts.example/', request: undiciWebhookRequest })
 * ```
 */
export const undiciWebhookRequest: WebhookRequest = async ({ url, body, signal }: WebhookPost, disclosure: Disclosure) => {
  const agent = new Agent({ connections: 1, pipelining: 1 })
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
