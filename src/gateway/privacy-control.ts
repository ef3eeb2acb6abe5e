import { HttpError } from './http-error.ts'
import { sendText } from './respond.ts'
import type { Exchange } from './server.ts'

/** What a control endpoint needs of a service for privacy reports */
export interface PrivacyReports {
  handle (request: {
    token?: string
    role?: 'admin'
    client?: string
    format?: string
    accept?: string
    raw?: boolean
    verbose?: boolean
    width?: number
  }): { readonly status: number, readonly headers: Readonly<Record<string, string>>, readonly body: string }
}

export const PRIVACY_REPORT_PATH = '/api/privacy/report'

/**
 * Answers `/api/privacy/report?format=NAME&raw=1&verbose=1&width=COLUMNS`. Who has the token of the node is an admin; all
 * others need a token for reports.
 */
export function answerPrivacyReport (exchange: Exchange, reports: PrivacyReports, { token, operator }: { token: string | undefined, operator: boolean }): void {
  const { method, query, request, response, client } = exchange

  if (method === 'POST') {
    throw new HttpError(405, `${PRIVACY_REPORT_PATH} is for GET.`, { headers: { allow: 'GET, HEAD' } })
  }
  const answer = reports.handle({
    ...operator ? { role: 'admin' } : { token },
    client,
    format: query.get('format') ?? undefined,
    accept: request.headers.accept,
    raw: query.get('raw') === '1',
    verbose: query.get('verbose') === '1',
    width: query.has('width') ? Number(query.get('width')) : undefined
  })

  if (answer.status !== 401 && answer.status !== 429) {
    exchange.trust()
  }
  sendText(response, answer.status, answer.body, answer.headers)
}
