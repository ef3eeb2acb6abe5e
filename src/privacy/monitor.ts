import { raceSignal } from '../clock/race-signal.ts'
import { systemRandom } from '../clock/random.ts'
import { systemClock } from '../clock/system-clock.ts'
import { InvalidOptionError } from '../interface/errors.ts'
import { errorName } from './error-name.ts'
import { decideAlert } from './monitor-alerts.ts'
import { monitorParams } from './monitor-params.ts'
import { Webhook } from './monitor-webhook.ts'
import { nullLedger } from './null-ledger.ts'
import { plainReport, redactReport } from './report/redact-report.ts'
import { plainJson } from './report/plain-text.ts'
import { CAVEAT, sortedRisks } from './report/report-words.ts'
import { slackFormat } from './report/slack-format.ts'
import type { AlertReason, AlertState } from './monitor-alerts.ts'
import type { PrivacyMonitorInit, PrivacyMonitorParams } from './monitor-params.ts'
import type { WebhookStatistics } from './monitor-webhook.ts'
import type { Clock } from '../interface/clock.ts'
import type { Logger } from '../interface/logger.ts'
import type { CollectorStatistics, PrivacyReport, PrivacyReportData, Risk } from '../interface/privacy.ts'

/** What makes the reports that are looked at: a PrivacyAnalyzer */
export interface MonitoredAnalyzer {
  analyze (): PrivacyReport | Promise<PrivacyReport>
}

export interface PrivacyAlert {
  /** Wall clock, in ms */
  readonly timestamp: number
  readonly riskScore: number
  /** Worst first; redacted unless the monitor is `raw` */
  readonly risks: readonly Risk[]
  readonly reason: AlertReason
}

/** One check: what a chart is drawn from */
export interface MonitorCheck {
  /** Wall clock, in ms */
  readonly timestamp: number
  readonly riskScore: number
  readonly risks: number
  readonly highRisks: number
  readonly criticalRisks: number
  /** Questions that too little was seen for */
  readonly insufficient: number
  readonly alerted: boolean
}

/** Plain JSON */
export interface MonitorStatistics {
  readonly running: boolean
  readonly totalChecks: number
  /** Those of them that ended in an error */
  readonly failedChecks: number
  readonly totalAlerts: number
  /** Of the last report; absent before the first */
  readonly currentStats?: CollectorStatistics & { readonly riskScore: number, readonly highRisks: number, readonly criticalRisks: number }
  readonly lastAlert?: PrivacyAlert
  readonly lastCheck?: MonitorCheck
  readonly webhook?: WebhookStatistics
}

export interface PrivacyMonitorEvents {
  alert: CustomEvent<PrivacyAlert>
  check: CustomEvent<MonitorCheck>
  failure: CustomEvent<Error>
}

/** An `EventTarget` that knows what is told */
export interface MonitorEventTarget {
  addEventListener<K extends keyof PrivacyMonitorEvents> (type: K, listener: ((event: PrivacyMonitorEvents[K]) => void) | null, options?: AddEventListenerOptions | boolean): void
  removeEventListener<K extends keyof PrivacyMonitorEvents> (type: K, listener: ((event: PrivacyMonitorEvents[K]) => void) | null, options?: EventListenerOptions | boolean): void
  dispatchEvent (event: Event): boolean
}

const MonitorEvents = EventTarget as new () => MonitorEventTarget

/** Risks in one alert: more are in the report */
const MAX_RISKS = 50
/** Milliseconds for one analysis: sixty times what the largest takes */
const CHECK_TIMEOUT = 60_000

/**
 * Looks at reports again and again, and tells when the risk is above a threshold: as events and, redacted, to a webhook.
 *
 * An alert is given when the score goes above the threshold, when it rises by 0.1 over the score that was told last, and
 * once in `repeatMs` while it stays above. The first check is at the start.
 *
 * @example
 * ```ts
 * import { PrivacyMonitor } from 'portolan/privacy'
 * import type { PrivacyAnalyzer } from 'portolan/privacy'
 *
 * function watch (analyzer: PrivacyAnalyzer): PrivacyMonitor {
 *   const monitor = new PrivacyMonitor(analyzer, { checkIntervalMs: 60_000, riskThreshold: 0.5 })
 *   monitor.addEventListener('alert', ({ detail }) => { console.log(detail.riskScore, detail.risks[0]?.title) })
 *   monitor.start()
 *   return monitor // await monitor.stop()
 * }
 * ```
 */
export class PrivacyMonitor extends MonitorEvents {
  readonly #analyzer: MonitoredAnalyzer
  readonly #params: PrivacyMonitorParams
  readonly #clock: Clock
  readonly #raw: boolean
  readonly #log?: Logger
  readonly #webhook?: Webhook
  readonly #history: MonitorCheck[] = []
  #alerting: AlertState
  #isRunning = false
  /** Of all that is under way; another one after each stop */
  #life = new AbortController()
  #cancelTimer?: () => void
  #checking?: Promise<PrivacyReport>
  #totalChecks = 0
  #failedChecks = 0
  #totalAlerts = 0
  #lastAlert?: PrivacyAlert
  #currentStats?: MonitorStatistics['currentStats']

  constructor (analyzer: MonitoredAnalyzer, init: PrivacyMonitorInit = {}) {
    super()
    if (typeof analyzer?.analyze !== 'function') {
      throw new InvalidOptionError('a monitor needs an analyzer: something with a function analyze')
    }
    this.#params = monitorParams(init)
    const { clock = systemClock, random = systemRandom, ledger = nullLedger, logger, webhook, request, raw = false } = init
    this.#analyzer = analyzer
    this.#clock = clock
    this.#raw = raw
    this.#log = logger?.forComponent('portolan:privacy:monitor')
    this.#webhook = webhook == null ? undefined : new Webhook({ clock, random, ledger, log: this.#log, request }, webhook)
  }

