import { HedgeTimer } from './hedge-timer.ts'
import { selectStale } from './select.ts'
import type { AttemptRun } from './attempt.ts'
import type { Attempts } from './attempts.ts'
import type { RoutingEnvironment } from './environment.ts'
import type { RoutingRequest } from './request.ts'
import type { Selection } from './select.ts'
import type { Turn } from './turn.ts'

export interface ExtraRequestsInit {
  readonly env: RoutingEnvironment
  readonly request: RoutingRequest
  readonly attempts: Attempts
  readonly turn: Turn
  select (): Selection
  /** A hedge is due and nobody better is known: time to look further */
  onNobody (): void
  onDue (): void
}

/** The second requests of one read, within one budget: hedges when the first is slow, and measurements */
export class ExtraRequests {
  readonly #init: ExtraRequestsInit
  readonly #timer: HedgeTimer

  constructor (init: ExtraRequestsInit) {
    const { quantile } = init.env.params.hedge
    this.#init = init
    this.#timer = new HedgeTimer(init.env, () => init.attempts.usual(quantile), init.onDue)
  }

  /** No first byte has come in the usual time */
  get due (): boolean {
    return this.#timer.due
  }

  /** Somebody was asked: the wait begins anew. Strict mode does not hedge: it tells a second party. */
  arm (): void {
    if (this.#init.request.mode !== 'strict') {
      this.#timer.arm()
    }
  }

  /** Asks a second provider, if there is one and the budget allows */
  hedge (working: readonly AttemptRun[]): void {
    const { env, attempts, turn } = this.#init

    if (working.length >= env.params.hedge.maxConcurrent) {
      return
    }

    const selection = this.#init.select()

    if (selection.chosen == null) {
      // whoever would be better is busy, or nobody is known yet: look again later
      this.#timer.arm()
      this.#init.onNobody()
    } else if (!env.slots.tryAcquire(turn.client)) {
      this.#timer.arm()
    } else if (!this.#timer.spend()) {
      env.slots.release(turn.client)
    } else {
      env.stats.hedges++
      attempts.start(selection, selection.chosen, 'hedge')
      this.#timer.arm()
    }
  }

  /** Now and then a provider that nobody has measured lately is asked too */
  measure (selection: Selection): void {
    const { env, request, attempts, turn } = this.#init

    if (request.mode !== 'open' || env.params.hedge.shadowShare === 0) {
      return
    }

    const chosen = selectStale(selection, attempts.expectedSize, env.random, env.params.select)

    if (chosen == null || !env.slots.tryAcquire(turn.client)) {
      return
    }

    if (!env.hedges.measure()) {
      env.slots.release(turn.client)
      return
    }

    env.stats.shadows++
    attempts.start({ chosen, because: 'measured beside the chosen one', skipped: [], passed: [] }, chosen, 'shadow')
  }

  stop (): void {
    this.#timer.stop()
  }
}
