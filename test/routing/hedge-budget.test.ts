import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DEFAULT_HEDGE, HedgeBudget } from '../../src/routing/hedge-budget.ts'

/** Sums of tenths are a little off */
const DUST = 1e-6

describe('HedgeBudget', () => {
  it('never pays for more than the share of the requests and what was there at the start', () => {
    fc.assert(fc.property(
      fc.array(fc.oneof(fc.constant('earn' as const), fc.integer({ min: 0, max: 4 }))),
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.integer({ min: 0, max: 20 }),
      (steps, share, initial) => {
        const budget = new HedgeBudget({ ...DEFAULT_HEDGE, share, initial, burst: 20 })
        let earned = 0
        let spent = 0

        for (const step of steps) {
          if (step === 'earn') {
            budget.earn()
            earned++
          } else {
            const before = budget.tokens
            const paid = budget.spend(step)
            spent += paid ? 1 : 0
            expect(paid).toBe(before >= 1 + step)
            expect(budget.tokens).toBe(paid ? before - 1 : before)
          }

          expect(budget.tokens).toBeGreaterThanOrEqual(0)
          expect(budget.tokens).toBeLessThanOrEqual(20)
          expect(spent).toBeLessThanOrEqual(initial + share * earned + DUST)
        }
      }
    ))
  })

  it('lets strangers go first in a share of reads, which those that deliver do not use up', () => {
    const budget = new HedgeBudget()
    const explorations = (cost: boolean): number => {
      let count = 0

      for (let i = 0; i < 10_000; i++) {
        budget.earn()

        if (budget.mayExplore) {
          budget.explore()
          count++

          if (!cost) {
            budget.explored()
          }
        }
      }

      return count
    }
    expect(explorations(true)).toBeLessThanOrEqual(10_000 * DEFAULT_HEDGE.exploreShare + DEFAULT_HEDGE.exploreBurst + DUST)
    expect(explorations(true)).toBeGreaterThan(0.9 * 10_000 * DEFAULT_HEDGE.exploreShare)
    expect(explorations(false)).toBeGreaterThan(9_900)
  })

  it('saves up for a burst and no more', () => {
    const budget = new HedgeBudget()
    for (let i = 0; i < 10_000; i++) {
      budget.earn()
    }
    let spent = 0
    while (budget.spend()) {
      spent++
    }
    expect(spent).toBe(DEFAULT_HEDGE.burst)
  })

  it('allows by default one extra request in ten', () => {
    const budget = new HedgeBudget({ ...DEFAULT_HEDGE, initial: 0 })
    let spent = 0
    for (let i = 0; i < 10_000; i++) {
      budget.earn()
      spent += budget.spend() ? 1 : 0
    }
    expect(spent).toBeGreaterThan(900)
    expect(spent).toBeLessThanOrEqual(1_000)
  })

  it('leaves the reserve to others', () => {
    const budget = new HedgeBudget({ ...DEFAULT_HEDGE, initial: 3 })
    expect(budget.spend(2)).toBe(true)
    expect(budget.spend(2)).toBe(false)
    expect(budget.spend()).toBe(true)
  })

  it('waits for what is usual, and without experience less for every further hedge', () => {
    const budget = new HedgeBudget({ ...DEFAULT_HEDGE, coldDelay: 400, minDelay: 60 })
    expect(budget.delay(0, 77)).toBe(77)
    expect([0, 1, 2, 3].map(n => budget.delay(n, undefined))).toEqual([400, 200, 100, 60])
    fc.assert(fc.property(fc.integer({ min: 0, max: 100 }), fc.option(fc.double({ min: 0, max: 1e5, noNaN: true }), { nil: undefined }), (n, recent) => {
      expect(budget.delay(n, recent)).toBeGreaterThanOrEqual(60)
    }))
  })

  it('lets a measurement out when its turn has come, and never with what a read in need is left', () => {
    const budget = new HedgeBudget({ ...DEFAULT_HEDGE, initial: 10, shadowShare: 0.25 })
    const turns = Array.from({ length: 12 }, () => {
      budget.earn()
      return budget.measure()
    })
    expect(turns.filter(Boolean)).toHaveLength(3)
    expect(turns.lastIndexOf(true) - turns.indexOf(true)).toBe(8)

    const poor = new HedgeBudget({ ...DEFAULT_HEDGE, share: 0, initial: 1.5, shadowShare: 1 })
    poor.earn()
    expect(poor.measure()).toBe(false)
    expect(poor.tokens).toBe(1.5)
  })

  it('has something to spare for what is only wanted ahead while more than half is left', () => {
    expect(new HedgeBudget({ ...DEFAULT_HEDGE, initial: 6 }).hasSpare).toBe(true)
    expect(new HedgeBudget({ ...DEFAULT_HEDGE, initial: 5.9 }).hasSpare).toBe(false)
    expect(new HedgeBudget({ ...DEFAULT_HEDGE, burst: 0, initial: 0 }).hasSpare).toBe(false)
  })
})
