/**
 * When to leave a shared cache alone. Closed: it is asked. Open: it is not, until
 * `until`. Half-open: one probe that names no block is under way, and nobody else asks.
 */
export type Breaker =
  | { readonly state: 'closed', readonly faults: number, readonly step: number }
  | { readonly state: 'open', readonly until: number, readonly step: number }
  | { readonly state: 'half-open', readonly step: number }

export interface BreakerParams {
  /** Faults that open it. Three: a single pause of a garbage collector is none of its business */
  readonly tolerance: number
  /**
   * Of a fault that one answer in time makes good. A quarter: when more than one answer in
   * five is late, the readers who wait for it lose more than the others can win
   */
  readonly forgiven: number
  /** First pause in ms: a restart on the same machine takes about as long */
  readonly base: number
  /** Longest pause: a probe every half a minute costs nothing, and a cache that is back is missed for no longer */
  readonly max: number
  /** Share of the pause that is random, so that the probes of a fleet do not meet */
  readonly jitter: number
}

export const DEFAULT_BREAKER: BreakerParams = { tolerance: 3, forgiven: 0.25, base: 500, max: 30_000, jitter: 0.25 }

/** Nothing is known yet: the first connection is the first probe */
export const newBreaker: Breaker = { state: 'half-open', step: 0 }

/** Doublings after which a pause is at its longest for any sane base */
const MAX_STEP = 30

/** An answer in time, whatever it said */
export function afterAnswer (breaker: Breaker, params: BreakerParams = DEFAULT_BREAKER): Breaker {
  if (breaker.state !== 'closed') {
    return breaker
  }
  const faults = Math.max(0, breaker.faults - params.forgiven)
  return { state: 'closed', faults, step: faults === 0 ? 0 : breaker.step }
}

/** No answer in time, or an error for one */
export function afterFault (breaker: Breaker, now: number, dice: number, params: BreakerParams = DEFAULT_BREAKER): Breaker {
  if (breaker.state !== 'closed') {
    return breaker
  }
  const faults = breaker.faults + 1
  return faults < params.tolerance ? { ...breaker, faults } : open(breaker.step, now, dice, params)
}

/** The connection is gone: nobody needs to find that out again */
export function afterLoss (breaker: Breaker, now: number, dice: number, params: BreakerParams = DEFAULT_BREAKER): Breaker {
  return breaker.state === 'closed' ? open(breaker.step, now, dice, params) : breaker
}

/** Half-open when the pause is over */
export function probeBreaker (breaker: Breaker, now: number): Breaker {
  return breaker.state === 'open' && now >= breaker.until ? { state: 'half-open', step: breaker.step } : breaker
}

/**
 * A probe that came back closes it on trial: the next fault opens it again, for longer than
 * before, until enough answers were in time.
 */
export function afterProbe (breaker: Breaker, ok: boolean, now: number, dice: number, params: BreakerParams = DEFAULT_BREAKER): Breaker {
  if (breaker.state !== 'half-open') {
    return breaker
  }
  return ok
    ? { state: 'closed', faults: breaker.step === 0 ? 0 : params.tolerance - 1, step: breaker.step }
    : open(breaker.step, now, dice, params)
}

function open (step: number, now: number, dice: number, params: BreakerParams): Breaker {
  const pause = Math.min(params.max, params.base * 2 ** step) * (1 - params.jitter * dice)
  return { state: 'open', until: now + pause, step: Math.min(MAX_STEP, step + 1) }
}
