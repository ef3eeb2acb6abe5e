import { answererOf } from '../provider/answerer.ts'
import { Attempts } from './attempts.ts'
import { Candidates } from './candidates.ts'
import { ExtraRequests } from './extra-requests.ts'
import { Lookups } from './lookups.ts'
import { Pauses } from './pauses.ts'
import { selectProvider } from './select.ts'
import { tellSources } from './tell-sources.ts'
import { Turn } from './turn.ts'
import { pauseBeforeRound, verdict, worthAnotherRound } from './verdict.ts'
import type { AttemptResult, AttemptRun } from './attempt.ts'
import type { RoutingEnvironment } from './environment.ts'
import type { RetrievalEnd, RetrievalInit } from './retrieval-init.ts'
import type { Selection } from './select.ts'
import type { Evidence } from './verdict.ts'
import type { FetchError } from '../interface/errors.ts'
import type { Provider } from '../interface/provider.ts'

/** A group with fewer providers than this looks for more in the background */
const ENOUGH_PROVIDERS = 2

/** A lookup that has named nobody usable for this long, in ms, no longer holds up the providers of last resort */
const FALLBACK_DELAY = 1_000

/**
 * One block being sought: asks the pure parts (select, timeouts, hedge budget)
 * what to do next and does it. Driven by events; `#pump` is the only place that
 * decides to start something.
 */
export class Retrieval {
  readonly #init: RetrievalInit
  readonly #env: RoutingEnvironment
  readonly #candidates: Candidates
  readonly #attempts: Attempts
  readonly #turn: Turn
  readonly #errors: FetchError[] = []
  readonly #lookups: Lookups
  readonly #extras: ExtraRequests
  readonly #pauses: Pauses<'gather' | 'fallback' | 'round' | 'siblings'>
  #allowFallback = false
  #round = 1
  #over = false

