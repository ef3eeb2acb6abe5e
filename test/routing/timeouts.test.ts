import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DEFAULT_TIMEOUTS, attemptTimeouts } from '../../src/routing/timeouts.ts'

const { floor, ceiling, unknown, connect, stall } = DEFAULT_TIMEOUTS
const ms = fc.double({ min: 0, max: 1e5, noNaN: true })
const anyRtt = fc.option(fc.record({ mean: ms, deviation: ms }), { nil: undefined })
const anyCap = fc.option(ms, { nil: undefined })
const anyPatience = fc.constantFrom(1, 2, 4, 8, 64)

describe('attemptTimeouts', () => {
  it('stays between floor and ceiling, whatever was measured', () => {
    fc.assert(fc.property(anyRtt, anyCap, anyPatience, (rtt, cap, patience) => {
      const timeouts = attemptTimeouts({ rtt, patience }, cap)
      expect(timeouts.firstByte).toBeGreaterThanOrEqual(floor)
      expect(timeouts.firstByte).toBeLessThanOrEqual(ceiling)
    }))
  })

  it('waits for the mean and four deviations of the route', () => {
    expect(attemptTimeouts({ rtt: { mean: 300, deviation: 50 }, patience: 1 }, undefined).firstByte).toBe(500)
    expect(attemptTimeouts({ rtt: { mean: 20, deviation: 1 }, patience: 1 }, undefined).firstByte).toBe(floor)
    expect(attemptTimeouts({ rtt: { mean: 9_000, deviation: 3_000 }, patience: 1 }, undefined).firstByte).toBe(ceiling)
  })

  it('is capped by what attempts take in general, but never below three times the mean of the route', () => {
    const rtt = { mean: 300, deviation: 1_000 }
    expect(attemptTimeouts({ rtt, patience: 1 }, 2_000).firstByte).toBe(2_000)
    expect(attemptTimeouts({ rtt, patience: 1 }, 400).firstByte).toBe(900)
    fc.assert(fc.property(fc.record({ mean: fc.double({ min: floor, max: ceiling / 3, noNaN: true }), deviation: ms }), ms, (rtt, cap) => {
      const { firstByte } = attemptTimeouts({ rtt, patience: 1 }, cap)
      expect(firstByte).toBeGreaterThanOrEqual(Math.min(rtt.mean + 4 * rtt.deviation, 3 * rtt.mean))
      expect(firstByte).toBeLessThanOrEqual(Math.max(cap, 3 * rtt.mean))
    }))
  })

  it('gives a route that never answered what is usual, at most what is given without experience', () => {
    expect(attemptTimeouts({ patience: 1 }, undefined).firstByte).toBe(unknown)
    expect(attemptTimeouts({ patience: 1 }, 1_000).firstByte).toBe(1_000)
    fc.assert(fc.property(ms, cap => {
      expect(attemptTimeouts({ patience: 1 }, cap).firstByte).toBeLessThanOrEqual(unknown)
    }))
  })

  it('doubles with every stall, up to the ceiling', () => {
    const rtt = { mean: 400, deviation: 25 }
    const waits = [1, 2, 4, 8, 16, 32].map(patience => attemptTimeouts({ rtt, patience }, undefined).firstByte)
    expect(waits).toEqual([500, 1_000, 2_000, 4_000, 8_000, ceiling])
  })

  it('is separate for connecting, first byte and stalls, each configurable', () => {
    expect(attemptTimeouts({ patience: 1 }, undefined)).toMatchObject({ connect, stall })
    const params = { floor: 10, ceiling: 70, unknown: 50, connect: 60, stall: 40 }
    expect(attemptTimeouts({ patience: 1 }, undefined, params)).toEqual({ connect: 60, firstByte: 50, stall: 40 })
    expect(attemptTimeouts({ rtt: { mean: 1, deviation: 0 }, patience: 1 }, undefined, params).firstByte).toBe(10)
    expect(attemptTimeouts({ rtt: { mean: 100, deviation: 0 }, patience: 1 }, undefined, params).firstByte).toBe(70)
    expect(attemptTimeouts({ patience: 1 }, undefined, { ...params, connect: 900, stall: 900 })).toMatchObject({ connect: 70, stall: 70 })
  })
})
