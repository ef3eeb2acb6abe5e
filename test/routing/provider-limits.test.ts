import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FIRST_LIMIT, ProviderLimits } from '../../src/routing/provider-limits.ts'
import { AttemptSlots, DEFAULT_LIMITS } from '../../src/routing/slots.ts'

const ID = 'http:a.example'

/** Answers, all places taken */
function answers (limits: ProviderLimits, count: number, latency: number, now = 0): void {
  for (let i = 0; i < count; i++) {
    limits.answered(ID, latency, limits.of(ID), now)
  }
}

describe('the limit of a provider', () => {
  it('grows to the largest within two round trips while answers are as fast as ever, and for each provider by itself', () => {
    const limits = new ProviderLimits(256)
    answers(limits, FIRST_LIMIT, 25)
    expect(limits.of(ID)).toBe(3 * FIRST_LIMIT)
    answers(limits, 3 * FIRST_LIMIT, 25)
    expect(limits.of(ID)).toBe(256)
    expect(limits.of('http:b.example')).toBe(FIRST_LIMIT)
  })

  it('does not grow while it is not used', () => {
    const limits = new ProviderLimits(256)
    for (let i = 0; i < 1_000; i++) {
      limits.answered(ID, 25, FIRST_LIMIT / 4, i)
    }
    expect(limits.of(ID)).toBe(FIRST_LIMIT)
  })

  it('shrinks when the fastest of a round is late, not below where it began, and grows slowly from then on', () => {
    const limits = new ProviderLimits(256)
    answers(limits, 4 * FIRST_LIMIT, 25)
    answers(limits, 128, 200)
    expect(limits.of(ID)).toBeLessThan(200)
    answers(limits, 2_000, 200)
    expect(limits.of(ID)).toBe(FIRST_LIMIT)
    answers(limits, FIRST_LIMIT, 25)
    expect(limits.of(ID)).toBeGreaterThan(FIRST_LIMIT)
    expect(limits.of(ID)).toBeLessThan(FIRST_LIMIT + 20)
  })

  it('takes what is far away for far away, not for late', () => {
    const limits = new ProviderLimits(256)
    answers(limits, 1_000, 800)
    expect(limits.of(ID)).toBe(256)
  })

  it('believes after a while that the line has become another', () => {
    const limits = new ProviderLimits(256)
    answers(limits, 1_000, 5)
    answers(limits, 1_000, 300, 1)
    expect(limits.of(ID)).toBe(FIRST_LIMIT)
    answers(limits, 100, 300, 15_000)
    answers(limits, 2_000, 300, 30_000)
    expect(limits.of(ID)).toBe(256)
  })

  it('is halved once for all that were asked together, and recovers', () => {
    const limits = new ProviderLimits(256)
    answers(limits, 1_000, 25)
    for (let i = 0; i < 50; i++) {
      limits.failed(ID, 'stalled', 0)
    }
    expect(limits.of(ID)).toBe(128)
    answers(limits, 5_000, 25)
    expect(limits.of(ID)).toBe(256)
  })

  it('sinks to eight for who says that it is overloaded again and again, and for who stalls to no less than it began with', () => {
    const limits = new ProviderLimits(256)
    /** One failure after the other, with answers between them that tell nothing */
    const fails = (outcome: 'overloaded' | 'stalled'): number[] => Array.from({ length: 6 }, () => {
      limits.failed(ID, outcome, 0)
      for (let i = 0; i < 256; i++) {
        limits.answered(ID, 25, 0, 0)
      }
      return limits.of(ID)
    })
    answers(limits, 1_000, 25)
    expect(fails('stalled')).toEqual([128, 64, 64, 64, 64, 64])
    expect(fails('overloaded')).toEqual([32, 16, 8, 8, 8, 8])
    // and what is below that is not raised by a failure
    expect(fails('stalled')).toEqual([8, 8, 8, 8, 8, 8])
  })

  it('bears a few ms of waiting where answers come at once', () => {
    const limits = new ProviderLimits(256)
    answers(limits, 1_000, 1)
    answers(limits, 1_000, 21)
    expect(limits.of(ID)).toBe(256)
    answers(limits, 1_000, 23)
    expect(limits.of(ID)).toBe(FIRST_LIMIT)
  })

  it('is remembered for so many providers, those that answered last', () => {
    const limits = new ProviderLimits(256)
    answers(limits, 1_000, 25)
    for (let i = 0; i < 1_023; i++) {
      limits.answered(`http:${i}.example`, 25, 1, 0)
    }
    expect(limits.of(ID)).toBe(256)
    limits.answered('http:one-more.example', 25, 1, 0)
    expect(limits.of(ID)).toBe(FIRST_LIMIT)
  })

  it('is never above the largest nor below one, whatever comes', () => {
    const step = fc.record({ what: fc.constantFrom('answer', 'overloaded', 'stalled', 'unreachable' as const), latency: fc.nat(1_000), inFlight: fc.nat(300), ms: fc.nat(15_000) })
    fc.assert(fc.property(fc.integer({ min: 1, max: 300 }), fc.array(step, { maxLength: 300 }), (most, steps) => {
      const limits = new ProviderLimits(most)
      let now = 0
      for (const { what, latency, inFlight, ms } of steps) {
        now += ms
        if (what === 'answer') {
          limits.answered(ID, latency, inFlight, now)
        } else {
          limits.failed(ID, what as 'stalled', now)
        }
        expect(limits.of(ID)).toBeLessThanOrEqual(most)
        expect(limits.of(ID)).toBeGreaterThanOrEqual(Math.min(8, most))
        expect(Number.isInteger(limits.of(ID))).toBe(true)
      }
    }))
  })
})

describe('the places of a client', () => {
  it('are three quarters of all when it is alone, and leave room to each who comes', () => {
    const slots = new AttemptSlots()
    const take = (client: string): number => {
      let taken = 0
      while (slots.tryAcquire(client)) {
        taken++
      }
      return taken
    }
    expect(take('a')).toBe(192)
    expect(DEFAULT_LIMITS.global - slots.inFlight).toBe(64)
    // a quarter is everybody's
    expect(take('b')).toBe(64)
    for (let i = 0; i < 30; i++) {
      slots.release('a')
      expect(slots.tryAcquire('a')).toBe(false)
    }
    expect(take('c')).toBe(30)
  })
})
