import { AttemptRun } from './attempt.ts'
import { Candidates } from './candidates.ts'
import { HedgeTimer } from './hedge-timer.ts'
import { sizeClass } from './latency-window.ts'
import { Lookups } from './lookups.ts'
import { selectProvider } from './select.ts'
import { attemptTimeouts } from './timeouts.ts'
import type { ProviderGroup } from './affinity.ts'
import type { AttemptResult } from './attempt.ts'
import type { RoutingEnvironment } from './environment.ts'
import type { RoutingRequest } from './request.ts'
import type { CandidateView, Selection } from './select.ts'
import type { AttemptSummary, Timeline } from './timeline.ts'
import type { FetchError } from '../interface/errors.ts'
import type { Outcome } from '../interface/outcome.ts'
import type { Provider } from '../interface/provider.ts'
import type { Want } from '../interface/request.ts'

/** What a block is taken to weigh where no link told: the usual UnixFS leaf */
const USUAL_BLOCK = 262_144

/** A group with fewer providers than this looks for more in the background */
const ENOUGH_PROVIDERS = 2

/** A lookup that has named nobody usable for this long, in ms, no longer holds up the providers of last resort */
const FALLBACK_DELAY = 1_000

export type RetrievalEnd =
  | { readonly kind: 'delivered', readonly bytes: Uint8Array, readonly provider: Provider }
  | { readonly kind: 'not-found', readonly errors: readonly FetchError[], readonly certain: boolean, readonly why: string }
  | { readonly kind: 'failed', readonly errors: readonly FetchError[], readonly certain: boolean, readonly why: string }

export interface RetrievalInit {
  readonly env: RoutingEnvironment
  readonly want: Want
  readonly request: RoutingRequest
  readonly group: ProviderGroup
  /** The root of the DAG, when the block is known to be a child of it */
  readonly parent?: Want
  readonly timeline: Timeline
  onProgress (phase: string, detail: Record<string, unknown>): void
  onEnd (end: RetrievalEnd): void
}

/**
 * One block being sought: asks the pure parts (select, timeouts, hedge budget)
 * what to do next and does it. Driven by events; `#pump` is the only place that
 * decides to start something.
 */
export class Retrieval {
  readonly #init: RetrievalInit
  readonly #env: RoutingEnvironment
  readonly #candidates: Candidates
  readonly #active = new Set<AttemptRun>()
  readonly #errors: FetchError[] = []
  readonly #parkTimers: Array<() => void> = []
  readonly #lookups: Lookups
  readonly #hedge: HedgeTimer
  #allowFallback = false
  #fallbackScheduled = false
  #roundPending = false
  #attempts = 0
  #round = 1
  #over = false
  #queued = false
  #queuedPriority = 0
  #gathering = false
  #waiting: () => void = () => {}
  #roomWatch: () => void = () => {}
  #cancelFallback: () => void = () => {}
  #cancelRound: () => void = () => {}
  #cancelGather: () => void = () => {}

