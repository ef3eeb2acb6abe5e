import { FetchError } from '../interface/errors.ts'
import type { CandidateView } from './select.ts'
import type { AttemptTimeouts } from './timeouts.ts'
import type { AttemptSummary } from './timeline.ts'
import type { BlockVerifier } from '../block/verify.ts'
import type { Clock } from '../interface/clock.ts'
import type { BlockFetcher } from '../interface/fetcher.ts'
import type { Outcome } from '../interface/outcome.ts'
import type { Sample } from '../interface/reputation.ts'
import type { Attempt, Request, Want } from '../interface/request.ts'

/** Bytes per ms below which a transfer is given up: 1 kB/s is slower than any modem */
const MIN_PACE = 1

/** More than this would have been seen by now, had it come: a TLS record, and what a socket is read by */
const GRAIN = 16_384

/** A block may be larger than expected: while it comes, this share of what came is still to come */
const LEAST_REST = 0.25

export interface AttemptResult {
  readonly outcome: Outcome
  readonly bytes?: Uint8Array
  readonly error?: FetchError
  readonly sample: Sample
  /** Milliseconds spent on the hash */
  readonly verifying?: number
  /** Cancelled by a failure of ours: the provider is not to blame, the caller should know */
  readonly ours?: boolean
}

export interface AttemptInit {
  readonly clock: Clock
  readonly verifier: BlockVerifier
  readonly fetcher: BlockFetcher
  readonly want: Want
  readonly candidate: CandidateView
  readonly request: Request
  readonly summary: AttemptSummary
  readonly timeouts: AttemptTimeouts
  /** Expected bytes of the block */
  readonly size: number
  /** Longest wait for a first byte, however often `onSilence` says to go on */
  readonly ceiling: number
  /** No first byte in time: `stop` gives up, `wait` goes on for as long again, `park` goes on without a limit */
  onSilence (): 'stop' | 'wait' | 'park'
  onPhase (phase: 'connected' | 'first-byte'): void
  onBytes (bytes: number): void
  onSettled (result: AttemptResult): void
}

/**
 * One provider being asked once: runs the fetcher under its three timers
 * (connect, first byte, stall) and settles exactly once, even when the fetcher
 * ignores its signal.
 */
export class AttemptRun {
  readonly summary: AttemptSummary
  readonly candidate: CandidateView
  readonly #init: AttemptInit
  readonly #controller = new AbortController()
  readonly #startedAt: number
  #connectedAt?: number
  #firstByteAt?: number
  #lastByteAt = 0
  #settled = false
  #cancelTimer: () => void = () => {}
  /** It may go on, but nobody waits for it any more */
  parked = false
  /** For whoever keeps it running after its read */
  whenSettled: () => void = () => {}

  constructor (init: AttemptInit) {
    this.#init = init
    this.summary = init.summary
    this.candidate = init.candidate
    this.#startedAt = init.clock.now()
  }

  get startedAt (): number {
    return this.#startedAt
  }

  get answering (): boolean {
    return this.#firstByteAt != null
  }

  /** Milliseconds since the first byte; undefined before it */
  get transferring (): number | undefined {
    return this.#firstByteAt == null ? undefined : this.#init.clock.now() - this.#firstByteAt
  }

  /** Milliseconds that the rest will take at the pace seen so far; undefined where nothing was seen */
  get remaining (): number | undefined {
    const { transferring, summary: { bytes } } = this
    return transferring == null || bytes === 0 ? undefined : transferring * Math.max(LEAST_REST, this.#init.size / bytes - 1)
  }

  start (): void {
    const { clock, timeouts, fetcher, want, candidate } = this.#init
    this.#arm(timeouts.connect, () => {
      this.#giveUp('unreachable', `no connection within ${Math.round(timeouts.connect)} ms`)
    })

    const attempt: Attempt = {
      request: this.#init.request,
      signal: this.#controller.signal,
      phase: phase => { this.#phase(phase) },
      bytes: n => {
        this.#phase('first-byte')
        this.#lastByteAt = clock.now()
        this.summary.bytes += n
        this.#init.onBytes(n)
      },
      verify: async bytes => this.#init.verifier.verify(want.cid, bytes, { maxBlockSize: want.maxBytes })
    }

    let fetching: Promise<Uint8Array>

    try {
      fetching = fetcher.fetch(want, candidate.route, attempt)
    } catch (err) {
      fetching = Promise.reject(err as Error)
    }

    fetching.then(async bytes => this.#received(bytes), err => { this.#failed(err) })
  }

  /** A race was lost, or nobody is waiting any more */
  cancel (why: string): void {
    this.#settle({ outcome: 'cancelled', error: this.#error('cancelled', why), sample: this.#sample() })
  }

  #phase (phase: 'connected' | 'first-byte'): void {
    if (this.#settled) {
      return
    }

    const now = this.#init.clock.now()

    if (this.#connectedAt == null) {
      this.#connectedAt = now
      this.summary.connectedAt = now - this.#startedAt + this.summary.startedAt
      this.#awaitFirstByte(this.#init.timeouts.firstByte, this.#init.timeouts.firstByte)
      this.#init.onPhase('connected')
    }

    if (phase === 'first-byte' && this.#firstByteAt == null) {
      this.#firstByteAt = now
      this.#lastByteAt = now
      this.summary.firstByteAt = now - this.#startedAt + this.summary.startedAt
      this.#awaitBytes(this.#init.timeouts.stall)
      this.#init.onPhase('first-byte')
    }
  }

