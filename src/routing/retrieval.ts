import { AttemptRun } from './attempt.ts'
import { Candidates } from './candidates.ts'
import { sizeClass } from './latency-window.ts'
import { lookup } from './lookup.ts'
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
import type { Provider, ProviderSource } from '../interface/provider.ts'
import type { Want } from '../interface/request.ts'

/** What a block is taken to weigh where no link told: the usual UnixFS leaf */
const USUAL_BLOCK = 262_144

/** A group with fewer deliverers than this looks for more in the background */
const ENOUGH_DELIVERERS = 2

/** Not more often than this, in ms, per group */
const TOP_UP_INTERVAL = 10_000

export type RetrievalEnd =
  | { readonly kind: 'delivered', readonly bytes: Uint8Array, readonly provider: Provider }
  | { readonly kind: 'not-found', readonly errors: readonly FetchError[], readonly certain: boolean, readonly why: string }
  | { readonly kind: 'failed', readonly errors: readonly FetchError[], readonly why: string }

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

type LookupStage = 'deferred' | 'running' | 'done'

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
  readonly #lookups = new AbortController()
  #lookupStage: LookupStage = 'deferred'
  #lookupFailures = 0
  #lastResortAsked = false
  #parentAsked = false
  #allowFallback = false
  #attempts = 0
  #hedges = 0
  #hedgeDue = false
  #denials = 0
  #round = 1
  #over = false
  #queued = false
  #gathering = false
  #waiting: () => void = () => {}
  #roomWatch: () => void = () => {}
  #cancelHedge: () => void = () => {}
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
      onUnusable: (provider, why) => { init.timeline.add('skip', why, { provider: provider.id }) }
    })
  }

  start (): void {
    const { group, request, timeline } = this.#init
    this.#env.hedges.earn()

    for (const fetcher of this.#env.fetchers()) {
      for (const provider of fetcher.standing?.() ?? []) {
        this.#candidates.add(provider)
      }
    }

    for (const { provider } of group.members) {
      this.#candidates.add(provider)
    }

    if (group.size > 0) {
      timeline.add('discovery', `${group.size} provider${group.size === 1 ? '' : 's'} known from this DAG`)
    }

    this.addHints(request.hints)

    // those who delivered this DAG, or were named by the caller, are asked before anybody is told what we look for
    if (group.deliverers === 0 && request.hints.length === 0) {
      this.#startLookup()
    } else if (group.deliverers > 0 && group.deliverers < ENOUGH_DELIVERERS && group.size < ENOUGH_DELIVERERS) {
      this.#topUp()
    }

    this.#pump()
  }

  /** New hints enter a retrieval that is already under way */
  addHints (hints: readonly Provider[]): void {
    for (const hint of hints) {
      this.#init.timeline.found.set(hint.id, hint.source)
      this.#candidates.add(hint)
      this.#init.group.add(hint)
    }

    if (hints.length > 0 && this.#attempts > 0) {
      this.#pump()
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
    } else if (this.#hedgeDue && !working.some(run => run.answering)) {
      this.#hedge(working)
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
      this.#roomWatch = this.#env.slots.whenRoom(() => {
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
    if (this.#lookupStage === 'deferred') {
      this.#startLookup()
      return
    }

    if (this.#lookupStage === 'running') {
      return
    }

    if (this.#init.parent != null && !this.#parentAsked) {
      this.#parentAsked = true
      this.#init.timeline.add('discovery', 'no provider of its own: looking for the root of its DAG')
      this.#runLookup(this.#init.parent, this.#ordinarySources())
      return
    }

    if (!this.#lastResortAsked) {
      this.#lastResortAsked = true
      const sources = this.#init.request.mode === 'open' ? this.#env.sources().filter(source => source.lastResort === true) : []

      if (sources.length > 0) {
        this.#runLookup(this.#init.want, sources)
        return
      }
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

  #anotherRound (selection: Selection): void {
    const { rounds } = this.#env.params
    const now = this.#env.clock.now()
    const tally = this.#candidates.tally()
    const transient = (['unreachable', 'overloaded', 'stalled'] as const).some(outcome => (tally.get(outcome) ?? 0) > 0) ||
      selection.skipped.some(({ reason }) => reason === 'backing off') || this.#lookupFailures > 0

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
    this.#cancelRound = this.#env.clock.schedule(wait, () => {
      this.#candidates.nextRound()
      this.#lookupStage = 'deferred'
      this.#parentAsked = false
      this.#lastResortAsked = false
      this.#startLookup()
      this.#pump()
    })
  }

  #giveUp (): void {
    const tally = this.#candidates.tally()
    const count = (outcome: Outcome): number => tally.get(outcome) ?? 0
    const excusable = count('unreachable') + count('overloaded') + count('stalled') + count('invalid')
    const asked = [...tally].map(([outcome, n]) => `${n} ${outcome}`).join(', ')
    const why = this.#candidates.size === 0
      ? 'no providers found'
      : asked === '' ? 'every known provider is backing off' : `asked ${this.#attempts} time${this.#attempts === 1 ? '' : 's'}: ${asked}`

    if (excusable === 0 && (count('not-here') + count('refused') > 0 || this.#candidates.size === 0)) {
      this.#finish({ kind: 'not-found', errors: this.#errors, certain: this.#lookupFailures === 0, why })
    } else {
      this.#finish({ kind: 'failed', errors: this.#errors, why })
    }
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

    if (reason !== 'shadow') {
      this.#armHedge()
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
    this.#lookups.signal.addEventListener('abort', cancel, { once: true })
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

  #armHedge (): void {
    const { hedge } = this.#env.params

    if (this.#init.request.mode === 'strict' || hedge.share === 0) {
      return
    }

    this.#cancelHedge()
    this.#hedgeDue = false
    this.#cancelHedge = this.#env.clock.schedule(this.#hedgeDelay(), () => {
      this.#hedgeDue = true
      this.#pump()
    })
  }

  #hedgeDelay (): number {
    const recent = this.#usual(this.#env.params.hedge.quantile)
    return this.#env.hedges.delay(recent == null ? this.#hedges : 0, recent)
  }

  /** No first byte in the usual time: ask a second provider, if there is one and the budget allows */
  #hedge (working: readonly AttemptRun[]): void {
    if (working.length >= this.#env.params.hedge.maxConcurrent) {
      return
    }

    const selection = this.#select()

    if (selection.chosen == null) {
      // they are slow: time to tell discovery, and to let the last resort in
      if (this.#lookupStage === 'deferred') {
        this.#startLookup()
      } else if (!this.#allowFallback && this.#lookupStage === 'done') {
        this.#allowFallback = true
        this.#pump()
      }

      return
    }

    const client = this.#client

    if (!this.#env.hedges.spend(this.#denials > 1 ? 0 : this.#env.params.hedge.reserve) || !this.#env.slots.tryAcquire(client)) {
      this.#denials++
      this.#hedgeDue = false
      this.#cancelHedge()
      this.#cancelHedge = this.#env.clock.schedule(Math.max(this.#hedgeDelay() / 4, 1), () => {
        this.#hedgeDue = true
        this.#pump()
      })
      return
    }

    this.#denials = 0

    this.#hedges++
    this.#env.stats.hedges++
    this.#dispatch(selection, selection.chosen, 'hedge')
  }

  /** Now and then a provider that nobody has measured lately is asked too, within the hedging budget */
  #shadow (selection: Selection): void {
    const { params, random, hedges, stats, slots } = this.#env

    if (this.#init.request.mode !== 'open' || random.next() >= params.hedge.shadowShare) {
      return
    }

    const unmeasured = selection.passed
      .filter(({ view, provider, route }) => view.latency.weight < 1 && !provider.fallback && route.transport !== 'broker')
      .sort((a, b) => b.view.passedOver - a.view.passedOver)[0]

    if (unmeasured == null || !hedges.spend(2) || !slots.tryAcquire(this.#client)) {
      return
    }

    stats.shadows++
    this.#dispatch({ chosen: unmeasured, because: 'measured beside the chosen one', skipped: [], passed: [] }, unmeasured, 'shadow')
  }

  #anybodyElse (): boolean {
    return this.#select().chosen != null || [...this.#active].filter(run => !run.parked).length > 1
  }

  #settled (run: AttemptRun, result: AttemptResult, reason: AttemptSummary['reason']): void {
    const { env } = this
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
        this.#finish({ kind: 'delivered', bytes: result.bytes, provider })
      }
    } else {
      env.stats.bytesWasted += run.summary.bytes

      if (result.error != null && result.outcome !== 'cancelled') {
        this.#errors.push(result.error)
      }
    }

    this.#init.onProgress('settled', { provider: provider.id, attempt: run.summary.attempt, outcome: result.outcome, bytes: run.summary.bytes })
    env.slots.release(this.#client)
    this.#pump()
  }

  get env (): RoutingEnvironment {
    return this.#env
  }

  get #client (): string {
    return this.#init.request.client ?? ''
  }

  #ordinarySources (): readonly ProviderSource[] {
    return this.#env.sources().filter(source => source.lastResort !== true)
  }

  #startLookup (): void {
    if (this.#lookupStage !== 'deferred') {
      return
    }

    this.#runLookup(this.#init.want, this.#ordinarySources())
  }

  #runLookup (want: Want, sources: readonly ProviderSource[]): void {
    if (sources.length === 0) {
      this.#lookupStage = 'done'
      this.#pump()
      return
    }

    const { env } = this
    this.#lookupStage = 'running'
    this.#init.group.lookedUpAt = env.clock.now()
    env.stats.lookups++
    this.#init.onProgress('discovery', { cid: want.cid.toString() })
    const end = (): void => { this.#lookups.abort() }
    env.background.add(end)

    lookup({
      clock: env.clock,
      sources,
      want,
      request: this.#init.request.with({ signal: this.#lookups.signal }),
      timeline: this.#init.timeline,
      params: env.params.lookup,
      onProvider: provider => { this.#found(provider) },
      onError: (source, err) => {
        env.stats.lookupsFailed++
        env.log.error('source %s failed for %s - %e', source, want.cid, err)
      }
    }).then(({ failed }) => {
      this.#lookupFailures += failed
    }, err => {
      env.log.error('lookup for %s failed - %e', want.cid, err)
      this.#lookupFailures++
    }).finally(() => {
      env.background.delete(end)
      this.#lookupStage = 'done'
      this.#pump()
    })
  }

  /** Beside the read, which does not wait for it */
  #topUp (): void {
    if (this.#env.clock.now() - this.#init.group.lookedUpAt > TOP_UP_INTERVAL) {
      this.#startLookup()
    }
  }

  #found (provider: Provider): void {
    this.#env.stats.providersFound++
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
    } else {
      this.#queued = true
      this.#waiting = slots.enqueue(client, this.#init.request.priority, run)
    }
  }

  #finish (end: RetrievalEnd | undefined, why = ''): void {
    if (this.#over) {
      return
    }

    this.#over = true
    this.#waiting()
    this.#roomWatch()
    this.#cancelHedge()
    this.#cancelRound()
    this.#cancelGather()

    for (const run of [...this.#active]) {
      if (run.summary.reason === 'shadow' && end?.kind === 'delivered') {
        this.#leaveRunning(run)
      } else {
        run.cancel(end?.kind === 'delivered' ? 'another provider was faster' : why === '' ? 'the retrieval ended' : why)
      }
    }

    if (this.#lookupStage === 'running') {
      this.#endLookup(end?.kind === 'delivered')
    } else {
      this.#lookups.abort()
    }

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

  /** More providers of the same DAG are worth a moment; after a failure they are not */
  #endLookup (linger: boolean): void {
    if (!linger) {
      this.#lookups.abort()
      return
    }

    const cancel = this.#env.clock.schedule(this.#env.params.lookup.linger, () => { this.#lookups.abort() })
    this.#lookups.signal.addEventListener('abort', cancel, { once: true })
  }
}
