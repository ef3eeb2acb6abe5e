import { jittered } from '../clock/random.ts'
import { retryAfter } from '../clock/retry-after.ts'
import { Disclosure } from '../interface/disclosure.ts'
import { AddressRefusedError, InvalidOptionError } from '../interface/errors.ts'
import { isNameAnswer } from '../interface/name-answer.ts'
import { checkOptionNames } from '../interface/option-names.ts'
import { quote } from '../interface/quote.ts'
import { addressPolicy } from '../provider/address.ts'
import { parseHost } from '../provider/host.ts'
import { failureCode, postWebhook } from './monitor-webhook-egress.ts'
import { WEBHOOK_OPTIONS, whole } from './monitor-params.ts'
import type { WebhookAnswer, WebhookRequest } from './monitor-webhook-egress.ts'
import type { Clock, Random } from '../interface/clock.ts'
import type { Ledger } from '../interface/disclosure.ts'
import type { Logger } from '../interface/logger.ts'

export interface WebhookInit {
  /** `https:`, or `http:` on this machine; it may hold a secret and is never printed but for its host */
  readonly url: string
  /** What is sent: the alert as JSON, or a message for a Slack webhook. @default by the host: `slack` for `hooks.slack.com` */
  readonly format?: 'json' | 'slack'
  /** Hosts, `host:port` or ranges of private networks, and hosts that may be told without TLS. @default none */
  readonly allow?: readonly string[]
  /** Milliseconds for one try. @default 10_000 */
  readonly timeoutMs?: number
  /** Tries for one alert. @default 5 */
  readonly maxAttempts?: number
  /** Alerts that wait while the receiver is down; the oldest goes. @default 16 */
  readonly maxWaiting?: number
}

export interface WebhookStatistics {
  readonly sent: number
  /** Given up after all tries, or refused by the receiver */
  readonly failed: number
  /** Displaced by newer ones, or left when the monitor stopped */
  readonly dropped: number
  readonly waiting: number
}

/** A receiver that is asleep answers in seconds, one that is down not at all */
const DEFAULT_TIMEOUT = 10_000
/** With the pauses between them, half a minute: a restart of the receiver */
const DEFAULT_ATTEMPTS = 5
/** At one alert an hour, most of a day */
const DEFAULT_WAITING = 16
/** Doubled from try to try */
const FIRST_PAUSE = 1_000
/** Also what a receiver may ask for: whoever wants more loses the alert */
const LONGEST_PAUSE = 60_000
const MAX_TIMEOUT = 600_000
const MAX_ATTEMPTS = 20
const MAX_WAITING = 1_000
/** These may be another time; all other refusals are for good */
const PASSING: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504])

export interface WebhookComponents {
  readonly clock: Clock
  readonly random: Random
  readonly ledger: Ledger
  readonly log?: Logger
  /** @default the platform's `fetch` */
  readonly request?: WebhookRequest
}

/** Sends alerts one after the other, tries again where it is worth it, and keeps no more than a few */
export class Webhook {
  readonly #components: WebhookComponents
  readonly #url: URL
  readonly #checkAddress: (address: string) => void
  readonly #timeout: number
  readonly #maxAttempts: number
  readonly #maxWaiting: number
  readonly format: 'json' | 'slack'
  readonly #waiting: string[] = []
  #sending?: Promise<void>
  #sent = 0
  #failed = 0
  #dropped = 0
  #count = 0

