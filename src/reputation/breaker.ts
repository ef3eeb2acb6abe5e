import type { Outcome } from '../interface/outcome.ts'

/**
 * When to stop asking a provider for a while. Closed: ask freely. Open: not
 * before `until`. After that one probe may go out (half-open): it closes the
 * breaker or opens it for twice as long.
 */
export type Breaker =
  | { readonly state: 'closed', readonly faults: number }
  | { readonly state: 'open', readonly until: number, readonly step: number, readonly probedAt?: number }

export interface BreakerParams {
  /** First pause in ms: long enough for a restart, short enough not to lose a good provider */
  readonly base: number
  /** Longest pause: after that a probe every five minutes costs nothing */
  readonly max: number
  /**
   * Longest that a Retry-After is obeyed: beyond ten minutes a slip (a day in
   * seconds, a clock in another zone) is likelier than trouble that lasts
   */
  readonly maxRetryAfter: number
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
  maxRetryAfter: 600_000,
  invalidBase: 30_000,
  tolerance: 3,
  jitter: 0.25
}

export const closedBreaker: Breaker = { state: 'closed', faults: 0 }

/** Doublings after which a pause is at its longest for any sane base */
const MAX_STEP = 30

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
export function breakerPhase (breaker: Breaker, now: number, params: BreakerParams = DEFAULT_BREAKER): 'closed' | 'open' | 'half-open' {
  if (breaker.state === 'closed') {
    return 'closed'
  }

  return now >= breaker.until && !probing(breaker, now, params) ? 'half-open' : 'open'
}

/** A probe that nobody reports back from is taken for lost after the longest pause */
function probing ({ probedAt }: Breaker & { state: 'open' }, now: number, params: BreakerParams): boolean {
  return probedAt != null && Math.abs(now - probedAt) < params.max
}

export function breakerAfter (breaker: Breaker, fault: Fault, params: BreakerParams = DEFAULT_BREAKER): Breaker {
  switch (fault.outcome) {
    case 'delivered':
    case 'not-here':
    case 'refused':
      // an answer: the connection works
      return closedBreaker
    case 'cancelled':
      // it was a probe that we gave up: neither verdict, the next one may go out
      return endProbe(breaker)
    case 'invalid':
      return open(breaker, fault, params.invalidBase, params)
    case 'overloaded':
      return open(breaker, fault, params.base, params)
    case 'unreachable':
    case 'stalled': {
      if (breaker.state === 'closed' && fault.proven && breaker.faults + 1 < params.tolerance) {
        return { state: 'closed', faults: breaker.faults + 1 }
      }

      return open(breaker, fault, params.base, params)
    }
  }
}

/** Of several breakers on one way: the one that pauses it longest decides. None is closed. */
export function strictest (breakers: readonly Breaker[], now: number, params: BreakerParams = DEFAULT_BREAKER): { phase: 'closed' | 'open' | 'half-open', until: number } {
  const phases = breakers.map(breaker => breakerPhase(breaker, now, params))
  return {
    phase: phases.find(phase => phase === 'open') ?? phases.find(phase => phase === 'half-open') ?? 'closed',
    until: breakers.reduce((until, breaker) => breaker.state === 'open' ? Math.max(until, breaker.until) : until, 0)
  }
}

/** One probe at a time */
export function probeBreaker (breaker: Breaker, now: number): Breaker {
  return breaker.state === 'open' ? { ...breaker, probedAt: now } : breaker
}

/** What a provider says about coming back holds whoever is to blame for the rest */
export function deferBreaker (breaker: Breaker, retryAfter: number, now: number, params: BreakerParams = DEFAULT_BREAKER): Breaker {
  const pause = obeyed(retryAfter, params)

  if (pause === 0) {
    return breaker
  }

  return breaker.state === 'open'
    ? { ...breaker, until: Math.max(breaker.until, now + pause) }
    : { state: 'open', until: now + pause, step: 0 }
}

/** From a store: a clock that jumped must not ban anybody for longer than the longest pause */
export function breakerFrom (until: number, step: number, now: number, params: BreakerParams): Breaker {
  return {
    state: 'open',
    until: Math.max(now, Math.min(until, now + Math.max(params.max, params.maxRetryAfter))),
    step: Math.max(0, Math.min(MAX_STEP, Math.floor(step)))
  }
}

function open (breaker: Breaker, fault: Fault, base: number, params: BreakerParams): Breaker {
  // answers that were in flight when it opened do not open it further
  if (breaker.state === 'open' && fault.now < breaker.until && !probing(breaker, fault.now, params)) {
    return deferBreaker(breaker, fault.retryAfter ?? 0, fault.now, params)
  }

  const step = breaker.state === 'open' ? breaker.step : 0
  const pause = Math.min(params.max, base * 2 ** step)
  const jittered = pause * (1 - params.jitter + params.jitter * fault.dice)
  return {
    state: 'open',
    until: fault.now + Math.max(jittered, obeyed(fault.retryAfter ?? 0, params)),
    step: Math.min(MAX_STEP, step + 1)
  }
}

/** A probe that ended without a verdict: the next one may go out */
export function endProbe (breaker: Breaker): Breaker {
  return breaker.state === 'open' && breaker.probedAt != null
    ? { state: 'open', until: breaker.until, step: breaker.step }
    : breaker
}

/** Milliseconds to stay away, 0 when what was said makes no sense */
function obeyed (retryAfter: number, params: BreakerParams): number {
  return retryAfter > 0 ? Math.min(params.maxRetryAfter, retryAfter) : 0
}
