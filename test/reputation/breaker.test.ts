import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { breakerAfter, breakerPhase, closedBreaker, DEFAULT_BREAKER, probeBreaker } from '../../src/reputation/breaker.ts'
import type { Outcome } from '../../src/interface/outcome.ts'
import type { Breaker, Fault } from '../../src/reputation/breaker.ts'

const fault = (outcome: Outcome, now: number, more: Partial<Fault> = {}): Fault => ({ outcome, now, dice: 0.5, proven: false, ...more })
const until = (breaker: Breaker): number => breaker.state === 'open' ? breaker.until : -Infinity

describe('the breaker', () => {
  it('gives one that never delivered no second chance, and a proven one three', () => {
    for (const outcome of ['unreachable', 'stalled'] as const) {
      expect(breakerPhase(breakerAfter(closedBreaker, fault(outcome, 0)), 0)).toBe('open')

      let proven: Breaker = closedBreaker
      for (let i = 1; i <= DEFAULT_BREAKER.tolerance; i++) {
        expect(breakerPhase(proven, 0)).toBe('closed')
        proven = breakerAfter(proven, fault(outcome, 0, { proven: true }))
      }
      expect(breakerPhase(proven, 0)).toBe('open')
    }
  })

  it('opens at once when a provider says that it is overloaded or lies', () => {
    expect(until(breakerAfter(closedBreaker, fault('overloaded', 0, { proven: true, dice: 0.999999 })))).toBeCloseTo(DEFAULT_BREAKER.base, 0)
    expect(until(breakerAfter(closedBreaker, fault('invalid', 0, { proven: true, dice: 0.999999 })))).toBeCloseTo(DEFAULT_BREAKER.invalidBase, -2)
  })

  it('any answer breaks a row of faults', () => {
    for (const answer of ['delivered', 'not-here', 'refused'] as const) {
      let breaker: Breaker = closedBreaker
      for (let i = 0; i < 10; i++) {
        breaker = breakerAfter(breaker, fault('stalled', i, { proven: true }))
        breaker = breakerAfter(breaker, fault('stalled', i, { proven: true }))
        breaker = breakerAfter(breaker, fault(answer, i, { proven: true }))
      }
      expect(breaker).toEqual(closedBreaker)
    }
  })

  it('doubles its pause with every failed probe, up to the longest', () => {
    let breaker: Breaker = closedBreaker
    let now = 0
    let last = 0

    for (let i = 0; i < 40; i++) {
      breaker = breakerAfter(probeBreaker(breaker, now), fault('unreachable', now))
      const pause = until(breaker) - now
      expect(pause).toBeCloseTo(Math.min(DEFAULT_BREAKER.max, DEFAULT_BREAKER.base * 2 ** i) * (1 - DEFAULT_BREAKER.jitter / 2), 3)
      expect(pause).toBeGreaterThanOrEqual(last)
      last = pause
      now = until(breaker)
    }
  })

  it('spreads the pauses of many nodes over the jitter', () => {
    fc.assert(fc.property(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), dice => {
      const pause = until(breakerAfter(closedBreaker, fault('unreachable', 0, { dice })))
      expect(pause).toBe(DEFAULT_BREAKER.base * (1 - DEFAULT_BREAKER.jitter + DEFAULT_BREAKER.jitter * dice))
    }))
  })

  it('lets one probe through when the pause is over, and only one', () => {
    const open = breakerAfter(closedBreaker, fault('unreachable', 0))
    const at = until(open)
    expect(breakerPhase(open, at - 0.001)).toBe('open')
    expect(breakerPhase(open, at)).toBe('half-open')

    const probed = probeBreaker(open, at)
    expect(breakerPhase(probed, at + 1)).toBe('open')
    expect(breakerPhase(breakerAfter(probed, fault('delivered', at + 1)), at + 1)).toBe('closed')
    expect(breakerPhase(breakerAfter(probed, fault('stalled', at + 1)), at + 1)).toBe('open')
    // we gave the probe up: the next one may go
    expect(breakerPhase(breakerAfter(probed, fault('cancelled', at + 1)), at + 1)).toBe('half-open')
  })

  it('a probe that nobody reports back from does not ban for ever', () => {
    const open = breakerAfter(closedBreaker, fault('unreachable', 0))
    const probed = probeBreaker(open, until(open))
    expect(breakerPhase(probed, until(open) + DEFAULT_BREAKER.max)).toBe('half-open')
  })

  it('a probe makes nothing of a closed breaker', () => {
    expect(probeBreaker(closedBreaker, 0)).toEqual(closedBreaker)
  })

  it('answers that were in flight when it opened do not open it further', () => {
    const open = breakerAfter(closedBreaker, fault('unreachable', 0))
    let breaker = open

    for (let i = 1; i < 20; i++) {
      breaker = breakerAfter(breaker, fault('unreachable', i))
    }

    expect(breaker).toEqual(open)
    // but what they say about coming back is heard
    expect(until(breakerAfter(open, fault('overloaded', 20, { retryAfter: 60_000 })))).toBe(60_020)
    expect(until(breakerAfter(open, fault('overloaded', 20, { retryAfter: 1 })))).toBe(until(open))
  })

  it('obeys Retry-After, within reason', () => {
    expect(until(breakerAfter(closedBreaker, fault('overloaded', 0, { retryAfter: 120_000 })))).toBe(120_000)
    expect(until(breakerAfter(closedBreaker, fault('overloaded', 0, { retryAfter: 1 })))).toBeGreaterThan(500)

    for (const retryAfter of [Infinity, 1e300, Number.MAX_VALUE]) {
      expect(until(breakerAfter(closedBreaker, fault('overloaded', 0, { retryAfter })))).toBe(DEFAULT_BREAKER.maxRetryAfter)
    }

    for (const retryAfter of [NaN, -1, -Infinity]) {
      const breaker = breakerAfter(closedBreaker, fault('overloaded', 0, { retryAfter }))
      expect(breakerPhase(breaker, 0)).toBe('open')
      expect(breakerPhase(breaker, DEFAULT_BREAKER.base)).toBe('half-open')
      expect(until(breakerAfter(breaker, fault('overloaded', 1, { retryAfter })))).toBe(until(breaker))
    }
  })

  it('never pauses longer than it may, whatever happens', () => {
    const longest = Math.max(DEFAULT_BREAKER.max, DEFAULT_BREAKER.maxRetryAfter)
    const step = fc.record({
      outcome: fc.constantFrom<Outcome>('delivered', 'not-here', 'unreachable', 'overloaded', 'refused', 'stalled', 'invalid', 'cancelled'),
      wait: fc.oneof(fc.nat(2_000), fc.nat(1_000_000)),
      dice: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      retryAfter: fc.option(fc.double(), { nil: undefined }),
      proven: fc.boolean(),
      probe: fc.boolean()
    })

    fc.assert(fc.property(fc.array(step, { maxLength: 60 }), steps => {
      let breaker: Breaker = closedBreaker
      let now = 0

      for (const { wait, probe, ...rest } of steps) {
        now += wait
        if (probe && breakerPhase(breaker, now) === 'half-open') {
          breaker = probeBreaker(breaker, now)
        }
        breaker = breakerAfter(breaker, { ...rest, now })

        if (breaker.state === 'open') {
          expect(breaker.until - now).toBeLessThanOrEqual(longest)
          expect(Number.isFinite(breaker.until)).toBe(true)
        }
        expect(breakerPhase(breaker, now + longest)).not.toBe('open')
      }
    }))
  })
})