  constructor (init: RetrievalInit) {
    this.#init = init
    this.#env = init.env
    this.#pauses = new Pauses(init.env.clock)
    this.#candidates = new Candidates({
      ...init.env,
      mode: init.request.mode,
      group: init.group,
      busy: init.busy,
      onSettled: (provider, voices, outcome) => { tellSources(init.env, provider, voices, outcome) },
      onUnusable: (provider, why) => { init.timeline.add('skip', why, { provider: provider.id }) },
      onBroken: (fetcher, err) => { init.env.log.error('fetcher %s failed to say whom it can ask - %e', fetcher.name, err) }
    })
    this.#lookups = new Lookups({
      ...init,
      onStart: want => { init.onProgress('discovery', { cid: want.cid.toString() }) },
      onProvider: provider => { this.#found(provider) },
      onDone: () => { this.#pump() }
    })
    this.#turn = new Turn({
      slots: init.env.slots,
      request: init.request,
      onChange: () => { this.#pump() },
      onCrowded: () => {
        this.#finish({ kind: 'failed', errors: this.#errors, certain: false, why: 'too many reads are waiting for a free slot' })
      }
    })
    this.#attempts = new Attempts({
      ...init,
      candidates: this.#candidates,
      anybodyElse: () => this.#select().chosen != null,
      onParked: () => { this.#pump() },
      onSettled: (run, result) => { this.#settled(run, result) }
    })
    this.#extras = new ExtraRequests({
      env: init.env,
      request: init.request,
      attempts: this.#attempts,
      turn: this.#turn,
      select: () => this.#select(),
      onNobody: () => { this.#lookFurther() },
      onDue: () => { this.#pump() }
    })
  }

  start (): void {
    const { group, request, timeline } = this.#init
    this.#env.hedges.earn()
    this.#candidates.addStanding()

    const related = this.#candidates.addGroup()

    if (group.size > 0) {
      timeline.add('discovery', `${group.size} provider${group.size === 1 ? '' : 's'} known from this DAG${related === 0 ? '' : `, ${related} of them from what is related to it`}`)
    }

    this.#addHints(request.hints)
    // those who delivered this DAG, or were named by the caller, are asked before anybody is told what we look for
    const wait = this.#candidates.headStart(this.#env.clock.now())
    if (group.deliverers === 0 && request.hints.length === 0) {
      wait > 0 ? this.#pauses.start('siblings', wait, () => { this.#lookups.start() }) : this.#lookups.start()
    } else if (wait === 0 && group.deliverers > 0 && group.size < ENOUGH_PROVIDERS) {
      this.#lookups.topUp()
    }

    this.#pump()
  }

  /** What went wrong so far, one entry per attempt */
  get errors (): readonly FetchError[] {
    return this.#errors
  }

  /** Somebody joined a retrieval that is under way: new hints enter it, a higher priority moves it ahead */
  joined (hints: readonly Provider[]): void {
    this.#candidates.addGroup()
    this.#addHints(hints)

    this.#turn.raise()
    this.#pump()
  }

  #addHints (hints: readonly Provider[]): void {
    for (const hint of hints) {
      this.#init.timeline.found.set(hint.id, hint.source)
      this.#candidates.add(hint)
      this.#init.group.add(hint)
    }
  }

  /** The last caller has left */
  abort (why: string): void {
    this.#finish(undefined, why)
  }

  #pump (): void {
    if (this.#over || this.#turn.queued) {
      return
    }

    const { working } = this.#attempts

    if (working.length === 0) {
      this.#next()
    } else if (this.#extras.due) {
      this.#extras.hedge(working)
    }
  }

  #select (): Selection {
    return selectProvider({
      candidates: this.#candidates.views(this.#env.clock.now()),
      size: this.#attempts.expectedSize,
      activeDomains: this.#attempts.domains,
      allowFallback: this.#allowFallback,
      strangers: this.#extras.strangers,
      random: this.#env.random
    }, this.#env.params.select)
  }

  /** Nobody is working on it: ask somebody, or find somebody, or give up */
  #next (): void {
    if (this.#attempts.count >= this.#env.params.rounds.maxAttempts) {
      this.#giveUp()
      return
    }

    const selection = this.#select()

    if (selection.chosen != null) {
      this.#turn.take(() => {
        // while it queued the world moved on
        const fresh = this.#select()

        if (fresh.chosen == null) {
          return false
        }

        this.#extras.began(fresh)
        this.#attempts.start(fresh, fresh.chosen, this.#attempts.count === 0 ? 'first' : 'next')

        if (!this.#over) {
          this.#extras.arm()
          this.#extras.measure(fresh)
        }

        return true
      }, this.#attempts.count > 0)
      return
    }

    if (selection.skipped.some(({ reason }) => reason === 'busy')) {
      this.#turn.awaitRoom(() => this.#select().chosen != null)
      return
    }

    this.#widen(selection)
  }

  /** Everybody known was asked or is out of reach: look further, step by step */
  #widen (selection: Selection): void {
    if (this.#lookups.stage === 'running') {
      this.#fallbackSoon()
      return
    }

    if (this.#lookups.widen()) {
      return
    }

    if (!this.#allowFallback) {
      this.#allowFallback = true
      this.#pump()
      return
    }

    if (this.#attempts.size > 0) {
      // a parked attempt (foreign code that says nothing until it is done) may still deliver
      return
    }

    this.#anotherRound(selection)
  }

  /** A lookup that takes its time does not keep the last resort waiting for ever */
  #fallbackSoon (): void {
    this.#pauses.start('fallback', FALLBACK_DELAY, () => {
      this.#allowFallback = true
      this.#pump()
    })
  }

  #anotherRound (selection: Selection): void {
    if (this.#pauses.has('round')) {
      return
    }

    const { params: { rounds }, clock } = this.#env
    const retryAt = Math.min(...selection.skipped.map(skip => skip.until ?? Infinity))
    const wait = pauseBeforeRound(this.#round + 1, rounds.pause, retryAt, clock.now(), this.#init.request.deadline)

    if (this.#round >= rounds.max || wait == null || !worthAnotherRound(this.#evidence)) {
      this.#giveUp()
      return
    }

    this.#round++
    this.#init.timeline.add('discovery', `round ${this.#round} in ${Math.round(wait)} ms`)
    this.#pauses.start('round', wait, () => {
      this.#candidates.nextRound()
      this.#lookups.again()
      this.#pump()
    })
  }

  get #evidence (): Evidence {
    return {
      ...this.#candidates.evidence(),
      attempts: this.#attempts.count,
      backingOff: this.#select().skipped.filter(({ reason }) => reason === 'backing off').length,
      lookupFailures: this.#lookups.failures,
      sources: this.#lookups.any
    }
  }

  #giveUp (): void {
    this.#finish({ ...verdict(this.#evidence), errors: this.#errors })
  }

  /** The ones asked are slow: time to tell discovery, or to let the last resort in */
  #lookFurther (): void {
    if (this.#lookups.stage === 'deferred') {
      this.#lookups.topUp()
    } else if (!this.#allowFallback && this.#lookups.stage === 'done') {
      this.#allowFallback = true
      this.#pump()
    }
  }

  #settled (run: AttemptRun, result: AttemptResult): void {
    const { stats, slots } = this.#env
    const { provider } = run.candidate

    if (result.outcome === 'not-here') {
      this.#init.group.lacked(provider.id, answererOf(run.candidate.route))
    }

    if (result.outcome !== 'delivered' || result.bytes == null || this.#over) {
      this.#tellSettled(run)
      stats.bytesWasted += run.summary.bytes

      if (result.error != null && (result.outcome !== 'cancelled' || result.ours === true)) {
        this.#errors.push(result.error)
      }
    } else {
      stats.bytesDelivered += result.bytes.byteLength
      stats.hedgesWon += run.summary.reason === 'hedge' ? 1 : 0
      this.#extras.delivered()
      this.#init.group.delivered(provider, answererOf(run.candidate.route))
      this.#init.timeline.add('verify', `the bytes hash to the CID, in ${(result.verifying ?? 0).toFixed(2)} ms`, { provider: provider.id })
      this.#init.onProgress('verify', { provider: provider.id, bytes: result.bytes.byteLength })
      this.#tellSettled(run)
      this.#finish({ kind: 'delivered', bytes: result.bytes, provider })
    }

    slots.release(this.#turn.client)

    const others = this.#attempts.working.length
    this.#pump()
    this.#extras.replace(run, result.outcome, others)
  }

  #tellSettled ({ summary }: AttemptRun): void {
    this.#init.onProgress('settled', { provider: summary.provider, attempt: summary.attempt, outcome: summary.outcome, bytes: summary.bytes })
  }

  #found (provider: Provider): void {
    this.#init.group.add(provider)

    if (!this.#over && this.#candidates.add(provider)) {
      this.#init.onProgress('provider', { provider: provider.id, source: provider.source })
      this.#pumpSoon()
    }
  }

  /** Providers that a lookup names in one breath are chosen among, not taken in the order of the answer */
  #pumpSoon (): void {
    this.#pauses.start('gather', 0, () => { this.#pump() })
  }

  #finish (end: RetrievalEnd | undefined, why = ''): void {
    if (this.#over) {
      return
    }

    this.#over = true
    this.#turn.end()
    this.#extras.stop()
    this.#pauses.end()
    this.#attempts.end(end?.kind === 'delivered', end?.kind === 'delivered' ? 'another provider was faster' : why === '' ? 'the retrieval ended' : why)
    this.#lookups.end(end?.kind === 'delivered')

    if (end != null) {
      this.#init.onEnd(end)
    }
  }
}
