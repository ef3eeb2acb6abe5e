import { systemClock } from '../../clock/system-clock.ts'
import { clientKey } from '../../interface/client-key.ts'
import { InvalidOptionError } from '../../interface/errors.ts'
import { checkComponents, checkOptionNames } from '../../interface/option-names.ts'
import { quote } from '../../interface/quote.ts'
import { errorName } from '../error-name.ts'
import { AccessTokens, isRole } from './access-tokens.ts'
import { POLICY } from './html-style.ts'
import { plainJson } from './plain-text.ts'
import { RateLimit } from './rate-limit.ts'
import { RecentReport } from './recent-report.ts'
import { UnknownFormatError, columnsOf } from './report-format.ts'
import { reportFormats } from './report-formats.ts'
import type { ReportRole, ReportToken, TokenHolder } from './access-tokens.ts'
import type { ReportSource } from './recent-report.ts'
import type { RenderOptions, ReportFormat } from './report-format.ts'
import type { ReportFormats } from './report-formats.ts'
import type { Clock } from '../../interface/clock.ts'
import type { ComponentLogger, Logger } from '../../interface/logger.ts'

/** Somebody asked for a report without a token that is known, or for more than the token is good for */
export class AccessDeniedError extends Error {
  static override name = 'AccessDeniedError'
  override name = 'AccessDeniedError'
  readonly reason: 'token' | 'role'

  constructor (reason: 'token' | 'role', message: string) {
    super(message)
    this.reason = reason
  }
}

/** Too many requests; `retryAfter` says, in ms, when there may be another one */
export class RateLimitedError extends Error {
  static override name = 'RateLimitedError'
  override name = 'RateLimitedError'
  readonly retryAfter: number

  constructor (retryAfter: number, message: string) {
    super(message)
    this.retryAfter = retryAfter
  }
}

export interface ReportServiceInit {
  /** Who may ask. @default nobody */
  readonly tokens?: readonly ReportToken[]
  /** Formats of your own, beside those that are here. @default none */
  readonly formats?: readonly ReportFormat[]
  /** Of each token. @default 30 */
  readonly requestsPerMinute?: number
  /** Requests with a wrong token, of each client; beyond it that client waits, with the right one too. @default 10 */
  readonly failuresPerMinute?: number
  /** Shown with every report, read when one is made: a title, the history of a monitor, a timeline. @default nothing */
  readonly context?: () => Pick<RenderOptions, 'title' | 'history' | 'timeline' | 'proof'>
}

export interface ReportServiceComponents {
  readonly analyzer: ReportSource
  /** @default the machine's */
  readonly clock?: Pick<Clock, 'now'>
  /** @default nothing is logged */
  readonly logger?: ComponentLogger
}

export interface ReportRequest {
  readonly token?: string
  /** Who has shown who they are to whatever carries this, and needs no token */
  readonly role?: ReportRole
  /** Whom failures are counted for: an address, of which an IPv6 one counts as its /64. @default all without one are one */
  readonly client?: string
  /** By name; wins over `accept` */
  readonly format?: string
  /** An HTTP `Accept` header */
  readonly accept?: string
  /** For admins only. @default false */
  readonly raw?: boolean
  readonly verbose?: boolean
  /** Columns of the console's format */
  readonly width?: number
}

