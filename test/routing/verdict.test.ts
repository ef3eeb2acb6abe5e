import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { missMessage, NOBODY_ASKED, pauseBeforeRound, verdict, worthAnotherRound } from '../../src/routing/verdict.ts'
import type { Outcome } from '../../src/interface/outcome.ts'
import type { Evidence, Verdict } from '../../src/routing/verdict.ts'

const outcomes = ['not-here', 'unreachable', 'overloaded', 'refused', 'stalled', 'invalid', 'cancelled'] as const

function after (tally: Partial<Record<Outcome, number>>, init: Partial<Evidence> = {}): Verdict {
  const entries = Object.entries(tally) as Array<[Outcome, number]>
  const count = entries.reduce((sum, [, n]) => sum + n, 0)
  return verdict({ tally: new Map(entries), candidates: count, attempts: count, backingOff: 0, lookupFailures: 0, ...init })
}

describe('verdict', () => {
  it('is that nobody has it, for certain, when everybody said so or nobody is known', () => {
    expect(after({ 'not-here': 3 })).toEqual({ kind: 'not-found', certain: true, why: 'asked 3 times, last answers: 3 not-here' })
    expect(after({})).toEqual({ kind: 'not-found', certain: true, why: 'no providers found' })
    // nobody was named: that says nothing about who has it
    expect(after({}, { sources: false })).toEqual({ kind: 'not-found', certain: true, why: NOBODY_ASKED })
    expect(after({ 'not-here': 3 }, { sources: false }).why).toBe('asked 3 times, last answers: 3 not-here')
    // somebody was named, and nobody asked
    expect(after({}, { sources: false, unusable: 'p2p:x cannot be asked: bitswap is off' }).why).toBe('p2p:x cannot be asked: bitswap is off')
    expect(after({}, { unusable: 'p2p:x cannot be asked: bitswap is off' })).toEqual({ kind: 'failed', certain: false, why: 'p2p:x cannot be asked: bitswap is off' })
  })

  it('is not certain while a lookup failed: somebody may have it whom we were not told about', () => {
    expect(after({ 'not-here': 1 }, { lookupFailures: 1 })).toMatchObject({ kind: 'not-found', certain: false })
    expect(after({}, { lookupFailures: 1 })).toMatchObject({ kind: 'not-found', certain: false })
  })

  it('is a failure, and no miss, while somebody who is backing off was not asked', () => {
    expect(after({ 'not-here': 1 }, { backingOff: 1 })).toMatchObject({ kind: 'failed', certain: false })
  })

  it('is a failure, and no miss, when anybody gave no answer', () => {
    fc.assert(fc.property(
      fc.constantFrom('unreachable' as const, 'overloaded' as const, 'stalled' as const, 'invalid' as const),
      fc.dictionary(fc.constantFrom(...outcomes), fc.integer({ min: 1, max: 5 })),
      (unclear, tally) => {
        expect(after({ ...tally, [unclear]: 1 })).toMatchObject({ kind: 'failed', certain: false })
      }
    ))
  })

  it('is a failure when somebody refused: that does not say that the block is not there', () => {
    expect(after({ refused: 1, 'not-here': 2 })).toEqual({ kind: 'failed', certain: true, why: 'asked 3 times, last answers: 1 refused, 2 not-here' })
  })

  it('is no word about others where nobody was asked', () => {
    expect(missMessage('bafy', 'nobody has it', NOBODY_ASKED)).toBe('bafy: it is not here, and nobody was asked: no provider, router or bootstrap peer is named')
    expect(missMessage('bafy', 'nobody has it', 'no providers found')).toBe('bafy: nobody has it (no providers found)')
  })

  it('says when nobody could be asked', () => {
    expect(after({}, { candidates: 2 })).toEqual({ kind: 'failed', certain: false, why: 'every known provider is backing off' })
    expect(after({ 'not-here': 1 }).why).toBe('asked 1 time, last answers: 1 not-here')
  })
})

describe('another round', () => {
  it('is worth it when something may have changed', () => {
    const evidence = (tally: ReadonlyArray<[Outcome, number]>, init: Partial<Evidence> = {}): Evidence => {
      return { tally: new Map(tally), candidates: 5, attempts: 5, backingOff: 0, lookupFailures: 0, ...init }
    }
    expect(worthAnotherRound(evidence([['not-here', 3], ['invalid', 1], ['refused', 1]]))).toBe(false)
    expect(worthAnotherRound(evidence([['not-here', 3]], { backingOff: 1 }))).toBe(true)
    expect(worthAnotherRound(evidence([['not-here', 3]], { lookupFailures: 1 }))).toBe(true)
    for (const outcome of ['unreachable', 'overloaded', 'stalled'] as const) {
      expect(worthAnotherRound(evidence([[outcome, 1]]))).toBe(true)
    }
  })
})

describe('pauseBeforeRound', () => {
  it('grows, waits for those that back off, and ends with the time there is', () => {
    expect([2, 3, 4].map(round => pauseBeforeRound(round, 500, Infinity, 0, 10_000))).toEqual([500, 1_000, 2_000])
    expect(pauseBeforeRound(2, 500, 1_700, 1_000, 10_000)).toBe(700)
    expect(pauseBeforeRound(2, 500, 1_100, 1_000, 10_000)).toBe(500)
    expect(pauseBeforeRound(2, 500, 9_999, 1_000, 9_999)).toBeUndefined()
    expect(pauseBeforeRound(2, 500, Infinity, 0, 500)).toBeUndefined()
  })
})
