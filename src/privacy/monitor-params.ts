import { InvalidOptionError } from '../interface/errors.ts'
import { checkOptionNames } from '../interface/option-names.ts'
import type { WebhookRequest } from './monitor-webhook-egress.ts'
import type { WebhookInit } from './monitor-webhook.ts'
import type { Clock, Random } from '../interface/clock.ts'
import type { Ledger } from '../interface/disclosure.ts'
import type { ComponentLogger } from '../interface/logger.ts'

export interface PrivacyMonitorInit {
  /** Milliseconds from the end of one check to the next one. @default 300_000 */
  readonly checkIntervalMs?: number
  /** Scores above it are alerts, 0 to 1. @default 0.7 */
  readonly riskThreshold?: number
  /** Milliseconds after which a score that stays above the threshold is told again. @default 3_600_000 */
  readonly repeatMs?: number
  /** Checks that are remembered. @default 288 */
  readonly historyLimit?: number
  /** Where alerts are sent besides, redacted: a URL, or one with options. @default nowhere */
  readonly webhook?: string | WebhookInit
  /** How the webhook is asked; on Node `undiciWebhookRequest` leaves no connection behind that is given up. @default the platform's `fetch` */
  readonly request?: WebhookRequest
  /** Alerts that are events name peers, addresses and CIDs as they are. @default false */
  readonly raw?: boolean
  /** Where it is recorded what the webhook learns. @default nowhere */
  readonly ledger?: Ledger
  /** @default the machine's */
  readonly clock?: Clock
  /** @default the machine's */
  readonly random?: Random
  /** @default nothing is logged */
  readonly logger?: ComponentLogger
}

export interface PrivacyMonitorParams {
  readonly checkIntervalMs: number
  readonly riskThreshold: number
  readonly repeatMs: number
  readonly historyLimit: number
}

/** An analysis of a full collector takes up to a second of one core: a third of a percent of it */
const DEFAULT_CHECK_INTERVAL = 300_000
/** Where reports become red */
const DEFAULT_RISK_THRESHOLD = 0.7
/** Whoever heard of it an hour ago knows */
const DEFAULT_REPEAT = 3_600_000
/** A day of checks */
const DEFAULT_HISTORY = 288
/** Beyond it timers of the platform go off at once */
const MAX_DURATION = 2_147_483_647
const MAX_HISTORY = 100_000

const OPTIONS = Object.keys({
  checkIntervalMs: true, riskThreshold: true, repeatMs: true, historyLimit: true, webhook: true, request: true, raw: true, ledger: true, clock: true, random: true, logger: true
} satisfies Record<keyof PrivacyMonitorInit, true>)

/** Those of its webhook */
export const WEBHOOK_OPTIONS: readonly string[] = Object.keys({
  url: true, format: true, allow: true, timeoutMs: true, maxAttempts: true, maxWaiting: true
} satisfies Record<keyof WebhookInit, true>)

export function monitorParams (init: PrivacyMonitorInit): PrivacyMonitorParams {
  checkOptionNames('a monitor', init, OPTIONS, { deeper: WEBHOOK_OPTIONS.map(name => `webhook.${name}`) })
  const { checkIntervalMs = DEFAULT_CHECK_INTERVAL, riskThreshold = DEFAULT_RISK_THRESHOLD, repeatMs = DEFAULT_REPEAT, historyLimit = DEFAULT_HISTORY } = init

  if (typeof riskThreshold !== 'number' || !(riskThreshold >= 0 && riskThreshold <= 1)) {
    throw new InvalidOptionError(`riskThreshold must be a number from 0 to 1, got ${String(riskThreshold)}`)
  }
  return {
    riskThreshold,
    checkIntervalMs: whole('checkIntervalMs', checkIntervalMs, MAX_DURATION),
    repeatMs: whole('repeatMs', repeatMs, MAX_DURATION),
    historyLimit: whole('historyLimit', historyLimit, MAX_HISTORY)
  }
}

/** A number of things, or of milliseconds */
export function whole (name: string, value: number, max: number): number {
  if (!Number.isInteger(value) || value < 1 || value > max) {
    throw new InvalidOptionError(`${name} must be a whole number from 1 to ${max}, got ${String(value)}`)
  }
  return value
}
