import type { Outcome } from '../interface/outcome.ts'

/** What says something about the moment and nothing about the block: soon it may be another */
export const TRANSIENT: ReadonlySet<Outcome> = new Set<Outcome>(['unreachable', 'overloaded', 'stalled'])

/**
 * Why a read ends that had nobody to ask. Part of the message of its error, so that whoever shows that can say
 * how somebody is named there: flags of a command, options of a library.
 */
export const NOBODY_ASKED = 'nobody was asked: no provider, router or bootstrap peer is named'

export interface Evidence {
  /** How everybody who was asked answered */
  readonly tally: ReadonlyMap<Outcome, number>
  readonly candidates: number
  /** Why one that was named, and not found by anybody, cannot be asked at all */
  readonly unusable?: string
  readonly attempts: number
  /** Known, and not asked because they are backing off */
  readonly backingOff: number
  /** Lookups that failed: somebody may have it whom we were not told about */
  readonly lookupFailures: number
  /** There was a source that could be asked who has it. @default true */
  readonly sources?: boolean
}

export interface Verdict {
  readonly kind: 'not-found' | 'failed'
  /** Everybody answered, and the answer was no: asking again soon is pointless */
  readonly certain: boolean
  readonly why: string
}

/** What to make of it when nobody is left to ask. Pure. */
export function verdict ({ tally, candidates, unusable, attempts, backingOff, lookupFailures, sources = true }: Evidence): Verdict {
  const count = (outcome: Outcome): number => tally.get(outcome) ?? 0
  const no = count('not-here') + count('refused')
  const unclear = count('unreachable') + count('overloaded') + count('stalled') + count('invalid')
  const answered = unclear === 0 && backingOff === 0 && (no > 0 || (candidates === 0 && unusable == null))
  const outcomes = [...tally].map(([outcome, n]) => `${n} ${outcome}`).join(', ')

  return {
    // a refusal is an answer, but it does not say that the block is not there
    kind: answered && count('refused') === 0 ? 'not-found' : 'failed',
    certain: answered && lookupFailures === 0,
    why: candidates === 0
      ? unusable ?? (sources ? 'no providers found' : NOBODY_ASKED)
      : outcomes === '' ? 'every known provider is backing off' : `asked ${attempts} time${attempts === 1 ? '' : 's'}, last answers: ${outcomes}${backingOff === 0 ? '' : `; ${backingOff} backing off`}`
  }
}

/**
 * The message of an error about a miss
 *
 * @param pause - of whoever was asked, and is not for a while
 */
export function missMessage (cid: unknown, end: string, why: string, pause = ''): string {
  return why === NOBODY_ASKED ? `${String(cid)}: it is not here, and ${why}` : `${String(cid)}: ${end} (${why})${pause}`
}

/** Milliseconds until the next round: growing pauses, and not before anybody may be asked again; undefined when that is too late */
export function pauseBeforeRound (next: number, base: number, retryAt: number, now: number, deadline: number): number | undefined {
  const pause = base * 2 ** (next - 2)
  const wait = Math.max(pause, Number.isFinite(retryAt) ? retryAt - now : 0)
  return now + wait >= deadline ? undefined : wait
}

/** Would another round have a chance? */
export function worthAnotherRound ({ tally, backingOff, lookupFailures }: Pick<Evidence, 'tally' | 'backingOff' | 'lookupFailures'>): boolean {
  return backingOff > 0 || lookupFailures > 0 || [...TRANSIENT].some(outcome => (tally.get(outcome) ?? 0) > 0)
}
