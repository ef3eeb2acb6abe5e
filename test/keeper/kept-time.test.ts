import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MAX_SKEW, fromWall, toWall } from '../../src/keeper/kept-time.ts'

describe('kept times', () => {
  it('come back as old as they were, in a process with another monotonic clock', () => {
    fc.assert(fc.property(fc.nat(1e9), fc.nat(1e9), fc.nat(1e9), (age, off, started) => {
      const before = { now: () => 5_000_000, wall: () => 1.7e12 }
      const after = { now: () => started, wall: () => 1.7e12 + off }
      expect(fromWall(after, toWall(before, before.now() - age), 0)).toBe(started - off - age)
    }))
  })

  it('in the future are of the age that is given, or new where clocks just differ', () => {
    const clock = { now: () => 100, wall: () => 1.7e12 }
    expect(fromWall(clock, 1.7e12 + MAX_SKEW, 7)).toBe(100)
    expect(fromWall(clock, 1.7e12 + MAX_SKEW + 1, 7)).toBe(93)
  })
})
