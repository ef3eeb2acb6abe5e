import { InvalidOptionError } from '../interface/errors.ts'
import { PrivacyMonitor } from '../privacy/monitor.ts'
import { AccessTokens } from '../privacy/report/access-tokens.ts'
import { expand } from './file.ts'
import { readPrivateFile } from './private-file.ts'
import type { reportSchema } from './report-schema.ts'
import type { ConfigOf } from './schema.ts'
import type { PrivacyMonitorInit } from '../privacy/monitor-params.ts'
import type { ReportRole, ReportToken } from '../privacy/report/access-tokens.ts'

type Values = ConfigOf<typeof reportSchema> & { readonly 'routing.allowAddresses': readonly string[] }

/** The monitor as the configuration has it */
export function monitorInit (values: Values): Pick<PrivacyMonitorInit, 'checkIntervalMs' | 'riskThreshold' | 'webhook'> {
  const url = values['privacy.webhook']
  const format = values['privacy.webhookFormat']

  return {
    checkIntervalMs: values['privacy.checkInterval'],
    riskThreshold: values['privacy.riskThreshold'],
    ...url === '' ? {} : { webhook: { url, allow: values['routing.allowAddresses'], ...format === 'auto' ? {} : { format: format as 'json' | 'slack' } } }
  }
}

/** What can be known to be wrong before anything is opened */
export function checkMonitor (values: Values): void {
  // it checks all of its options when it is made, and does nothing before it is started
  new PrivacyMonitor({ analyze: () => { throw new InvalidOptionError('nothing is observed yet') } }, monitorInit(values)).getStatistics()
}

export function checkTokens (values: Values): void {
  if (values['privacy.tokens'].length > 0 && values['privacy.tokensFile'] !== '') {
    throw new InvalidOptionError('there are tokens and a file with some: leave privacy.tokens or privacy.tokensFile out')
  }
  new AccessTokens(values['privacy.tokens'].map(readToken)).holder(undefined)
}

/** Who may see reports. Errors say which line or entry it is, and never what is in it. */
export async function reportTokens (values: Values): Promise<ReportToken[]> {
  const path = values['privacy.tokensFile']

  if (path === '') {
    return values['privacy.tokens'].map(readToken)
  }
  const file = await readPrivateFile(expand(path))
  if (file == null) {
    throw new InvalidOptionError(`the file ${path} with the tokens for reports does not exist`)
  }
  if (file.loose) {
    throw new InvalidOptionError(`the file ${path} with the tokens for reports can be read by others: chmod 600 it, and change the tokens`)
  }
  return file.text.split('\n').map(line => line.trim()).filter(line => line !== '' && !line.startsWith('#')).map(readToken)
}

function readToken (text: string, i: number): ReportToken {
  const [, role, hashed, token] = /^(viewer|admin):(sha256:)?(.+)$/.exec(text) ?? []

  if (role == null || token == null) {
    throw new InvalidOptionError(`token ${i + 1} for reports must be viewer:TOKEN, admin:TOKEN or one of them with sha256:HEX for the token`)
  }
  return hashed == null ? { role: role as ReportRole, token } : { role: role as ReportRole, sha256: token }
}
