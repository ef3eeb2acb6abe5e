import type { AttemptTimeouts } from './timeouts.ts'
import type { Clock } from '../interface/clock.ts'
import type { Sample } from '../interface/reputation.ts'

/** Bytes per ms below which a stream is given up, as a transfer of one block is */
const MIN_PACE = 1

/** Milliseconds of waiting that the pace of late is reckoned from, once or twice as long: a pause of the line hardly shows, a fast start is soon forgotten */
const LATE = 1_000

export interface FeedTimerInit {
  readonly clock: Clock
  readonly timeouts: AttemptTimeouts
  /** Bytes per ms below which it is no help, although no fault; `own` is what it once came with, 0 when that is not known */
  leastPace (own: number): number
  /** `cancelled`: only slower than others */
  onLate (outcome: 'stalled' | 'unreachable' | 'cancelled', why: string): void
}

interface Mark {
  readonly waited: number
  readonly bytes: number
}

const START: Mark = { waited: 0, bytes: 0 }

/** Measures a stream, and gives it up when it is silent or crawls; only time in which something was waited for counts */
export class FeedTimer {
  readonly #init: FeedTimerInit
  readonly #startedAt: number
  #connectedAt?: number
  #firstByteAt?: number
  #lastByteAt = 0
  /** Since when something is waited for, if it is */
  #pullingSince?: number
  /** Milliseconds waited, and bytes that came, since the pace was looked at last */
  #recentWait = 0
  #recentBytes = 0
  /** Milliseconds spent waiting for bytes after the first */
  #waited = 0
  #bytes = 0
  /** Milliseconds waited and bytes that had come at two moments, between which `LATE` was waited; the pace of late counts from the first */
  #marks: [Mark, Mark] = [START, START]
  /** Bytes per ms in the best stretch so far */
  #own = 0
  #stopped = false
  #cancel: () => void = () => {}

  constructor (init: FeedTimerInit) {
    this.#init = init
    this.#startedAt = init.clock.now()
  }

  get bytes (): number {
    return this.#bytes
  }

  /** For the provider's record */
  get sample (): Sample {
    const connectedAt = this.#connectedAt ?? this.#startedAt
    return {
      latency: (this.#firstByteAt ?? this.#init.clock.now()) - connectedAt,
      ...(this.#firstByteAt == null ? {} : { answered: true, bytes: this.#bytes, transfer: this.#waited }),
      ...(this.#connectedAt == null ? {} : { connect: connectedAt - this.#startedAt })
    }
  }

  phase (phase: 'connected' | 'first-byte'): void {
    const now = this.#init.clock.now()

    if (this.#connectedAt == null) {
      this.#connectedAt = now
      this.#watch()
    }

    if (phase === 'first-byte' && this.#firstByteAt == null) {
      this.#firstByteAt = now
      this.#lastByteAt = now
      this.#pullingSince = now
      this.#watch()
    }
  }

  received (bytes: number): void {
    this.phase('first-byte')
    this.#mark()
    this.#bytes += bytes
    this.#recentBytes += bytes
    this.#lastByteAt = this.#init.clock.now()
  }

  /** From here on it is the provider's turn, until the next block is whole */
  pull (): void {
    if (!this.#stopped) {
      this.#pullingSince = this.#init.clock.now()
      this.#watch()
    }
  }

  /** A block is whole: what it takes to give it away is our time */
  rest (): void {
    this.#waited += this.#pulled
    this.#recentWait += this.#pulled
    this.#pullingSince = undefined
    this.#cancel()
    this.#judgePace()
  }

  /** Milliseconds until so many bytes have come at the pace of late; Infinity before the first, and while none have come for as long as that */
  eta (bytes: number): number {
    if (this.#firstByteAt == null || this.#bytes === 0) {
      return Infinity
    }

    const [since] = this.#marks
    const came = this.#bytes - since.bytes
    const eta = came === 0 ? Infinity : bytes * (this.#waited + this.#pulled - since.waited) / came
    const quiet = this.#pullingSince == null ? 0 : this.#init.clock.now() - Math.max(this.#lastByteAt, this.#pullingSince)
    return quiet > eta ? Infinity : eta
  }

  stop (): void {
    this.rest()
    this.#stopped = true
  }

  #mark (): void {
    const waited = this.#waited + this.#pulled
    const [, late] = this.#marks

    if (waited - late.waited >= LATE) {
      this.#marks = [late, { waited, bytes: this.#bytes }]
    }
  }

  get #pulled (): number {
    return this.#firstByteAt == null || this.#pullingSince == null ? 0 : this.#init.clock.now() - this.#pullingSince
  }

  /** How long nothing may come, and what that would mean */
  get #limit (): [number, string] {
    const { timeouts: { connect, firstByte, stall } } = this.#init
    return this.#connectedAt == null ? [connect, 'no connection'] : this.#firstByteAt == null ? [firstByte, 'no answer'] : [stall, 'silent']
  }

  #watch (): void {
    // before the first pull there is nothing to wait for
    if (this.#pullingSince != null && !this.#stopped) {
      this.#arm(this.#limit[0])
    }
  }

  /** A blocked event loop runs timers before it reads what has long arrived: read first, judge then */
  #arm (ms: number): void {
    const { clock } = this.#init
    this.#cancel()
    this.#cancel = clock.schedule(ms, () => {
      this.#cancel = clock.schedule(0, () => { this.#check() })
    })
  }

  #check (): void {
    const { clock, timeouts: { stall }, onLate } = this.#init
    const now = clock.now()
    const [limit, what] = this.#limit
    const quiet = now - Math.max(this.#lastByteAt, this.#connectedAt ?? this.#startedAt, this.#pullingSince ?? now)

    if (quiet >= limit) {
      onLate(this.#connectedAt == null ? 'unreachable' : 'stalled', `${what} for ${Math.round(quiet)} ms`)
    } else {
      this.#arm(Math.max(1, Math.min(limit - quiet, stall)))
      this.#judgePace()
    }
  }

  /** Looked at whenever so much time was spent on waiting that a pause of the line does not matter */
  #judgePace (): void {
    const { timeouts: { stall }, leastPace, onLate } = this.#init
    const wait = this.#recentWait + this.#pulled

    if (this.#stopped || wait < stall) {
      return
    }

    const pace = this.#recentBytes / wait
    const why = `only ${this.#recentBytes} bytes in ${Math.round(wait)} ms`

    if (pace < MIN_PACE) {
      onLate('stalled', why)
    } else if (pace < leastPace(this.#own)) {
      onLate('cancelled', `${why}: others are faster`)
    }

    this.#own = Math.max(this.#own, pace)
    this.#recentBytes = 0
    this.#recentWait = -this.#pulled
  }
}