  constructor (components: WebhookComponents, init: string | WebhookInit) {
    const options = typeof init === 'string' ? { url: init } : init
    checkOptionNames('webhook', options, WEBHOOK_OPTIONS)
    const { url, format, allow = [], timeoutMs = DEFAULT_TIMEOUT, maxAttempts = DEFAULT_ATTEMPTS, maxWaiting = DEFAULT_WAITING } = options
    this.#components = components
    const checked = checkedUrl(url, allow)
    this.#url = checked.url
    this.#checkAddress = checked.checkAddress
    this.#timeout = whole('webhook.timeoutMs', timeoutMs, MAX_TIMEOUT)
    this.#maxAttempts = whole('webhook.maxAttempts', maxAttempts, MAX_ATTEMPTS)
    this.#maxWaiting = whole('webhook.maxWaiting', maxWaiting, MAX_WAITING)
    this.format = format ?? (this.#url.hostname === 'hooks.slack.com' ? 'slack' : 'json')

    if (this.format !== 'json' && this.format !== 'slack') {
      throw new InvalidOptionError(`webhook.format must be json or slack, got ${quote(format, 40)}`)
    }
  }

  get statistics (): WebhookStatistics {
    return { sent: this.#sent, failed: this.#failed, dropped: this.#dropped, waiting: this.#waiting.length }
  }

  /** Takes one more; the signal ends all that is under way */
  send (body: string, signal: AbortSignal): void {
    this.#waiting.push(body)

    if (this.#waiting.length > this.#maxWaiting) {
      this.#waiting.shift()
      this.#dropped++
    }
    this.#sending ??= this.#drain(signal).finally(() => { this.#sending = undefined })
  }

  /** Resolves when nothing is under way any more: soon after the signal aborted, never rejects */
  async idle (): Promise<void> {
    await this.#sending
  }

  async #drain (signal: AbortSignal): Promise<void> {
    for (let body = this.#waiting.shift(); body != null; body = this.#waiting.shift()) {
      const failure = await this.#deliver(body, signal)

      if (signal.aborted && failure != null) {
        this.#dropped += 1 + this.#waiting.splice(0).length
        return
      }
      if (failure == null) {
        this.#sent++
      } else {
        this.#failed++
        this.#components.log?.error('an alert could not be delivered to %s: %s', this.#url.host, failure)
      }
    }
  }

  /** @returns why it was given up; nothing when it arrived */
  async #deliver (body: string, signal: AbortSignal): Promise<string | undefined> {
    const { clock, random } = this.#components
    let failure = ''

    for (let attempt = 1; attempt <= this.#maxAttempts && !signal.aborted; attempt++) {
      const result = await this.#attempt(body, signal)
      if (typeof result !== 'string' && result.status >= 200 && result.status < 300) {
        return undefined
      }
      failure = typeof result === 'string' ? result : `it answered ${result.status}`
      if (typeof result !== 'string' && !PASSING.has(result.status)) {
        return failure
      }
      const asked = typeof result === 'string' ? undefined : retryAfter(result.retryAfter, clock.wall(), LONGEST_PAUSE)
      if (attempt < this.#maxAttempts) {
        await pause(clock, asked ?? jittered(Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (attempt - 1)), random), signal)
      }
    }
    return failure
  }

  async #attempt (body: string, stop: AbortSignal): Promise<WebhookAnswer | string> {
    using timeout = this.#components.clock.timeout(this.#timeout)
    const signal = AbortSignal.any([stop, timeout.signal])
    const disclosure = this.#disclose()
    // whoever answers for names learns where alerts go, before anybody there learns anything
    const name = parseHost(this.#url.hostname)?.ip == null ? disclosure.also({ observer: 'party:dns', form: 'hostname', transport: 'dns', audience: 'one' }) : undefined

    try {
      const answer = await postWebhook({ url: this.#url, body, signal, checkAddress: this.#checkAddress }, disclosure, this.#components.request)
      name?.sent()
      return answer
    } catch (err) {
      const code = failureCode(err)
      const refused = err instanceof AddressRefusedError
      if (isNameAnswer({ code }) || refused) {
        name?.sent()
      } else {
        name?.unknown()
      }
      // what the error says may hold the address with its secret; a refusal names the host, and says how to allow it
      return timeout.signal.aborted ? `no answer within ${this.#timeout} ms` : refused ? err.message : code
    }
  }

  /** Whoever receives alerts learns that this node is there, and what the redacted alert says; nothing of any block */
  #disclose (): Disclosure {
    return new Disclosure(this.#components.ledger, {
      observer: 'party:webhook', form: 'none', transport: this.#url.protocol.slice(0, -1), audience: 'one'
    }, { request: `alert-${++this.#count}`, purpose: 'other', at: this.#components.clock.wall() })
  }
}

async function pause (clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  try {
    await clock.sleep(ms, { signal })
  } catch (err) {
    if (!signal.aborted) {
      throw err
    }
    // whoever waits looks at the signal next
  }
}

/** Where it is said which hosts may be told */
const ALLOW = 'webhook.allow of a monitor, --allow of portolan serve'

/** The URL may hold a secret in its path and query: errors show its origin, where there is one */
function checkedUrl (text: string, allow: readonly string[]): { url: URL, checkAddress: (address: string) => void } {
  const url = URL.parse(text)

  if (url == null || !['http:', 'https:'].includes(url.protocol)) {
    throw new InvalidOptionError('webhook must be a URL that begins with https://, or with http:// for this machine (it is not shown, as it may hold a secret)')
  }
  if (url.username !== '' || url.password !== '') {
    throw new InvalidOptionError(`webhook at ${url.host} must have no user and password in its URL`)
  }
  const port = url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port)
  const local = addressPolicy().exempt(url.hostname)
  const policy = addressPolicy({ allow, option: ALLOW })
  const named = allow.some(entry => [url.hostname, url.host, url.origin].includes(entry)) || policy.exempt(url.hostname)

  if (url.protocol === 'http:' && !local && !named) {
    throw new InvalidOptionError(`webhook at ${url.host} must begin with https://: alerts go without TLS to this machine only, or to hosts that are allowed by name (${ALLOW})`)
  }
  // an address of this machine was named by whoever wrote it here
  const effective = policy.with(local ? [url.origin] : [])
  effective.check(url.hostname, port)
  return { url, checkAddress: address => { effective.checkResolved(address, port, url.hostname) } }
}
