import type { Outcome } from '../interface/outcome.ts'

/**
 * Conduct is honesty, not speed: a score from -1000 to +1000 that decays toward
 * zero. Only `invalid` and repeated `refused` lower it; load and silence never do.
 */
export interface Conduct {
  readonly score: number
  /** Monotonic time up to which the score has decayed */
  readonly at: number
  /** False from -500 downwards until the score is above -400 again */
  readonly selectable: boolean
  /** Refusals in a row */
  readonly refusals: number
}

export const CONDUCT_MIN = -1000
export const CONDUCT_MAX = 1000
/** Good conduct is capped low, so that a trusted provider cannot misbehave for long on its credit */
export const CONDUCT_SUCCESS_CAP = 200
export const CONDUCT_SUCCESS = 1
export const CONDUCT_FAILURE = -5
export const CONDUCT_INVALID = -20
export const CONDUCT_WARNING = -100
export const CONDUCT_BANNED = -500
export const CONDUCT_READMITTED = -400
/** Points that decay toward zero per interval: a ban of -500 is lifted in under two hours */
export const CONDUCT_DECAY = 10
export const CONDUCT_DECAY_INTERVAL = 600_000
/** A refusal may be policy about one CID; from the third in a row it is conduct */
export const REPEATED_REFUSALS = 3

export const freshConduct = (now: number): Conduct => ({ score: 0, at: now, selectable: true, refusals: 0 })

/** From a store: whatever was written there, the score is in range and standing follows from it */
export function conductFrom (stored: Pick<Conduct, 'score' | 'selectable' | 'refusals'>, at: number): Conduct {
  return settle({ score: stored.score, selectable: stored.selectable, refusals: stored.refusals, at })
}

/** Moves the score toward zero by the whole intervals that have passed */
export function decayConduct (conduct: Conduct, now: number): Conduct {
  const intervals = Math.floor(Math.max(0, now - conduct.at) / CONDUCT_DECAY_INTERVAL)

  if (intervals === 0) {
    return conduct
  }

  const amount = intervals * CONDUCT_DECAY
  const score = conduct.score > 0
    ? Math.max(0, conduct.score - amount)
    : Math.min(0, conduct.score + amount)
  return settle({ ...conduct, score, at: conduct.at + intervals * CONDUCT_DECAY_INTERVAL })
}

export function conductAfter (conduct: Conduct, outcome: Outcome, now: number): Conduct {
  const decayed = decayConduct(conduct, now)
  // nothing was decaying: the interval starts with what happens now
  const current = decayed.score === 0 ? { ...decayed, at: now } : decayed

  switch (outcome) {
    case 'delivered':
      return settle({
        ...current,
        refusals: 0,
        score: current.score >= CONDUCT_SUCCESS_CAP ? current.score : Math.min(CONDUCT_SUCCESS_CAP, current.score + CONDUCT_SUCCESS)
      })
    case 'not-here':
      // an honest no ends a row of refusals
      return current.refusals === 0 ? current : { ...current, refusals: 0 }
    case 'invalid':
      return settle({ ...current, score: current.score + CONDUCT_INVALID })
    case 'refused': {
      const refusals = current.refusals + 1
      return settle({
        ...current,
        refusals,
        score: refusals >= REPEATED_REFUSALS ? current.score + CONDUCT_FAILURE : current.score
      })
    }
    default:
      return current
  }
}

function settle (conduct: Conduct): Conduct {
  const score = Math.max(CONDUCT_MIN, Math.min(CONDUCT_MAX, conduct.score))
  const selectable = score <= CONDUCT_BANNED ? false : score > CONDUCT_READMITTED ? true : conduct.selectable
  return { ...conduct, score, selectable }
}
