import { HedgeTimer } from './hedge-timer.ts'
import { isStranger, selectStale } from './select.ts'
import type { AttemptRun } from './attempt.ts'
import type { Attempts } from './attempts.ts'
import type { RoutingEnvironment } from './environment.ts'
import type { RoutingRequest } from './request.ts'
import type { Selection, Strangers } from './select.ts'
import type { Turn } from './turn.ts'
import type { Outcome } from '../interface/outcome.ts'

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

/**
 * Standard deviations above what is believed of a provider from which on it is overdue:
 * 95 of a hundred of its answers come sooner
 */
const OVERDUE = 1.6

/** Bounds of the deviation for that: few answers may look too even, and one that turned slow too uneven, by chance */
const LEAST_SD = 0.35
const MOST_SD = 0.5

/** With less evidence than one answer a provider is waited for as long as is usual for all */
const LEAST_WEIGHT = 1

/** The second requests of one read, within one budget: hedges when the first is slow, and measurements */
export class ExtraRequests {
  readonly #init: ExtraRequestsInit
  readonly #timer: HedgeTimer
  #explores = false
  #over = false

  constructor (init: ExtraRequestsInit) {
    this.#init = init
    this.#timer = new HedgeTimer(init.env, () => this.#patience, init.onDue)
  }

  /** The usual wait, or a shorter one after which the one asked last is overdue, were it as it was */
  get #patience (): number | undefined {
    const { env, attempts } = this.#init
    const usual = attempts.usual(env.params.hedge.quantile)
    const { mean, sd, weight } = attempts.working.findLast(({ summary }) => summary.reason !== 'shadow')?.candidate.view.latency ?? { mean: 0, sd: 0, weight: 0 }
    return usual == null || weight < LEAST_WEIGHT
      ? usual
      : Math.min(usual, Math.exp(mean + OVERDUE * Math.max(LEAST_SD, Math.min(MOST_SD, sd))))
  }

  /** Somebody was asked, and the usual time is over */
  get due (): boolean {
    return this.#timer.due
  }

  /** A second party may be told. Not in mode strict. */
  get #allowed (): boolean {
    const { env, request } = this.#init
    return env.switches(request.mode).hedges
  }

  /** Somebody was asked: the wait begins anew */
  arm (): void {
    if (this.#allowed) {
      this.#timer.arm()
    }
  }

  /**
   * What strangers may do in the next choice: every attempt after the first goes to
   * one that delivers, if there is one. Without hedges nothing would rescue the read.
   */
  get strangers (): Strangers {
    const { env, attempts } = this.#init
    return attempts.count > 0 ? 'last' : env.hedges.mayExplore && this.#allowed ? 'compete' : 'in turn'
  }

  /** The first attempt of the read */
  began ({ explores = false }: Selection): void {
    if (explores) {
      this.#explores = true
      this.#init.env.hedges.explore()
    }
  }

  /** A stranger that delivered before anybody else had to be asked has cost nothing */
  delivered (): void {
    if (this.#explores && this.#init.attempts.count === 1) {
      this.#init.env.hedges.explored()
    }
  }

  /**
   * One failed, and only strangers are at work: those may be as dead, so they stay as
   * many as they were, and one that kept us waiting makes room for two. Without hedges
   * they are asked one after the other.
   */
  replace ({ summary }: AttemptRun, outcome: Outcome, others: number): void {
    const { env, attempts, turn, select } = this.#init
    const { hedge: { maxConcurrent }, rounds: { maxAttempts } } = env.params

    if (this.#over || turn.queued || outcome === 'cancelled' || summary.reason === 'shadow' || !this.#allowed) {
      return
    }

    const wanted = Math.min(maxConcurrent, others + (outcome === 'stalled' ? 2 : 1))

    while (attempts.working.length < wanted && attempts.count < maxAttempts && attempts.working.every(({ candidate }) => isStranger(candidate))) {
      const selection = select()

      if (selection.chosen == null || !env.slots.tryAcquire(turn.client)) {
        return
      }

      attempts.start(selection, selection.chosen, 'next')
    }
  }

  /** Asks a second provider when those at work are slow, if there is one and the budget allows */
  hedge (working: readonly AttemptRun[]): void {
    const { env, attempts, turn } = this.#init
    const { patience } = attempts

    if (this.#init.request.purpose === 'prefetch' && !env.hedges.hasSpare) {
      this.#timer.armIn(env.params.hedge.minDelay)
      return
    }

    if (patience > 0) {
      this.#timer.armIn(patience)
      return
    }

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

    if (!env.switches(request.mode).measurements || env.params.hedge.shadowShare === 0) {
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
    this.#over = true
    this.#timer.stop()
  }
}
