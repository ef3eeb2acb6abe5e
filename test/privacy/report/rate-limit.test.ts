import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RateLimit } from '../../../src/privacy/report/rate-limit.ts'

describe('a limit of requests', () => {
  it('gives nobody more for having more keys than are kept', () => {
    const clock = { time: 0, now: () => clock.time }
    const limit = new RateLimit(clock, { perMinute: 10, maxKeys: 16 })
    const attempt = (key: string): boolean => {
      const may = limit.wait(key) === 0
      if (may) {
        limit.take(key)
      }
      return may
    }
    const all = (): number => Array.from({ length: 20_000 }, (_, i) => attempt(`client ${i % 500}`)).filter(may => may).length

    expect(all()).toBe(16 * 10)
    expect(all()).toBe(0)
    clock.time += 6_000
    expect(all()).toBe(16)
    clock.time += 60_000
    // whoever was not heard of for a minute makes room
    expect(attempt('somebody new')).toBe(true)
    expect(limit.size).toBeLessThanOrEqual(16)
  })

  it('lets nobody through more often than it says, whoever else asks', () => {
    const step = fc.record({ key: fc.nat(30), after: fc.integer({ min: 0, max: 5_000 }) })

    fc.assert(fc.property(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 10 }), fc.array(step, { maxLength: 200 }), (perMinute, maxKeys, steps) => {
      const clock = { time: 0, now: () => clock.time }
      const limit = new RateLimit(clock, { perMinute, maxKeys })
      let taken = 0

      for (const { key, after } of steps) {
        clock.time += after
        if (limit.wait(String(key)) === 0) {
          limit.take(String(key))
          taken++
        }
        expect(limit.size).toBeLessThanOrEqual(maxKeys)
      }
      expect(taken).toBeLessThanOrEqual(maxKeys * perMinute * (1 + clock.time / 60_000))
    }))
  })
})
