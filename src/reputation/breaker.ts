import type { Outcome } from '../interface/outcome.ts'

/**
 * When to stop asking a provider for a while. Closed: ask freely. Open: not
 * before `until`. After that one probe may go out (half-open): it closes the
 * breaker or opens it for twice as long.
 */
export type Breaker =
  | { readonly state: 'closed', readonly faults: number, readonly step: number }
  | { readonly state: 'open', readonly until: number, readonly step: number, readonly probing: boolean }

export interface BreakerParams {
  /** First pause in ms: long enough for a restart, short enough not to lose a good provider */
  readonly base: number
  /** Longest pause: after that a probe every five minutes costs nothing */
  readonly max: number
  /** Pause after wrong bytes: conduct, not load, so it starts longer */
  readonly invalidBase: number
  /** Faults in a row that a provider with a record may have; one that never delivered gets none */
  readonly tolerance: number
  /** Share of the pause that is random, so that probes of many nodes do not meet */
  readonly jitter: number
}

export const DEFAULT_BREAKER: BreakerParams = {
  base: 1_000,
  max: 300_000,
  invalidBase: 30_000,
  tolerance: 3,
  jitter: 0.25
}

export const closedBreaker: Breaker = { state: 'closed', faults: 0, step: 0 }

export interface Fault {
  readonly outcome: Outcome
  readonly now: number
  /** In [0, 1): the jitter */
  readonly dice: number
  readonly retryAfter?: number
  /** Has this provider ever delivered? */
  readonly proven: boolean
}

/** The phase at a moment: an open breaker whose pause is over is half-open while no probe is out */
export function breakerPhase (breaker: Breaker, now: number): 'closed' | 'open' | 'half-open' {
  if (breaker.state === 'closed') {
    return 'closed'
  }

  return now >= breaker.until && !breaker.probing ? 'half-open' : 'open'
}

export function breakerAfter (breaker: Breaker, fault: Fault, params: BreakerParams = DEFAULT_BREAKER): Breaker {
  switch (fault.outcome) {
    case 'delivered':
    case 'not-here':
      return closedBreaker
    case 'cancelled':
      // it was a probe that we gave up: neither verdict, the next one may go out
      return breaker.state === 'open' ? { ...breaker, probing: false } : breaker
    case 'refused':
      // an answer: the connection works
      return breaker.state === 'open' ? closedBreaker : breaker
    case 'invalid':
      return open(breaker, fault, params.invalidBase, params)
    case 'overloaded':
      return open(breaker, fault, params.base, params)
    case 'unreachable':
    case 'stalled': {
      if (breaker.state === 'closed' && fault.proven && breaker.faults + 1 < params.tolerance) {
        return { state: 'closed', faults: breaker.faults + 1, step: breaker.step }
      }

      return open(breaker, fault, params.base, params)
    }
  }
}

/** One probe at a time */
export function probeBreaker (breaker: Breaker): Breaker {
  return breaker.state === 'open' ? { ...breaker, probing: true } : breaker
}

function open (breaker: Breaker, fault: Fault, base: number, params: BreakerParams): Breaker {
  // answers that were in flight when it opened do not open it further
  if (breaker.state === 'open' && !breaker.probing && fault.now < breaker.until) {
    return fault.retryAfter == null ? breaker : { ...breaker, until: Math.max(breaker.until, fault.now + fault.retryAfter) }
  }

  const pause = Math.min(params.max, base * 2 ** Math.min(30, breaker.step))
  const jittered = pause * (1 - params.jitter + params.jitter * fault.dice)
  return {
    state: 'open',
    until: fault.now + Math.max(jittered, fault.retryAfter ?? 0),
    step: breaker.step + 1,
    probing: false
  }
}
