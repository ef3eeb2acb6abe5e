import { PRIVACY_REPORT_PATH } from '../gateway/privacy-control.ts'
import { monitorInit, reportTokens } from '../config/report-options.ts'
import { PrivacyMonitor } from '../privacy/monitor.ts'
import { undiciWebhookRequest } from '../privacy/webhook-undici-egress.ts'
import { PrivacyReportService } from '../privacy/report/report-service.ts'
import { timelineOf } from '../privacy/report/report-timeline.ts'
import type { CommandContext } from './command.ts'
import type { OperatorLog } from './logger.ts'
import type { Portolan } from '../portolan.ts'

export interface NodeReports {
  readonly monitor: PrivacyMonitor
  readonly service: PrivacyReportService
}

/** What a node that serves tells of its privacy: reports at the control endpoint, and alerts, which its operator reads too */
export async function nodeReports ({ config, clock }: Pick<CommandContext, 'config' | 'clock'>, node: Pick<Portolan, 'privacy' | 'helia'>, { log }: { log: OperatorLog }): Promise<NodeReports> {
  const { logger } = node.helia
  const analyzer = { analyze: () => node.privacy.analyze() }
  const monitor = new PrivacyMonitor(analyzer, { ...monitorInit(config.values), clock, logger, ledger: node.privacy.ledger, request: undiciWebhookRequest })
  const service = new PrivacyReportService({ analyzer, clock, logger }, {
    tokens: await reportTokens(config.values),
    context: () => ({ history: monitor.history, timeline: timelineOf(node.privacy.collector.observations()) })
  })

  monitor.addEventListener('alert', ({ detail: { riskScore, risks } }) => {
    const [worst] = risks
    log.warn(`the privacy risk is ${riskScore.toFixed(2)}${worst == null ? '' : `, for one: ${worst.title}`}; ${PRIVACY_REPORT_PATH} at the control endpoint says more`)
  })
  return { monitor, service }
}
