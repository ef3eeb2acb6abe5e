import { answererOf } from '../provider/answerer.ts'
import { AttemptRun } from './attempt.ts'
import { sizeClass } from './latency-window.ts'
import { attemptTimeouts } from './timeouts.ts'
import type { AttemptResult } from './attempt.ts'
import type { Candidates } from './candidates.ts'
import type { RoutingEnvironment } from './environment.ts'
import type { Load } from './lines.ts'
import type { RoutingRequest } from './request.ts'
import type { CandidateView, Selection } from './select.ts'
import type { AttemptSummary, Timeline } from './timeline.ts'
import type { ProviderId } from '../interface/provider.ts'
import type { Want } from '../interface/request.ts'

/** What a block is taken to weigh where no link told: the usual UnixFS leaf */
const USUAL_BLOCK = 262_144

/** The timeout of a route is capped at four times what all but one in twenty attempts need */
const CAP_QUANTILE = 0.95
const CAP_FACTOR = 4

/** While hardly a transfer was seen, one is slow at this many times what a provider that nobody measured is expected to need */
const COLD_TRANSFER_FACTOR = 2

/** A few transfers say more about a link than any guess: a slow one must not cost the budget for hedges */
const LEAST_TRANSFERS = 3

/** And this much beyond what is usual: on an even link they all take the same, and half of them a moment longer */
const TRANSFER_SLACK = 1.25

/** Milliseconds that nobody else is asked beside a node of our own fleet: many times what one nearby takes, and hardly felt when one is dead */
const SIBLING_PATIENCE = 50

export interface AttemptsInit {
  readonly env: RoutingEnvironment
  readonly want: Want
  readonly request: RoutingRequest
  readonly timeline: Timeline
  readonly candidates: Candidates
  /** Is there another provider that could be asked instead? */
  anybodyElse (): boolean
  /** An attempt went on without anybody waiting for it */
  onParked (): void
  /** It is out of the active set; its provider's place is free and its outcome is on record */
  onSettled (run: AttemptRun, result: AttemptResult): void
  onProgress (phase: string, detail: Record<string, unknown>): void
}

/** The providers being asked for one block right now */
export class Attempts {
  readonly #init: AttemptsInit
  readonly #active = new Set<AttemptRun>()
  readonly #timers: Array<() => void> = []
  /** How many were made */
  count = 0

  constructor (init: AttemptsInit) {
    this.#init = init
  }