  constructor (init: RetrievalInit) {
    this.#init = init
    this.#env = init.env
    this.#candidates = new Candidates({
      fetchers: init.env.fetchers,
      reputation: init.env.reputation,
      slots: init.env.slots,
      mode: init.request.mode,
      group: init.group,
      onUnusable: (provider, why) => { init.timeline.add('skip', why, { provider: provider.id }) },
      onBroken: (fetcher, err) => { init.env.log.error('fetcher %s failed to say whom it can ask - %e', fetcher.name, err) }
    })
    this.#lookups = new Lookups({
      env: init.env,
      want: init.want,
      parent: init.parent,
      request: init.request,
      group: init.group,
      timeline: init.timeline,
      onStart: want => { init.onProgress('discovery', { cid: want.cid.toString() }) },
      onProvider: provider => { this.#found(provider) },
      onDone: () => { this.#pump() }
    })
    this.#hedge = new HedgeTimer(init.env, () => this.#usual(init.env.params.hedge.quantile), () => { this.#pump() })
  }

  start (): void {
    const { group, request, timeline } = this.#init
    this.#env.hedges.earn()

    this.#candidates.addStanding()

    for (const { provider } of group.members) {
      this.#candidates.add(provider)
    }

    if (group.size > 0) {
      timeline.add('discovery', `${group.size} provider${group.size === 1 ? '' : 's'} known from this DAG`)
    }

    this.#addHints(request.hints)

    // those who delivered this DAG, or were named by the caller, are asked before anybody is told what we look for
    if (group.deliverers === 0 && request.hints.length === 0) {
      this.#lookups.start()
    } else if (group.deliverers > 0 && group.size < ENOUGH_PROVIDERS) {
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
    this.#addHints(hints)

    if (this.#queued && this.#init.request.priority > this.#queuedPriority) {
      this.#waiting()
      this.#queued = false
    }

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
    if (this.#over || this.#queued) {
      return
    }

    const working = [...this.#active].filter(run => !run.parked)

    if (working.length === 0) {
      this.#next()
    } else if (this.#hedge.due && !working.some(run => run.answering)) {
      this.#askAnother(working)
    }
  }

  #select (): Selection {
    const activeDomains = new Set<string>()

    for (const run of this.#active) {
      for (const domain of run.candidate.provider.domains) {
        activeDomains.add(domain)
      }
    }

    return selectProvider({
      candidates: this.#candidates.views(this.#env.clock.now()),
      size: this.#size,
      activeDomains,
      allowFallback: this.#allowFallback,
      random: this.#env.random
    }, this.#env.params.select)
  }

  get #size (): number {
    return this.#init.want.size ?? USUAL_BLOCK
  }

  /** Nobody is working on it: ask somebody, or find somebody, or give up */
  #next (): void {
    if (this.#attempts >= this.#env.params.rounds.maxAttempts) {
      this.#giveUp()
      return
    }

    const selection = this.#select()

    if (selection.chosen != null) {
      this.#whenSlotFree(() => {
        // while it queued the world moved on
        const fresh = this.#select()

        if (fresh.chosen == null) {
          return false
        }

        this.#dispatch(fresh, fresh.chosen, this.#attempts === 0 ? 'first' : 'next')
        this.#shadow(fresh)
        return true
      })
      return
    }

    if (selection.skipped.some(({ reason }) => reason === 'busy')) {
      this.#roomWatch()
      this.#roomWatch = this.#env.slots.whenRoom(this.#client, this.#init.request.priority, () => {
        const room = this.#select().chosen != null

        if (room) {
          this.#roomWatch()
          this.#pump()
        }

        return room
      })
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

    if (this.#active.size > 0) {
      // a parked attempt (foreign code that says nothing until it is done) may still deliver
      return
    }

    this.#anotherRound(selection)
  }

  /** A lookup that takes its time does not keep the last resort waiting for ever */
  #fallbackSoon (): void {
    if (!this.#allowFallback && !this.#fallbackScheduled) {
      this.#fallbackScheduled = true
      this.#cancelFallback = this.#env.clock.schedule(FALLBACK_DELAY, () => {
        this.#allowFallback = true
        this.#pump()
      })
    }
  }

  #anotherRound (selection: Selection): void {
    if (this.#roundPending) {
      return
    }

    const { rounds } = this.#env.params
    const now = this.#env.clock.now()
    const tally = this.#candidates.tally()
    const transient = (['unreachable', 'overloaded', 'stalled'] as const).some(outcome => (tally.get(outcome) ?? 0) > 0) ||
      selection.skipped.some(({ reason }) => reason === 'backing off') || this.#lookups.failures > 0

    if (!transient || this.#round >= rounds.max) {
      this.#giveUp()
      return
    }

    const retryAt = Math.min(...selection.skipped.map(skip => skip.until ?? Infinity))
    const pause = rounds.pause * 2 ** (this.#round - 1)
    const wait = Math.max(pause, Number.isFinite(retryAt) ? retryAt - now : 0)

    if (now + wait >= this.#init.request.deadline) {
      this.#giveUp()
      return
    }

    this.#round++
    this.#init.timeline.add('discovery', `round ${this.#round} in ${Math.round(wait)} ms`)
    this.#roundPending = true
    this.#cancelRound = this.#env.clock.schedule(wait, () => {
      this.#roundPending = false
      this.#candidates.nextRound()
      this.#lookups.again()
      this.#pump()
    })
  }

  #giveUp (): void {
    const tally = this.#candidates.tally()
    const count = (outcome: Outcome): number => tally.get(outcome) ?? 0
    const answers = count('not-here') + count('refused')
    const excusable = count('unreachable') + count('overloaded') + count('stalled') + count('invalid')
    const asked = [...tally].map(([outcome, n]) => `${n} ${outcome}`).join(', ')
    const why = this.#candidates.size === 0
      ? 'no providers found'
      : asked === '' ? 'every known provider is backing off' : `asked ${this.#attempts} time${this.#attempts === 1 ? '' : 's'}: ${asked}`

    // everybody answered, and the answer was no: asking again soon is pointless
    const certain = excusable === 0 && this.#lookups.failures === 0 && (answers > 0 || this.#candidates.size === 0)
    const kind = excusable === 0 && count('refused') === 0 && (answers > 0 || this.#candidates.size === 0) ? 'not-found' : 'failed'
    this.#finish({ kind, errors: this.#errors, certain, why })
  }

  #dispatch (selection: Selection, chosen: CandidateView, reason: AttemptSummary['reason']): AttemptRun {
    const { env, want, request, timeline } = this.#init
    const summary: AttemptSummary = {
      attempt: timeline.attempts.length + 1,
      provider: chosen.provider.id,
      transport: chosen.route.transport,
      reason,
      because: selection.because,
      startedAt: timeline.elapsed,
      bytes: 0
    }
    timeline.attempts.push(summary)

    for (const { candidate, reason: why } of selection.skipped) {
      if (why !== 'last resort') {
        timeline.add('skip', why, { provider: candidate.provider.id })
      }
    }

    this.#attempts++
    env.stats.attempts++
    this.#candidates.began(chosen)

    for (const { provider, route } of selection.passed) {
      env.reputation.passOver(provider.id, route)
    }

    if (chosen.view.breaker === 'half-open') {
      env.reputation.probing(chosen.provider.id)
    }

    env.slots.enter(chosen.provider.id)
    const foreign = chosen.route.transport === 'broker'
    const run: AttemptRun = new AttemptRun({
      clock: env.clock,
      verifier: env.verifier,
      fetcher: this.#candidates.fetcher(chosen),
      want,
      candidate: chosen,
      request: reason === 'shadow' ? request.with({ purpose: 'shadow' }) : request,
      summary,
      // foreign code dials and looks up by itself: its connect time is not ours to judge
      timeouts: { ...attemptTimeouts(chosen.view, this.#usual(0.95, 4), env.params.timeouts), ...(foreign ? { connect: Infinity } : {}) },
      ceiling: env.params.timeouts.ceiling,
      onSilence: () => foreign ? 'park' : this.#anybodyElse() ? 'stop' : 'wait',
      onPhase: phase => {
        this.#init.onProgress(phase, { provider: chosen.provider.id, attempt: summary.attempt })

        if (phase === 'first-byte') {
          this.#observe(run)
        }
      },
      onSettled: result => { this.#settled(run, result, reason) }
    })
    this.#active.add(run)
    this.#init.onProgress('attempt', { provider: chosen.provider.id, transport: chosen.route.transport, attempt: summary.attempt, reason, because: selection.because })
    run.start()

    if (foreign) {
      this.#parkSoon(run)
    }

    if (reason !== 'shadow' && request.mode !== 'strict') {
      this.#hedge.arm()
    }

    return run
  }

  /** Foreign code does not report phases: after the usual wait others are asked as well, and it goes on beside them */
  #parkSoon (run: AttemptRun): void {
    const wait = attemptTimeouts(run.candidate.view, undefined, this.#env.params.timeouts).firstByte
    const cancel = this.#env.clock.schedule(wait, () => {
      if (this.#active.has(run) && !run.answering) {
        run.parked = true
        this.#pump()
      }
    })
    this.#parkTimers.push(cancel)
  }

  /** The recent attempts' quantile times a factor: what is usual right now for a block of this size */
  #usual (q: number, factor = 1): number | undefined {
    const { windows } = this.#env
    const quantile = windows.classes[sizeClass(this.#size)]?.quantile(q) ?? windows.all.quantile(q)
    return quantile == null ? undefined : quantile * factor
  }

  /** How long this attempt took to its first byte, or has taken without one */
  #observe (run: AttemptRun): void {
    if (run.candidate.route.transport !== 'broker') {
      const ms = this.#env.clock.now() - run.startedAt
      this.#env.windows.classes[sizeClass(this.#size)]?.add(ms)
      this.#env.windows.all.add(ms)
    }
  }

  /** No first byte in the usual time: ask a second provider, if there is one and the budget allows */
  #askAnother (working: readonly AttemptRun[]): void {
    if (working.length >= this.#env.params.hedge.maxConcurrent) {
      return
    }

    const selection = this.#select()

    if (selection.chosen == null) {
      // they are slow: time to tell discovery, and to let the last resort in
      if (this.#lookups.stage === 'deferred') {
        this.#lookups.topUp()
      } else if (!this.#allowFallback && this.#lookups.stage === 'done') {
        this.#allowFallback = true
        this.#pump()
      }

      return
    }

    if (!this.#env.slots.tryAcquire(this.#client)) {
      this.#hedge.arm()
    } else if (!this.#hedge.spend()) {
      this.#env.slots.release(this.#client)
    } else {
      this.#env.stats.hedges++
      this.#dispatch(selection, selection.chosen, 'hedge')
    }
  }

  /** Now and then a provider that nobody has measured lately is asked too, within the hedging budget */
  #shadow (selection: Selection): void {
    const { params, random, hedges, stats, slots } = this.#env

    if (this.#init.request.mode !== 'open' || random.next() >= params.hedge.shadowShare) {
      return
    }

    const stale = selection.passed.filter(({ view, provider, route }) => {
      return view.latency.weight < params.select.staleWeight && !provider.fallback && route.transport !== 'broker'
    })
    const unmeasured = selectProvider({
      candidates: stale,
      size: this.#size,
      activeDomains: new Set(),
      allowFallback: false,
      random
    }, { ...params.select, exploration: params.select.curiosity }).chosen

    if (unmeasured == null || !slots.tryAcquire(this.#client)) {
      return
    }

    if (!hedges.spend(1)) {
      slots.release(this.#client)
      return
    }

    stats.shadows++
    this.#dispatch({ chosen: unmeasured, because: 'measured beside the chosen one', skipped: [], passed: [] }, unmeasured, 'shadow')
  }

  #anybodyElse (): boolean {
    return this.#select().chosen != null || [...this.#active].filter(run => !run.parked).length > 1
  }

  #settled (run: AttemptRun, result: AttemptResult, reason: AttemptSummary['reason']): void {
    const env = this.#env
    const { provider, route } = run.candidate
    const now = env.clock.now()
    this.#active.delete(run)
    env.slots.leave(provider.id)
    env.stats.outcomes[result.outcome]++
    this.#candidates.ended(run.candidate, result.outcome)
    env.reputation.record(provider.id, route, result.outcome, result.sample, now)

    if (!run.answering) {
      this.#observe(run)
    }

    if (result.outcome === 'not-here') {
      this.#init.group.lacked(provider.id)
    }

    if (result.outcome === 'delivered' && result.bytes != null) {
      if (this.#over) {
        env.stats.bytesWasted += result.bytes.byteLength
      } else {
        env.stats.bytesDelivered += result.bytes.byteLength
        env.stats.hedgesWon += reason === 'hedge' ? 1 : 0
        this.#init.group.delivered(provider)
        this.#init.timeline.add('verify', `the bytes hash to the CID, in ${(result.verifying ?? 0).toFixed(2)} ms`, { provider: provider.id })
        this.#init.onProgress('verify', { provider: provider.id, bytes: result.bytes.byteLength })
        this.#finish({ kind: 'delivered', bytes: result.bytes, provider })
      }
    } else {
      env.stats.bytesWasted += run.summary.bytes

      if (result.error != null && (result.outcome !== 'cancelled' || result.ours === true)) {
        this.#errors.push(result.error)
      }
    }

    this.#init.onProgress('settled', { provider: provider.id, attempt: run.summary.attempt, outcome: result.outcome, bytes: run.summary.bytes })
    env.slots.release(this.#client)
    this.#pump()
  }

  get #client (): string {
    return this.#init.request.client ?? ''
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
    if (!this.#gathering) {
      this.#gathering = true
      this.#cancelGather = this.#env.clock.schedule(0, () => {
        this.#gathering = false
        this.#pump()
      })
    }
  }

  #whenSlotFree (start: () => boolean): void {
    const { slots } = this.#env
    const client = this.#client
    const run = (): void => {
      this.#waiting = () => {}
      this.#queued = false

      if (this.#over || !start()) {
        slots.release(client)
        this.#pump()
      }
    }

    if (slots.tryAcquire(client)) {
      run()
    } else if (slots.full) {
      this.#finish({ kind: 'failed', errors: this.#errors, certain: false, why: 'too many reads are waiting for a free slot' })
    } else {
      this.#queued = true
      this.#queuedPriority = this.#init.request.priority
      this.#waiting = slots.enqueue(client, this.#queuedPriority, run)
    }
  }

  #finish (end: RetrievalEnd | undefined, why = ''): void {
    if (this.#over) {
      return
    }

    this.#over = true
    this.#waiting()
    this.#roomWatch()
    this.#hedge.stop()
    this.#cancelFallback()
    this.#cancelRound()
    this.#cancelGather()
    this.#parkTimers.forEach(cancel => { cancel() })

    for (const run of [...this.#active]) {
      if (run.summary.reason === 'shadow' && end?.kind === 'delivered') {
        this.#leaveRunning(run)
      } else {
        run.cancel(end?.kind === 'delivered' ? 'another provider was faster' : why === '' ? 'the retrieval ended' : why)
      }
    }

    this.#lookups.end(end?.kind === 'delivered')

    if (end != null) {
      this.#init.onEnd(end)
    }
  }

  /** A measurement goes on by itself, but not beyond stop */
  #leaveRunning (run: AttemptRun): void {
    const { background, clock, params } = this.#env
    const end = (): void => {
      cancelTimer()
      background.delete(end)
      run.cancel('measured long enough')
    }
    const cancelTimer = clock.schedule(params.timeouts.ceiling, end)
    background.add(end)
  }
}
