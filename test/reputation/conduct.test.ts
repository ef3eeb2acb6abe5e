import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CONDUCT_DECAY_INTERVAL, CONDUCT_MAX, CONDUCT_MIN, CONDUCT_SUCCESS_CAP, conductAfter, conductFrom, decayConduct, freshConduct } from '../../src/reputation/conduct.ts'
import type { Outcome } from '../../src/interface/outcome.ts'
import type { Conduct } from '../../src/reputation/conduct.ts'

function after (...outcomes: Outcome[]): Conduct {
  return outcomes.reduce((conduct, outcome) => conductAfter(conduct, outcome, 0), freshConduct(0))
}

const times = (n: number, outcome: Outcome): Outcome[] => new Array<Outcome>(n).fill(outcome)

describe('the conduct score', () => {
  it('gains one per delivery, up to 200', () => {
    expect(after('delivered').score).toBe(1)
    expect(after(...times(150, 'delivered')).score).toBe(150)
    expect(after(...times(500, 'delivered')).score).toBe(CONDUCT_SUCCESS_CAP)
  })

  it('loses twenty for wrong bytes', () => {
    expect(after('invalid').score).toBe(-20)
    expect(after(...times(1_000, 'invalid')).score).toBe(CONDUCT_MIN)
  })

  it('loses five for a refusal from the third in a row on', () => {
    expect(after(...times(2, 'refused')).score).toBe(0)
    expect(after(...times(3, 'refused')).score).toBe(-5)
    expect(after(...times(5, 'refused')).score).toBe(-15)
  })

  it('a refusal after an answer is the first again', () => {
    for (const answer of ['delivered', 'not-here'] as const) {
      const conduct = after('refused', 'refused', answer, 'refused', 'refused')
      expect(conduct.score).toBe(answer === 'delivered' ? 1 : 0)
    }
  })

  it('silence, load, absence and lost races are no matter of conduct', () => {
    for (const outcome of ['not-here', 'unreachable', 'overloaded', 'stalled', 'cancelled'] as const) {
      expect(after(...times(1_000, outcome)).score).toBe(0)
    }
    // nor do they make a refusal forgotten
    expect(after('refused', 'refused', 'stalled', 'cancelled', 'unreachable', 'refused').score).toBe(-5)
  })

  it('is not selectable at -500, until above -400', () => {
    let conduct = after(...times(24, 'invalid'))
    expect(conduct).toMatchObject({ score: -480, selectable: true })
    conduct = conductAfter(conduct, 'invalid', 0)
    expect(conduct).toMatchObject({ score: -500, selectable: false })

    expect(decayConduct(conduct, 10 * CONDUCT_DECAY_INTERVAL)).toMatchObject({ score: -400, selectable: false })
    expect(decayConduct(conduct, 11 * CONDUCT_DECAY_INTERVAL)).toMatchObject({ score: -390, selectable: true })
    // down from above, -400 to -499 stays selectable
    expect(after(...times(22, 'invalid')).selectable).toBe(true)
  })

  it('decays by ten per ten minutes toward zero and not past it', () => {
    const bad = after('invalid')
    expect(decayConduct(bad, CONDUCT_DECAY_INTERVAL - 1).score).toBe(-20)
    expect(decayConduct(bad, CONDUCT_DECAY_INTERVAL).score).toBe(-10)
    expect(decayConduct(bad, 2 * CONDUCT_DECAY_INTERVAL).score).toBe(0)
    expect(decayConduct(bad, 1e12).score).toBe(0)

    const good = after(...times(25, 'delivered'))
    expect(decayConduct(good, 2 * CONDUCT_DECAY_INTERVAL).score).toBe(5)
    expect(decayConduct(good, 1e12).score).toBe(0)
  })

  it('the first fault of somebody long known is not forgiven earlier than ten minutes later', () => {
    const late = conductAfter(freshConduct(0), 'invalid', CONDUCT_DECAY_INTERVAL - 1)
    expect(decayConduct(late, CONDUCT_DECAY_INTERVAL).score).toBe(-20)
    expect(decayConduct(late, 2 * CONDUCT_DECAY_INTERVAL - 1).score).toBe(-10)
  })

  it('looking often does not change what a look sees', () => {
    const start = fc.integer({ min: CONDUCT_MIN, max: CONDUCT_MAX })
    fc.assert(fc.property(start, fc.boolean(), fc.array(fc.nat(5_000_000), { maxLength: 20 }), (score, selectable, waits) => {
      const conduct = conductFrom({ score, selectable, refusals: 0 }, 0)
      let looked = conduct
      let now = 0

      for (const wait of waits) {
        now += wait
        const next = decayConduct(looked, now)
        // monotone toward zero
        expect(Math.abs(next.score)).toBeLessThanOrEqual(Math.abs(looked.score))
        expect(next.score * score).toBeGreaterThanOrEqual(0)
        looked = next
        expect(looked).toEqual(decayConduct(conduct, now))
      }
    }))
  })

  it('stays within its bounds, whatever happens and however clocks jump', () => {
    const step = fc.tuple(
      fc.constantFrom<Outcome>('delivered', 'not-here', 'unreachable', 'overloaded', 'refused', 'stalled', 'invalid', 'cancelled'),
      fc.integer({ min: -10_000_000, max: 10_000_000 })
    )
    fc.assert(fc.property(fc.array(step, { maxLength: 200 }), steps => {
      let conduct = freshConduct(0)
      let now = 0

      for (const [outcome, wait] of steps) {
        now += wait
        conduct = conductAfter(conduct, outcome, now)
        expect(conduct.score).toBeGreaterThanOrEqual(CONDUCT_MIN)
        expect(conduct.score).toBeLessThanOrEqual(CONDUCT_SUCCESS_CAP)
        expect(Number.isInteger(conduct.score)).toBe(true)
        expect(conduct.selectable).toBe(conduct.score > -400 || (conduct.selectable && conduct.score > -500))
      }
    }))
  })
})
