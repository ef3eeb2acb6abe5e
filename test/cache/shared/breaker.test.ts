import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DEFAULT_BREAKER, afterAnswer, afterFault, afterLoss, afterProbe, newBreaker, probeBreaker } from '../../../src/cache/shared/breaker.ts'
import type { Breaker } from '../../../src/cache/shared/breaker.ts'

const { base, max, tolerance, jitter } = DEFAULT_BREAKER
const closed = { state: 'closed', faults: 0, step: 0 } as Breaker

function pause (breaker: Breaker, now: number): number {
  return breaker.state === 'open' ? breaker.until - now : 0
}

describe('the breaker of a shared cache', () => {
  it('is half-open to begin with: the first connection is a probe', () => {
    expect(newBreaker.state).toBe('half-open')
    expect(afterProbe(newBreaker, true, 0, 0)).toEqual(closed)
    expect(afterProbe(newBreaker, false, 0, 0)).toEqual({ state: 'open', until: base, step: 1 })
  })

  it('opens after so many faults in a row and not before', () => {
    let breaker = closed
    for (let i = 1; i < tolerance; i++) {
      breaker = afterFault(breaker, 0, 0)
      expect(breaker.state).toBe('closed')
    }
    expect(afterFault(breaker, 10, 0)).toEqual({ state: 'open', until: 10 + base, step: 1 })
  })

  it('opens when more than one answer in five is late, and not when one in six is', () => {
    const after = (answers: number): Breaker => {
      let breaker = closed
      for (let i = 0; i < 200 && breaker.state === 'closed'; i++) {
        breaker = afterFault(breaker, 0, 0)
        for (let n = 0; n < answers; n++) {
          breaker = afterAnswer(breaker)
        }
      }
      return breaker
    }
    expect(after(3).state).toBe('open')
    expect(after(5).state).toBe('closed')
  })

  it('opens at once when the connection is lost', () => {
    expect(afterLoss(closed, 7, 0)).toEqual({ state: 'open', until: 7 + base, step: 1 })
  })

  it('stays as it is while it is open, whatever comes in late', () => {
    const open = afterLoss(closed, 0, 0)
    expect(afterFault(open, 1, 0)).toBe(open)
    expect(afterLoss(open, 1, 0)).toBe(open)
    expect(afterAnswer(open)).toBe(open)
    expect(afterProbe(open, true, 1, 0)).toBe(open)
  })

  it('lets one probe out when the pause is over', () => {
    const open = afterLoss(closed, 0, 0)
    expect(probeBreaker(open, base - 1)).toBe(open)
    const probing = probeBreaker(open, base)
    expect(probing).toEqual({ state: 'half-open', step: 1 })
    expect(probeBreaker(probing, base)).toBe(probing)
  })

  it('is on trial after a probe: one fault opens it for longer, answers clear it', () => {
    const trial = afterProbe({ state: 'half-open', step: 1 }, true, 0, 0)
    expect(pause(afterFault(trial, 0, 0), 0)).toBe(2 * base)

    let breaker = trial
    for (let i = 0; i < 8; i++) {
      breaker = afterAnswer(breaker)
    }
    expect(breaker).toEqual(closed)
  })

  it('pauses for twice as long each time, up to a limit, with jitter that only shortens', () => {
    fc.assert(fc.property(fc.nat(100), fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), fc.nat(1_000_000), (step, dice, now) => {
      const ms = pause(afterProbe({ state: 'half-open', step }, false, now, dice), now)
      const full = Math.min(max, base * 2 ** step)
      expect(ms).toBeLessThanOrEqual(full + 1e-6)
      expect(ms).toBeGreaterThanOrEqual(full * (1 - jitter) - 1e-6)
    }))
  })

  it('costs readers of a cache that is always late a share of their time that goes to nothing', () => {
    let breaker = closed
    let now = 0
    let late = 0
    const hour = 3_600_000

    while (now < hour) {
      if (breaker.state === 'closed') {
        now += 50
        late++
        breaker = afterFault(breaker, now, 0.5)
      } else if (breaker.state === 'open') {
        now = breaker.until
        breaker = probeBreaker(breaker, now)
      } else {
        // the worst case: probes come back at once, and every read is late
        breaker = afterProbe(breaker, true, now, 0.5)
      }
    }
    expect(late * 50 / hour).toBeLessThan(0.003)
  })

  it('recovers from any history: pauses are bounded, and a probe is what ends each', () => {
    const events = fc.array(fc.constantFrom('answer', 'fault', 'loss', 'wait', 'probe', 'failure'), { maxLength: 200 })
    fc.assert(fc.property(events, events => {
      let breaker: Breaker = newBreaker
      let now = 0
      for (const event of events) {
        now += 100
        switch (event) {
          case 'answer': breaker = afterAnswer(breaker); break
          case 'fault': breaker = afterFault(breaker, now, 0); break
          case 'loss': breaker = afterLoss(breaker, now, 0); break
          case 'wait': breaker = probeBreaker(breaker, now += max); break
          case 'probe': breaker = afterProbe(breaker, true, now, 0); break
          case 'failure': breaker = afterProbe(breaker, false, now, 0)
        }
        expect(pause(breaker, now)).toBeLessThanOrEqual(max)
        expect(breaker.step).toBeLessThanOrEqual(30)
      }
      expect(afterProbe(probeBreaker(afterLoss(breaker, now, 0), now + max), true, now, 0).state).toBe('closed')
    }))
  })
})