export interface ReportResponse {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

const OPTIONS = Object.keys({ tokens: true, formats: true, requestsPerMinute: true, failuresPerMinute: true, context: true } satisfies Record<keyof ReportServiceInit, true>)

/** One every other second: a dashboard asks less, and an analysis may take a whole one */
const DEFAULT_REQUESTS_PER_MINUTE = 30
/** Somebody who mistypes needs three; at ten a minute 96 bits are out of reach */
const DEFAULT_FAILURES_PER_MINUTE = 10
/** Clients that mistyped lately; who has more addresses than that still cannot guess */
const MAX_CLIENTS = 1_024
/** What may be an address of IPv6, alone or around one of IPv4 */
const ADDRESS = /^[0-9a-f]{0,4}:[0-9a-f:]{0,40}[0-9.]{0,15}(?:%\w{1,32})?$/i
/** Longest key of one: an address has 45 characters */
const MAX_CLIENT = 64
/** Milliseconds for which several who ask at once get one and the same analysis */
const REUSE = 1_000
/** Beyond it a limit is none */
const MAX_PER_MINUTE = 100_000

/** A request that was let in and makes sense */
interface Asked {
  readonly format: ReportFormat
  readonly options: Pick<RenderOptions, 'raw' | 'verbose' | 'width'>
}

/**
 * Gives reports to those who may have them: viewers redacted ones, admins raw ones where they ask for them. It knows no
 * transport: `handle` takes a request as plain data, and gives what to answer.
 *
 * @example
 * ```ts
 * import { PrivacyReportService } from 'portolan/privacy'
 * import type { PrivacyAnalyzer } from 'portolan/privacy'
 *
 * function answer (analyzer: PrivacyAnalyzer, token: string, address: string): string {
 *   const service = new PrivacyReportService({ analyzer }, { tokens: [{ role: 'viewer', token: process.env.VIEWER_TOKEN ?? '' }] })
 *   const { status, headers, body } = service.handle({ token, client: address, accept: 'text/html' })
 *   return `${status} ${JSON.stringify(headers)}\n\n${body}`
 * }
 * ```
 */
export class PrivacyReportService {
  readonly #recent: RecentReport
  readonly #tokens: AccessTokens
  readonly #formats: ReportFormats
  readonly #requests: RateLimit
  readonly #failures: RateLimit
  readonly #context: () => RenderOptions
  readonly #log?: Logger

  constructor (components: ReportServiceComponents, init: ReportServiceInit = {}) {
    checkComponents('a report service', components, OPTIONS, option => `new PrivacyReportService({ analyzer }, { ${option} })`)
    checkOptionNames('a report service', init, OPTIONS)
    const { analyzer, clock = systemClock, logger } = components
    if (typeof analyzer?.analyze !== 'function') {
      throw new InvalidOptionError('a report service needs an analyzer: something with a function analyze')
    }
    const { tokens = [], formats = [], requestsPerMinute = DEFAULT_REQUESTS_PER_MINUTE, failuresPerMinute = DEFAULT_FAILURES_PER_MINUTE, context = () => ({}) } = init
    this.#tokens = new AccessTokens(tokens)
    this.#formats = reportFormats(formats)
    this.#requests = new RateLimit(clock, { perMinute: checkedRate('requestsPerMinute', requestsPerMinute), maxKeys: tokens.length + 2 })
    this.#failures = new RateLimit(clock, { perMinute: checkedRate('failuresPerMinute', failuresPerMinute), maxKeys: MAX_CLIENTS })
    this.#recent = new RecentReport(analyzer, clock, REUSE)
    this.#context = context
    this.#log = logger?.forComponent('portolan:privacy:reports')
  }

  /** The report as a text; throws an AccessDeniedError, a RateLimitedError, an UnknownFormatError or an InvalidOptionError */
  report (request: ReportRequest): { readonly text: string, readonly format: ReportFormat } {
    return this.#made(this.#asked(request))
  }

  /** The same as an answer over HTTP, whatever it is given; errors are JSON with their name */
  handle (request: ReportRequest): ReportResponse {
    let asked: Asked

    try {
      asked = this.#asked(request)
    } catch (err) {
      return this.#refusal(err, request)
    }
    try {
      const { text, format } = this.#made(asked)
      const html: Record<string, string> = format.mediaType === 'text/html' ? { 'content-security-policy': `${POLICY}; frame-ancestors 'none'` } : {}
      return { status: 200, headers: { ...COMMON, ...html, 'content-type': `${format.mediaType}${format.mediaType.startsWith('text/') ? '; charset=utf-8' : ''}` }, body: text }
    } catch (err) {
      // an analyzer and a format may be somebody else's: what they throw is for no client, whatever it is called
      return this.#failure(err)
    }
  }

