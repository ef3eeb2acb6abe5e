import type { Clock } from '../interface/clock.ts'

/**
 * What a reader may waste that takes a few bytes and leaves: 4 chunks of 256 KiB
 * or 1 of 1 MiB, the sizes in use, so that one look into a file of a GiB costs no
 * more than 8 blocks with the nodes on the way.
 */
export const INITIAL_WINDOW = 1_048_576

/** Twice the bytes that are under way on a line of 80 MB/s and 100 ms */
export const DEFAULT_MAX_WINDOW = 16_777_216

/**
 * While the rate still grows: from 1 MiB to 16 MiB in two rounds, since a file of 64 MiB
 * has hardly ten. In the first one each byte that came makes room for so many, so that
 * small blocks, of which each takes its time, need not all be there before more are wanted.
 */
const STARTUP_GAIN = 4

/** A round that is not this much faster has not shown that a larger window helps; after two of them the line is full */
const FASTER = 1.25
const ROUNDS_TO_BE_FULL = 2

/** Half of it under way, half at the reader or on its way to be asked for: no gap when blocks come out of order */
const GAIN = 2

/** A small block that nothing else could be asked beside, as the nodes on the way to the first leaf: that tells nothing about the rate */
const ALONE = 4

/** Rounds whose rates count: a straggler at the front makes a round or two look slow */
const RATES_KEPT = 8

/**
 * Blocks queue behind our own, so delays only tell about the line while little is
 * under way: so often, in ms, the window is that of the beginning for one round.
 * It costs two delays, 2 % at 100 ms; congestion control by the name of BBR does so too.
 */
const REMEASURE = 10_000

/** A window of 4 delays' worth makes blocks wait that long: more, twice in a row, is another line */
const LINE_CHANGED = 5
const ROUNDS_TO_BELIEVE_IT = 2

/** How far ahead of its reader a walk loads */
export interface ReadWindow {
  readonly bytes: number
  /** A block is asked for; call what it returns with the bytes when it is there */
  ask (): (bytes: number) => void
  /** The reader has nothing to read */
  waited (): void
  /** The reader has come back for more: before that it may want no more than a look */
  goesOn (): void
}

export function fixedWindow (bytes: number): ReadWindow {
  return { bytes, ask: () => () => {}, waited: () => {}, goesOn: () => {} }
}

export interface AdaptiveWindowInit {
  readonly clock: Clock
  /** @default 1_048_576 */
  readonly initial?: number
  /** @default 16_777_216 */
  readonly max?: number
}

/**
 * As large as delivery rate times delay, with some gain: measured per round, a
 * round being the time in which a window's worth of bytes arrives. The rate is
 * the best of the last rounds, or what the reader takes where it is the slower
 * one. The delay of a round is its slowest block's: half of a file may be in the
 * store already, and the window must suit the other half.
 */
export class AdaptiveWindow implements ReadWindow {
  readonly #clock: Clock
  readonly #initial: number
  readonly #max: number
  #bytes: number
  /** What the line would bear */
  #fitting: number
  readonly #rates: number[] = []
  #delay = Infinity
  #measuredAt = 0
  /** The window is small for a round, so that delays are the line's own */
  #measuring = true
  #starting = true
  #fastest = 0
  #slowRounds = 0
  #longRounds = 0
  #inFlight = 0
  #began?: number
  /** The window when the round began: so many bytes end it */
  #roundBytes = 0
  /** Since when the first round lets more be asked for than it began with */
  #grownAt?: number
  #arrived = 0
  #slowest = 0
  #waited = false
  #goesOn = false

  constructor ({ clock, initial = INITIAL_WINDOW, max = DEFAULT_MAX_WINDOW }: AdaptiveWindowInit) {
    this.#clock = clock
    this.#max = max
    this.#initial = Math.min(initial, max)
    this.#bytes = this.#initial
    this.#fitting = this.#initial
  }

  get bytes (): number {
    return this.#bytes
  }

  ask (): (bytes: number) => void {
    const asked = this.#clock.now()

    this.#inFlight++

    return bytes => {
      const now = this.#clock.now()

      this.#inFlight--

      if (this.#began == null || (this.#inFlight === 0 && this.#arrived + bytes < this.#bytes / ALONE)) {
        this.#begin(now)
      } else if (!this.#measuring || asked >= this.#began) {
        this.#arrived += bytes
        // what was asked for since the window grows may queue behind our own
        this.#slowest = asked >= (this.#grownAt ?? Infinity) ? this.#slowest : Math.max(this.#slowest, now - asked)

        if (this.#arrived >= this.#roundBytes) {
          this.#end(now, now - this.#began)
          this.#begin(now)
        } else if (this.#delay === Infinity && this.#goesOn && now > this.#began) {
          this.#grownAt ??= now
          this.#bytes = Math.min(this.#max, this.#roundBytes + (STARTUP_GAIN - 1) * this.#arrived)
        }
      }
    }
  }

  waited (): void {
    this.#waited = true
  }

  goesOn (): void {
    if (!this.#goesOn) {
      this.#goesOn = true
      this.#bytes = this.#fitting
      this.#roundBytes = Math.max(this.#roundBytes, this.#bytes)
    }
  }

  #begin (now: number): void {
    this.#began = now
    this.#roundBytes = this.#bytes
    this.#grownAt = undefined
    this.#arrived = 0
    this.#slowest = 0
    this.#waited = false
  }

  #end (now: number, elapsed: number): void {
    if (elapsed <= 0) {
      return
    }

    const rate = this.#arrived / elapsed

    if (!this.#measuring || this.#starting) {
      this.#learnRate(rate)
    }

    if (this.#measuring) {
      this.#delay = this.#slowest
      this.#measuredAt = now
      this.#measuring = false
    }

    this.#longRounds = this.#slowest > LINE_CHANGED * this.#delay ? this.#longRounds + 1 : 0
    this.#delay = Math.min(this.#delay, this.#slowest)

    if (this.#longRounds >= ROUNDS_TO_BELIEVE_IT) {
      this.#measure(true)
    } else if (now - this.#measuredAt >= REMEASURE) {
      this.#measure(false)
    } else {
      const gain = this.#starting ? STARTUP_GAIN : GAIN
      this.#fitting = Math.max(this.#initial, Math.min(this.#max, Math.ceil(gain * Math.max(...this.#rates) * this.#delay)))
      this.#bytes = this.#goesOn ? this.#fitting : this.#initial
    }
  }

  #learnRate (rate: number): void {
    if (!this.#waited) {
      // It takes no more than that
      this.#rates.length = 0
    }

    keep(this.#rates, rate, RATES_KEPT)

    if (rate >= this.#fastest * FASTER) {
      this.#fastest = rate
      this.#slowRounds = 0
    } else if (++this.#slowRounds >= ROUNDS_TO_BE_FULL) {
      this.#starting = false
    }
  }

  #measure (anew: boolean): void {
    this.#bytes = this.#initial
    this.#measuring = true
    this.#longRounds = 0

    if (anew) {
      this.#starting = true
      this.#fastest = 0
      this.#slowRounds = 0
      this.#rates.length = 0
    }
  }
}

function keep (list: number[], value: number, limit: number): void {
  list.push(value)

  if (list.length > limit) {
    list.shift()
  }
}
