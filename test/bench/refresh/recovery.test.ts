import { describe, expect, it } from 'vitest'
import { recoveredAfter } from '../../../bench/refresh/recovery.ts'

/** One lookup each 10 s, that takes so long */
const lookups = (...took: number[]): Array<{ at: number, took: number }> => took.map((ms, i) => ({ at: 1_000 + i * 10_000, took: ms }))
const slow = (count: number): number[] => Array.from({ length: count }, () => 9_000)
const quick = (count: number): number[] => Array.from({ length: count }, () => 300)
const rule = { leftAt: 1_000, bound: 1_000, window: 20 }

describe('the time to recover', () => {
  it('is when the last of so many lookups has ended with which their p90 is below the bound', () => {
    expect(recoveredAfter(lookups(...quick(40)), rule)).toBe(190_300)
    // of twenty the second slowest counts
    expect(recoveredAfter(lookups(...slow(5), ...quick(40)), rule)).toBe(10_000 * 23 + 300)
    expect(recoveredAfter(lookups(...quick(19), 9_000, ...quick(20)), rule)).toBe(199_000)
  })

  it('is none while more than one in ten is too slow, or there are too few', () => {
    expect(recoveredAfter(lookups(...quick(19)), rule)).toBeUndefined()
    expect(recoveredAfter(lookups(...Array.from({ length: 60 }, (_, i) => i % 7 === 0 ? 9_000 : 300)), rule)).toBeUndefined()
    expect(recoveredAfter([], rule)).toBeUndefined()
  })
})