  /** Throws what may be told to whoever asks, and only that */
  #asked (request: ReportRequest): Asked {
    if (request == null || typeof request !== 'object') {
      throw new InvalidOptionError(`a request for a report must be an object, got ${quote(request, 40)}`)
    }
    const { raw, verbose, width, accept, format } = request
    const holder = this.#admit(request)

    if (Boolean(raw) && holder.role !== 'admin') {
      throw new AccessDeniedError('role', 'Raw reports are for admins: this token is good for redacted ones.')
    }
    checkType('raw', raw, 'boolean')
    checkType('verbose', verbose, 'boolean')
    checkType('accept', accept, 'string')
    if (width != null) {
      columnsOf({ width })
    }
    return {
      format: format == null ? this.#formats.accepted(accept ?? undefined) : this.#formats.get(format),
      options: { raw: raw ?? false, verbose: verbose ?? undefined, width: width ?? undefined }
    }
  }

  #made ({ format, options }: Asked): { readonly text: string, readonly format: ReportFormat } {
    return { text: this.#formats.render(format.name, this.#recent.get().toJSON(), { ...this.#context(), ...options }), format }
  }

  #admit ({ token, role, client }: ReportRequest): TokenHolder {
    checkType('client', client, 'string')
    if (role != null && !isRole(role)) {
      throw new InvalidOptionError(`role must be viewer or admin, got ${quote(role, 40)}`)
    }
    const name = client ?? ''
    const key = ADDRESS.test(name) ? clientKey(name) : name.slice(0, MAX_CLIENT)
    const waiting = role == null ? this.#failures.wait(key) : 0

    if (waiting > 0) {
      throw new RateLimitedError(waiting, 'Too many requests with a wrong token.')
    }
    const holder = role == null ? this.#tokens.holder(token) : { role, index: -1 }
    if (holder == null) {
      this.#failures.take(key)
      this.#log?.('a request was refused: its token is %s', token == null ? 'missing' : 'wrong')
      throw new AccessDeniedError('token', 'The token for reports is missing or wrong: send it as "Authorization: Bearer TOKEN".')
    }
    const wait = this.#requests.wait(String(holder.index))
    if (wait > 0) {
      throw new RateLimitedError(wait, 'Too many requests with this token.')
    }
    this.#requests.take(String(holder.index))
    return holder
  }

  #refusal (err: unknown, request: ReportRequest): ReportResponse {
    if (err instanceof AccessDeniedError) {
      return err.reason === 'role' ? refused(403, err) : refused(401, err, { 'www-authenticate': 'Bearer realm="portolan privacy"' })
    }
    if (err instanceof RateLimitedError) {
      return refused(429, err, { 'retry-after': String(Math.ceil(err.retryAfter / 1_000)) })
    }
    if (err instanceof UnknownFormatError) {
      return refused(request.format == null ? 406 : 400, err)
    }
    return err instanceof InvalidOptionError ? refused(400, err) : this.#failure(err)
  }

  #failure (err: unknown): ReportResponse {
    // the message may hold what was observed, and belongs in no log and no answer
    this.#log?.error('a report could not be made: %s', errorName(err))
    return refused(500, { name: 'ReportFailedError', message: 'The report could not be made.' })
  }
}

const COMMON = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer', vary: 'accept, authorization' } as const

function refused (status: number, { name, message }: Pick<Error, 'name' | 'message'>, headers: Readonly<Record<string, string>> = {}): ReportResponse {
  return { status, headers: { ...COMMON, 'content-type': 'application/json', ...headers }, body: `${plainJson({ error: { name, message } })}\n` }
}

/** Whoever carries requests may hand on what somebody else wrote */
function checkType (name: string, value: unknown, type: 'string' | 'boolean'): void {
  const given = typeof value

  if (value != null && given !== type) {
    throw new InvalidOptionError(`${name} must be a ${type}, got ${quote(value, 40)}`)
  }
}

function checkedRate (name: string, value: number): number {
  if (!Number.isInteger(value) || value < 1 || value > MAX_PER_MINUTE) {
    throw new InvalidOptionError(`${name} must be a whole number from 1 to ${MAX_PER_MINUTE}, got ${String(value)}`)
  }
  return value
}
