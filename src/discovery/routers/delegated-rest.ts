/**
 * When a router is left alone. `awake`: ask it. `resting`: not before `until`, and
 * then once (a probe): its answer wakes it, its failure makes the rest twice as long.
 */
export type RouterRest =
  | { readonly state: 'awake', readonly failures: number }
  | { readonly state: 'resting', readonly failures: number, readonly since: number, readonly until: number, readonly probing: boolean, readonly why: string }

/** A restart takes longer than this; asking again costs one request */
const FIRST_REST = 1_000

/** After this a probe every five minutes costs nothing */
export const LONGEST_REST = 300_000

/**
 * Whoever gave no answer in time may have searched everywhere for what nobody has:
 * as a lookup without it takes that long anyway, there is nothing to gain by more.
 */
const LONGEST_REST_OF_LATE = 15_000

/** Failures in a row that mean nothing yet: a broken connection, one bad answer of a server behind a balancer */
const TOLERANCE = 3

/** Share of a rest that is added by chance, so that nodes that were turned away together do not come back together */
const JITTER = 0.25

/** Doublings after which a rest is at its longest */
const MAX_DOUBLINGS = 16

export const awake: RouterRest = { state: 'awake', failures: 0 }

export interface RouterFailure {
  readonly now: number
  /** When the request began: of those that fail together only the first begins a rest */
  readonly startedAt: number
  /** In [0, 1) */
  readonly dice: number
  readonly why: string
  /** It said that it is overloaded: at once, and for as long as it said */
  readonly overloaded?: boolean
  readonly retryAfter?: number
  /** It gave no answer in time */
  readonly late?: boolean
}

export function mayAsk (rest: RouterRest, now: number): 'yes' | 'probe' | 'no' {
  if (rest.state === 'awake') {
    return 'yes'
  }
  return now >= rest.until && !rest.probing ? 'probe' : 'no'
}

export function probing (rest: RouterRest): RouterRest {
  return rest.state === 'resting' ? { ...rest, probing: true } : rest
}

/** Nobody waited for the probe: the next one may go out */
export function probeLost (rest: RouterRest): RouterRest {
  return rest.state === 'resting' ? { ...rest, probing: false } : rest
}

/** It answered; what was asked before the rest began says nothing about its end */
export function afterAnswer (rest: RouterRest, startedAt: number): RouterRest {
  return rest.state === 'awake' || startedAt >= rest.until ? awake : rest
}

export function afterFailure (rest: RouterRest, { now, startedAt, dice, why, overloaded = false, retryAfter, late = false }: RouterFailure): RouterRest {
  if (rest.state === 'resting' && startedAt < rest.until) {
    // asked before the rest began; only a longer wish counts
    const until = now + (retryAfter ?? 0)
    return until > rest.until ? { ...rest, until, why } : rest
  }

  const failures = rest.failures + 1

  if (rest.state === 'awake' && !overloaded && failures < TOLERANCE) {
    return { state: 'awake', failures }
  }

  const doublings = Math.min(MAX_DOUBLINGS, Math.max(0, failures - TOLERANCE))
  const pause = Math.min(late ? LONGEST_REST_OF_LATE : LONGEST_REST, FIRST_REST * 2 ** doublings)
  const length = Math.max(pause, retryAfter ?? 0) * (1 + JITTER * dice)

  return { state: 'resting', failures, since: now, until: now + length, probing: false, why }
}