  /** The last checks, oldest first */
  get history (): readonly MonitorCheck[] {
    return [...this.#history]
  }

  /** Idempotent */
  start (): void {
    if (!this.#isRunning) {
      this.#isRunning = true
      this.#next(0, this.#life.signal)
    }
  }

  /** Idempotent: gives up what is under way, and resolves when nothing of it is left */
  async stop (): Promise<void> {
    this.#life.abort(new DOMException('The monitor was stopped', 'AbortError'))
    this.#life = new AbortController()
    this.#isRunning = false
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
    // whoever starts it again wants to hear how things are
    this.#alerting = undefined
    await Promise.allSettled([this.#checking, this.#webhook?.idle()])
  }

  /** Checks now, or joins the check under way. Alerts go to the webhook only while the monitor runs. */
  async check (): Promise<PrivacyReport> {
    this.#checking ??= this.#check(this.#life.signal).finally(() => { this.#checking = undefined })
    return this.#checking
  }

  getStatistics (): MonitorStatistics {
    return {
      running: this.#isRunning,
      totalChecks: this.#totalChecks,
      failedChecks: this.#failedChecks,
      totalAlerts: this.#totalAlerts,
      currentStats: this.#currentStats,
      lastAlert: this.#lastAlert,
      lastCheck: this.#history.at(-1),
      webhook: this.#webhook?.statistics
    }
  }

  #next (ms: number, signal: AbortSignal): void {
    this.#cancelTimer = this.#clock.schedule(ms, () => {
      this.check().then(undefined, () => undefined).finally(() => {
        if (!signal.aborted) {
          this.#next(this.#params.checkIntervalMs, signal)
        }
      })
    })
  }

  async #check (life: AbortSignal): Promise<PrivacyReport> {
    using timeout = this.#clock.timeout(CHECK_TIMEOUT)

    try {
      const report = await raceSignal((async () => this.#analyzer.analyze())(), AbortSignal.any([life, timeout.signal]))
      this.#record(report, life)
      return report
    } catch (err) {
      if (!life.aborted) {
        this.#fail(err)
      }
      throw err
    }
  }

  #fail (err: unknown): void {
    this.#totalChecks++
    this.#failedChecks++
    // the message may hold what was observed
    this.#log?.error('a check failed: %s', errorName(err))
    this.dispatchEvent(new CustomEvent('failure', { detail: err instanceof Error ? err : new Error('the analyzer threw what is no Error', { cause: err }) }))
  }

  /** Counts and tells when all is worked out: an analyzer may be somebody else's, and a report that cannot be read is a check that failed */
  #record (report: PrivacyReport, life: AbortSignal): void {
    const { riskThreshold, repeatMs, historyLimit } = this.#params
    const data = report.toJSON()
    const { overallRiskScore: riskScore, risks, insufficient, statistics } = data
    if (typeof riskScore !== 'number') {
      throw new TypeError('a report needs an overallRiskScore that is a number')
    }
    const { state, reason } = decideAlert(this.#alerting, { score: riskScore, now: this.#clock.now(), riskThreshold, repeatMs })
    const timestamp = this.#clock.wall()
    const [highRisks, criticalRisks] = [report.highRisks().length, report.criticalRisks().length]
    const check: MonitorCheck = { timestamp, riskScore, risks: risks.length, highRisks, criticalRisks, insufficient: insufficient.length, alerted: reason != null }
    const told = reason == null ? undefined : this.#alert(data, timestamp, reason)

    this.#alerting = state
    this.#totalChecks++
    this.#currentStats = { ...statistics, riskScore, highRisks, criticalRisks }
    this.#history.push(check)
    this.#history.splice(0, this.#history.length - historyLimit)
    this.dispatchEvent(new CustomEvent('check', { detail: check }))

    if (told != null) {
      this.#tell(told.alert, told.body, life)
    }
  }

  #alert (report: PrivacyReportData, timestamp: number, reason: AlertReason): { alert: PrivacyAlert, body?: string } {
    const told = (this.#raw ? plainReport : redactReport)(report)
    const alert: PrivacyAlert = { timestamp, riskScore: report.overallRiskScore, risks: sortedRisks(told.risks).slice(0, MAX_RISKS), reason }
    return { alert, body: this.#webhook == null ? undefined : this.#body(redactReport(report), alert) }
  }

  #tell (alert: PrivacyAlert, body: string | undefined, life: AbortSignal): void {
    this.#totalAlerts++
    this.#lastAlert = alert
    this.#log?.('the risk score is %s, above %s (%s)', alert.riskScore.toFixed(2), this.#params.riskThreshold, alert.reason)
    if (this.#isRunning && body != null) {
      this.#webhook?.send(body, life)
    }
    this.dispatchEvent(new CustomEvent('alert', { detail: alert }))
  }

  /** Always redacted: the receiver is another party */
  #body (report: PrivacyReportData, { timestamp, riskScore, reason }: PrivacyAlert): string {
    if (this.#webhook?.format === 'slack') {
      return slackFormat.render(report, { title: 'risk above the threshold' })
    }
    const { source, window, insufficient } = report
    return plainJson({
      type: 'portolan-privacy-alert',
      version: 1,
      timestamp,
      riskScore,
      riskThreshold: this.#params.riskThreshold,
      reason,
      source,
      window,
      risks: sortedRisks(report.risks).slice(0, MAX_RISKS),
      insufficient: [...new Set(insufficient.map(({ kind }) => kind))],
      redacted: true,
      caveat: CAVEAT
    })
  }
}
