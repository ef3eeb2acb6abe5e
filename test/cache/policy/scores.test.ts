import { describe, expect, it } from 'vitest'
import { Scores } from '../../../src/cache/policy/scores.ts'

const ALL = (): boolean => true
const BOTH = 0b11
const FIRST = 0b01
const SECOND = 0b10

function after (requests: number, hit: (i: number) => readonly [experts: number, size: number]): Scores {
  const scores = new Scores(2)

  for (let i = 0; i < requests; i++) {
    scores.pass(100)
    scores.add(...hit(i))
  }

  return scores
}

describe('scores', () => {
  it('leave the leader alone as long as another is ahead by chance only', () => {
    expect(after(1000, i => [i % 2 === 0 ? FIRST : SECOND, 1]).best(0, ALL)).toBe(0)
    expect(after(1000, i => [i % 20 < 9 ? FIRST : SECOND, 1]).best(0, ALL)).toBe(1)
  })

  it('pass over whom nobody can follow', () => {
    expect(after(1000, () => [SECOND, 1]).best(0, i => i !== 1)).toBe(0)
  })

  it('do not let hits of objects be bought with bytes', () => {
    // two small ones for each large one
    const scores = after(3000, i => i % 3 === 0 ? [FIRST, 1000] : [SECOND, 10])
    expect(scores.best(0, ALL)).toBe(0)
    expect(scores.best(1, ALL)).toBe(0)
  })

  it('forget who was good long ago', () => {
    const scores = after(60_000, i => [i < 40_000 ? SECOND : FIRST, 1])
    expect(scores.best(1, ALL)).toBe(0)
  })

  it('go on for ever', () => {
    const scores = new Scores(2)

    for (let i = 0; i < 3_000_000; i++) {
      scores.pass(0)

      if (i % 1000 === 0) {
        scores.add(BOTH, 1)
      }
    }

    for (let i = 0; i < 100; i++) {
      scores.pass(0)
      scores.add(SECOND, 1)
    }

    expect(scores.best(0, ALL)).toBe(1)
    expect(Number.isFinite(scores.bytes(1))).toBe(true)
    expect(scores.order(1)).toEqual([0, FIRST, SECOND, BOTH])
  })

  it('put the sets of experts in the order of what they hit of late, after them those with the leader', () => {
    const scores = after(1000, i => [i % 10 < 3 ? FIRST : SECOND, 1])
    expect(scores.order(0)).toEqual([0, SECOND, FIRST, BOTH])
    expect(scores.order(1)).toEqual([0, FIRST, SECOND, BOTH])
  })

  it('tell the bytes that one hits beside those of the baseline', () => {
    expect(after(0, () => [0, 0]).bytes(1)).toBe(1)
    expect(after(3000, i => i % 3 === 0 ? [FIRST, 1000] : [SECOND, 250]).bytes(1)).toBeCloseTo(0.5, 2)
    expect(after(3000, () => [BOTH, 1000]).bytes(1)).toBe(1)
  })
})