  #awaitFirstByte (wait: number, total: number): void {
    this.#arm(wait, () => { this.#afterPoll(() => { this.#judgeSilence(total) }) })
  }

  /** A blocked event loop runs timers before it reads what has long arrived: read first, judge then */
  #afterPoll (judge: () => void): void {
    this.#arm(0, judge)
  }

  #judgeSilence (total: number): void {
    const verdict = this.#init.onSilence()

    if (verdict === 'park') {
      this.parked = true
    } else if (verdict === 'stop' || total >= this.#init.ceiling) {
      this.#giveUp('stalled', `no answer within ${Math.round(total)} ms`)
    } else {
      this.#awaitFirstByte(Math.min(total, this.#init.ceiling - total), Math.min(2 * total, this.#init.ceiling))
    }
  }

  #awaitBytes (wait: number): void {
    const { clock, timeouts } = this.#init
    this.#arm(wait, () => {
      this.#afterPoll(() => {
        const quiet = clock.now() - this.#lastByteAt

        if (quiet >= timeouts.stall) {
          this.#giveUp('stalled', `silent for ${Math.round(quiet)} ms after ${this.summary.bytes} bytes`)
        } else if (this.#crawls()) {
          this.#giveUp('stalled', `only ${this.summary.bytes} bytes in ${Math.round(clock.now() - (this.#firstByteAt ?? 0))} ms`)
        } else {
          // a sum of fractions may leave less than time can show
          this.#awaitBytes(Math.max(1, timeouts.stall - quiet))
        }
      })
    })
  }

  /** A byte now and then keeps the stall timer quiet and the reader waiting: judged once per stall time, by its mean pace */
  #crawls (): boolean {
    const { clock, timeouts } = this.#init
    const elapsed = clock.now() - (this.#firstByteAt ?? clock.now())
    return elapsed >= timeouts.stall && this.summary.bytes < elapsed * MIN_PACE
  }

  #arm (ms: number, fn: () => void): void {
    this.#cancelTimer()
    this.#cancelTimer = Number.isFinite(ms) ? this.#init.clock.schedule(ms, fn) : () => {}
  }

  #giveUp (outcome: 'stalled' | 'unreachable', why: string): void {
    this.#settle({ outcome, error: this.#error(outcome, why), sample: this.#failure(outcome) })
  }

  async #received (bytes: Uint8Array): Promise<void> {
    if (this.#settled) {
      return
    }

    this.#phase('first-byte')
    const end = this.#init.clock.now()

    try {
      const verifying = this.#init.verifier.verify(this.#init.want.cid, bytes, { maxBlockSize: this.#init.want.maxBytes })

      if (verifying != null) {
        await verifying
      }
    } catch (err) {
      if ((err as Error).name === 'UnacceptableHashError') {
        // our hash function failed: nothing is known about the bytes
        this.#settle({ outcome: 'cancelled', error: this.#error('cancelled', (err as Error).message, err), sample: {}, ours: true })
        return
      }

      this.#settle({
        outcome: 'invalid',
        error: this.#error('invalid', (err as Error).message, err as Error),
        sample: this.#sample()
      })
      return
    }

    this.summary.bytes = Math.max(this.summary.bytes, bytes.byteLength)
    this.#settle({
      outcome: 'delivered',
      bytes,
      verifying: this.#init.clock.now() - end,
      sample: { ...this.#sample(), bytes: bytes.byteLength, transfer: end - (this.#firstByteAt ?? end) }
    })
  }

  #failed (err: unknown): void {
    if (this.#settled) {
      return
    }

    const error = err instanceof FetchError || (err as FetchError)?.name === 'FetchError'
      ? err as FetchError
      : this.#error('unreachable', err instanceof Error ? err.message : String(err), err)
    this.#settle({ outcome: error.outcome, error, sample: { ...this.#failure(error.outcome), retryAfter: error.retryAfter } })
  }

  #failure (outcome: Outcome): Sample {
    const { fetcher, candidate } = this.#init
    const hearsay = outcome === 'unreachable' && this.#connectedAt == null && fetcher.proven?.(candidate.route) === false
    return { ...this.#sample(), ...(hearsay ? { hearsay } : {}) }
  }

  /** Latency is measured from the connection on: the next request finds it open */
  #sample (): Sample {
    const now = this.#init.clock.now()
    const from = this.#connectedAt ?? this.#startedAt
    return {
      latency: (this.#firstByteAt ?? now) - from,
      ...(this.#firstByteAt == null ? {} : { answered: true, bytes: this.summary.bytes + GRAIN, transfer: now - this.#firstByteAt }),
      ...(this.#connectedAt == null ? {} : { connect: this.#connectedAt - this.#startedAt })
    }
  }

  #error (outcome: Exclude<Outcome, 'delivered'>, why: string, cause?: unknown): FetchError {
    const { id } = this.candidate.provider
    return new FetchError(outcome, `${id}: ${why}`, { provider: id, ...(cause == null ? {} : { cause }) })
  }

  #settle (result: AttemptResult): void {
    if (this.#settled) {
      return
    }

    this.#settled = true
    this.#cancelTimer()
    this.summary.outcome = result.outcome
    this.summary.message = result.error?.message
    this.summary.endedAt = this.#init.clock.now() - this.#startedAt + this.summary.startedAt

    if (result.outcome !== 'delivered') {
      this.#controller.abort(result.error)
    }

    this.whenSettled()
    this.#init.onSettled(result)
  }
}