  /** Those that somebody waits for */
  get working (): AttemptRun[] {
    return [...this.#active].filter(run => !run.parked)
  }

  get size (): number {
    return this.#active.size
  }

  get domains (): Set<string> {
    return new Set([...this.#active].flatMap(run => run.candidate.provider.domains))
  }

  /** Expected bytes of the block */
  get expectedSize (): number {
    return this.#init.want.size ?? USUAL_BLOCK
  }

  /** A quantile of the recent attempts over all providers: what is usual right now for a block of this size */
  usual (quantile: number): number | undefined {
    const { windows } = this.#init.env
    return windows.classes[sizeClass(this.expectedSize)]?.quantile(quantile) ?? windows.all.quantile(quantile)
  }

  /** Milliseconds from the first byte to the last within which most blocks of this size come */
  get usualTransfer (): number {
    const { windows, params: { hedge, select } } = this.#init.env
    const usual = windows.transfers[sizeClass(this.expectedSize)]?.quantile(hedge.quantile, LEAST_TRANSFERS)
    return Math.max(hedge.minDelay, usual == null ? COLD_TRANSFER_FACTOR * this.expectedSize / select.coldThroughput : usual * TRANSFER_SLACK)
  }

  /** Milliseconds for which those that have begun to answer need no help: 0 when none has, or when all of them crawl */
  get patience (): number {
    const { env } = this.#init
    const { quantile, coldDelay } = env.params.hedge
    const { usualTransfer } = this
    const another = this.usual(quantile) ?? coldDelay
    const waits = this.working.map(({ startedAt, transferring, remaining = Infinity, candidate }) => {
      if (transferring == null) {
        // where bytes are told late a block is silent while it comes, and another would take as long
        const onItsWay = lineTime(candidate, this.expectedSize)
        return onItsWay === 0 ? 0 : startedAt + another + onItsWay - env.clock.now()
      }

      const early = usualTransfer + lineTime(candidate) - transferring
      // late, but sooner done than another one would be: judged again when that one would have begun
      return early > 0 ? early : remaining <= another + usualTransfer ? Math.max(1, Math.min(remaining, another)) : 0
    }).filter(wait => wait > 0)
    return waits.length === 0 ? 0 : Math.min(...waits)
  }

  /** Asks; the caller holds a slot, which goes back when the attempt has settled */
  start (selection: Selection, chosen: CandidateView, reason: AttemptSummary['reason']): void {
    const { env, want, request, candidates, onProgress } = this.#init
    const { id } = chosen.provider
    const summary = this.#note(selection, chosen, reason)
    const foreign = chosen.route.transport === 'broker'
    const sibling = chosen.route.transport === 'sibling'
    const cap = this.usual(CAP_QUANTILE)
    const timeouts = attemptTimeouts(chosen.view, cap == null ? undefined : cap * CAP_FACTOR, env.params.timeouts)

    this.count++
    env.stats.attempts++
    candidates.began(chosen)

    for (const { provider, route } of selection.passed) {
      env.reputation.passOver(provider.id, route)
    }

    if (chosen.view.breaker === 'half-open') {
      env.reputation.probing(id, chosen.route)
    }

    env.slots.enter(answererOf(chosen.route))
    const load = env.slots.lines.began(answererOf(chosen.route), this.expectedSize, env.clock.now())
    const run: AttemptRun = new AttemptRun({
      clock: env.clock,
      verifier: env.verifier,
      fetcher: candidates.fetcher(chosen),
      want,
      candidate: chosen,
      request: reason === 'shadow' ? request.with({ purpose: 'shadow' }) : request,
      summary,
      size: this.expectedSize,
      // foreign code dials and looks up by itself: its connect time is not ours to judge
      timeouts: foreign ? { ...timeouts, connect: Infinity } : timeouts,
      ceiling: env.params.timeouts.ceiling,
      onSilence: () => foreign ? 'park' : sibling || this.#init.anybodyElse() || this.working.length > 1 ? 'stop' : 'wait',
      onPhase: phase => {
        onProgress(phase, { provider: id, attempt: summary.attempt })

        if (phase === 'first-byte') {
          load.answered()
          this.#observe(run)
        }
      },
      onBytes: bytes => { load.arrived(bytes, env.clock.now()) },
      onSettled: result => { this.#settled(run, result, load) }
    })
    this.#active.add(run)
    onProgress('attempt', { provider: id, transport: chosen.route.transport, attempt: summary.attempt, reason, because: selection.because })
    run.start()

    if (foreign) {
      this.#parkAfter(run, timeouts.firstByte)
    } else if (sibling) {
      // usually at once or never: others are asked beside one that takes longer
      this.#parkAfter(run, Math.min(timeouts.firstByte, Math.max(SIBLING_PATIENCE, 2 * (chosen.view.rtt?.mean ?? 0))))
    }
  }

  /** The read is over: losers are cancelled, a measurement beside a successful read goes on */
  end (delivered: boolean, why: string): void {
    this.#timers.forEach(cancel => { cancel() })

    for (const run of [...this.#active]) {
      if (delivered && run.summary.reason === 'shadow') {
        this.#leaveRunning(run)
      } else {
        run.cancel(why)
      }
    }
  }

  #note (selection: Selection, chosen: CandidateView, reason: AttemptSummary['reason']): AttemptSummary {
    const { timeline } = this.#init
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

    return summary
  }

  #settled (run: AttemptRun, result: AttemptResult, load: Load): void {
    const { env, candidates } = this.#init
    const { provider, route } = run.candidate
    const now = env.clock.now()
    const line = load.ended(now, result.outcome === 'delivered' ? result.bytes?.byteLength : undefined)
    this.#active.delete(run)
    env.stats.outcomes[result.outcome]++
    candidates.ended(run.candidate, result.outcome)
    env.reputation.record(provider.id, route, result.outcome, line > 0 ? { ...result.sample, line } : result.sample, now)

    if (!run.answering) {
      this.#observe(run)
    } else if (route.transport !== 'broker') {
      env.windows.transfers[sizeClass(this.expectedSize)]?.add(run.transferring ?? 0)
    }

    this.#learnLimit(answererOf(route), result)
    env.slots.leave(answererOf(route))
    this.#init.onSettled(run, result)
  }

  /** What it tells of how many more its provider bears; foreign code asks whom it likes */
  #learnLimit (answerer: ProviderId, { outcome, sample }: AttemptResult): void {
    const { slots, clock } = this.#init.env

    if (outcome === 'delivered' && sample.latency != null) {
      slots.providers.answered(answerer, sample.latency, slots.providerInFlight(answerer), clock.now())
    } else if (outcome === 'overloaded' || outcome === 'stalled' || outcome === 'unreachable') {
      slots.providers.failed(answerer, outcome, clock.now())
    }
  }

  /** How long this attempt took to its first byte, or has taken without one */
  #observe (run: AttemptRun): void {
    if (run.candidate.route.transport !== 'broker') {
      const { windows, clock } = this.#init.env
      const ms = clock.now() - run.startedAt
      windows.classes[sizeClass(this.expectedSize)]?.add(ms)
      windows.all.add(ms)
    }
  }

  /** Foreign code does not report phases: after the usual wait others are asked as well, and it goes on beside them */
  #parkAfter (run: AttemptRun, wait: number): void {
    this.#timers.push(this.#init.env.clock.schedule(wait, () => {
      if (this.#active.has(run) && !run.answering) {
        run.parked = true
        this.#init.onParked()
      }
    }))
  }

  /** It goes on by itself, but neither for long nor beyond stop */
  #leaveRunning (run: AttemptRun): void {
    const { background, clock, params } = this.#init.env
    const end = (): void => {
      cancelTimer()
      background.delete(end)
      run.cancel('measured long enough')
    }
    const cancelTimer = clock.schedule(params.timeouts.ceiling, end)
    background.add(end)
    run.whenSettled = () => {
      cancelTimer()
      background.delete(end)
    }
  }
}

/** Milliseconds that its line needs for what was asked for before, and for so many bytes more: a block behind a queue is not late */
function lineTime ({ line: { queued, pace } = { queued: 0 } }: CandidateView, more = 0): number {
  return pace == null ? 0 : (queued + more) / pace
}
