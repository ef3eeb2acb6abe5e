import type { Entries } from '../entries.ts'
import type { FrequencySketch } from '../frequency-sketch.ts'

/**
 * A policy that is only imagined: it decides over entries what it would keep, and the
 * panel watches how often it would have been right.
 */
export interface Expert {
  /** Asked for, and it keeps it */
  touch (entry: number): void
  /** It has come, and the expert does not keep it so far */
  enter (entry: number): void
  /** It is no more: forget all about it */
  forget (entry: number): void
  resize (capacity: number): void
  /** The part of the capacity in which newcomers are tried */
  readonly windowShare: number
}

/** What experts decide upon, and whom they tell */
export interface ExpertComponents {
  readonly entries: Entries
  readonly sketch: FrequencySketch
  readonly requests: Requests
  /** From now on it keeps the entry */
  hold (entry: number): void
  /** No longer; but it may have to be `remembered` as one that it kept */
  release (entry: number, remembered?: boolean): void
}

/** The time of the policy: requests, whoever they were for */
export interface Requests {
  /** The one that is being answered; wraps after 2^32 */
  now: number
  /** After so many a request counts half */
  halfLife: number
}
