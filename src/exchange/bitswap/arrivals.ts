import type { PeerWants } from './peer-wants.ts'
import type { WantedBlock } from './wanted-block.ts'
import type { Clock } from '../../interface/clock.ts'

/** Attempts are told at most this often: their timers count in hundreds of milliseconds, and pieces come by the thousand */
const TELL_EVERY = 20
/** How fast a round trip that was once short is forgotten when it has become longer */
const FORGET = 1 / 8

/**
 * Whose bytes are these? Until a block is complete and hashed nobody knows. So
 * what arrives is shared among all who may be meant: those whose wants have been
 * with the peer for a round trip, unless it has answered so many others since
 * that it seems to have forgotten them.
 */
export class Arrivals {
  readonly #clock: Clock
  #untold = 0
  #toldAt = -Infinity
  #roundTrip = 0
  #measured = false
  #aloneSince: number | undefined

  constructor (clock: Clock) {
    this.#clock = clock
  }

  /** The shortest that an answer took of late, in ms */
  get roundTrip (): number {
    return this.#roundTrip
  }

  /** Something was asked for while nothing else was */
  asked (): void {
    this.#aloneSince = this.#clock.now()
  }

  /** An answer of any kind has begun */
  heard (now: number): void {
    if (this.#aloneSince == null) {
      return
    }

    const took = now - this.#aloneSince
    this.#aloneSince = undefined
    this.#roundTrip = !this.#measured || took < this.#roundTrip ? took : this.#roundTrip + (took - this.#roundTrip) * FORGET
    this.#measured = true
  }

  arrived (bytes: number, wants: PeerWants): void {
    const now = this.#clock.now()
    this.heard(now)
    this.#untold += bytes

    if (now - this.#toldAt < TELL_EVERY && wants.size > 1) {
      return
    }

    this.#toldAt = now
    this.#share(now, wants)
  }

  #share (now: number, wants: PeerWants): void {
    const meant: WantedBlock[] = []
    let oldest: WantedBlock | undefined

    for (const wanted of wants.all) {
      if (wanted.flushedAt == null) {
        continue
      }

      oldest ??= wanted

      if (wanted.flushedAt + this.#roundTrip <= now && wants.answered <= wanted.believedUntil) {
        meant.push(wanted)
      }
    }

    if (meant.length === 0 && oldest != null && wants.answered <= oldest.believedUntil) {
      meant.push(oldest)
    }

    const share = Math.floor(this.#untold / meant.length)

    if (meant.length === 0 || share === 0) {
      return
    }

    this.#untold -= share * meant.length

    for (const { waiters } of meant) {
      for (const waiter of waiters) {
        waiter.progress(share)
      }
    }
  }
}
