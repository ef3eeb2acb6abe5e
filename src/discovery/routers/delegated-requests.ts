import { anySignal } from 'any-signal'
import { RouterFailedError } from '../../interface/errors.ts'
import { countsAgainst, failureOf } from './delegated-answer.ts'
import { DEFAULT_ANSWER_LIMITS } from './delegated-body.ts'
import { delegatedLookup } from './delegated-lookup.ts'
import { afterAnswer, afterFailure, awake, mayAsk, probeLost, probing } from './delegated-rest.ts'
import { NoPlaceError, RequestSlots } from './delegated-slots.ts'
import type { KeptAnswer } from './delegated-answers.ts'
import type { DelegatedCounts } from './delegated-counts.ts'
import type { HeardAnswer } from './delegated-lookup.ts'
import type { RecordFilter } from './delegated-records.ts'
import type { RouterRest } from './delegated-rest.ts'
import type { Clock, Random } from '../../interface/clock.ts'
import type { HttpTransport } from '../../interface/http-transport.ts'
import type { Provider } from '../../interface/provider.ts'
import type { Request } from '../../interface/request.ts'
import type { RouterStats } from '../../interface/stats.ts'
import type { AddressPolicy } from '../../provider/address.ts'

export interface RouterRequestsInit {
  readonly name: string
  /** How the ledger calls it */
  readonly host: string
  readonly maxRequests: number
  readonly headTimeout: number
  readonly timeout: number
}

export interface RouterRequestsComponents {
  readonly transport: HttpTransport
  readonly clock: Clock
  readonly random: Random
  readonly policy: AddressPolicy
  readonly counts: DelegatedCounts
}

/** One thing that the router is asked */
export interface Question {
  /** In the table of answers, and of requests under way */
  readonly key: string
  readonly url: URL
  readonly filter: RecordFilter
  /** Whose addresses are sought; absent where providers are */
  readonly peer?: string
}

/** Lookups that wait for their turn: 32 places free one every few ms, so these have waited a second or two */
const MAX_WAITING = 256

/** The requests to one router: so many at a time, each in its time, and none while it is left alone */
export class RouterRequests {
  readonly #init: RouterRequestsInit
  readonly #components: RouterRequestsComponents
  readonly #slots: RequestSlots
  #rest: RouterRest = awake

  constructor (init: RouterRequestsInit, components: RouterRequestsComponents) {
    this.#init = init
    this.#components = components
    this.#slots = new RequestSlots(init.maxRequests, MAX_WAITING)
  }

  stats (): Pick<RouterStats, 'state' | 'restsFor' | 'why' | 'active' | 'waiting'> {
    const rest = this.#rest

    return {
      state: rest.state,
      ...rest.state === 'resting' ? { restsFor: Math.max(0, Math.round(rest.until - this.#components.clock.now())), why: rest.why } : {},
      active: this.#slots.active,
      waiting: this.#slots.waiting
    }
  }

  /** Throws a RouterFailedError, or the signal's reason; returns what may be used again */
  async * ask (question: Question, request: Request, known: KeptAnswer | undefined, signal: AbortSignal): AsyncGenerator<Provider, HeardAnswer, undefined> {
    let isProbe = false
    let giveBack = (): void => {}

    try {
      this.#admitted()
      giveBack = await this.#slots.take(request.client ?? request.id, signal)
      // somebody may have been turned away while this one waited
      isProbe = this.#admitted() === 'probe'
      this.#rest = isProbe ? probing(this.#rest) : this.#rest
      const heard = yield * this.#answer(question, request, known, signal, giveBack)
      isProbe = false
      return heard
    } catch (err) {
      if (!signal.aborted && err instanceof NoPlaceError) {
        throw this.#failed(new RouterFailedError(this.#init.name, 'busy', err.message, { cause: err }))
      }
      throw err
    } finally {
      giveBack()
      // whoever left before there was an answer leaves the probe to the next
      this.#rest = isProbe ? probeLost(this.#rest) : this.#rest
    }
  }

  async * #answer (question: Question, request: Request, known: KeptAnswer | undefined, outer: AbortSignal, giveBack: () => void): AsyncGenerator<Provider, HeardAnswer, undefined> {
    const { clock, transport, policy, counts } = this.#components
    const { name, host, headTimeout, timeout } = this.#init
    const startedAt = clock.now()
    const late = new AbortController()
    const end = (ms: number): () => void => clock.schedule(ms, () => {
      late.abort(new RouterFailedError(name, 'late', `it gave no answer within ${ms} ms`))
      // also where nobody comes to hear of it
      giveBack()
    })
    const cancelHead = end(headTimeout)
    const cancelAll = end(timeout)
    const signal = anySignal([outer, late.signal])
    const answered = (): void => { this.#rest = afterAnswer(this.#rest, startedAt) }

    try {
      const heard = yield * delegatedLookup({
        router: name,
        transport,
        clock,
        policy,
        filter: question.filter,
        counts,
        limits: DEFAULT_ANSWER_LIMITS,
        url: question.url,
        peer: question.peer,
        known,
        signal,
        disclose: () => request.disclose({ observer: `router:${host}`, form: question.peer == null ? 'cid' : 'peer', transport: 'delegated', audience: 'one' }),
        onHead: cancelHead,
        onProvider: answered
      })
      answered()
      return heard
    } catch (err) {
      const failure = outer.aborted ? undefined : failureOf(name, err)

      throw failure == null ? err : this.#failed(failure, startedAt)
    } finally {
      cancelHead()
      cancelAll()
      signal.clear()
    }
  }

  /** Throws while the router is left alone */
  #admitted (): 'yes' | 'probe' {
    const now = this.#components.clock.now()
    const may = mayAsk(this.#rest, now)

    if (may !== 'no' || this.#rest.state === 'awake') {
      return may === 'probe' ? 'probe' : 'yes'
    }

    const { until, why } = this.#rest
    const left = until > now ? `another ${Math.ceil((until - now) / 1000)} s` : 'until a first request has been answered'
    throw this.#failed(new RouterFailedError(this.#init.name, 'resting', `it is left alone for ${left}: ${why}`))
  }

  #failed (failure: RouterFailedError, startedAt?: number): RouterFailedError {
    const { clock, random, counts } = this.#components
    counts.failures[failure.kind]++

    if (startedAt != null && countsAgainst(failure)) {
      this.#rest = afterFailure(this.#rest, {
        now: clock.now(),
        startedAt,
        dice: random.next(),
        why: failure.message,
        overloaded: failure.kind === 'overloaded',
        retryAfter: failure.retryAfter,
        late: failure.kind === 'late'
      })
    } else if (startedAt != null) {
      this.#rest = afterAnswer(this.#rest, startedAt)
    }
    return failure
  }
}
