import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DEFAULT_NEGATIVE, NegativeCache } from '../../src/routing/negative-cache.ts'

const { base, max } = DEFAULT_NEGATIVE

describe('NegativeCache', () => {
  it('remembers a miss for 15 s, then 30, then 60 and never longer', () => {
    const cache = new NegativeCache()
    let now = 1_000
    const windows = Array.from({ length: 5 }, () => {
      cache.add('k', 'open', now, 'nobody')
      const window = (cache.get('k', 'open', now)?.until ?? NaN) - now
      expect(cache.get('k', 'open', now + window - 1)?.reason).toBe('nobody')
      expect(cache.get('k', 'open', now + window)).toBeUndefined()
      now += window
      return window
    })
    expect(windows).toEqual([15_000, 30_000, 60_000, 60_000, 60_000])
  })

  it('starts over after a quiet while, and once somebody had it', () => {
    const cache = new NegativeCache()
    cache.add('k', 'open', 0, 'nobody')
    cache.add('k', 'open', base + max, 'nobody')
    expect(cache.get('k', 'open', base + max)?.until).toBe(base + max + base)
    cache.clear('k')
    expect(cache.get('k', 'open', base + max)).toBeUndefined()
    cache.add('k', 'open', base + max, 'nobody')
    expect(cache.get('k', 'open', base + max)?.until).toBe(base + max + base)
  })

  it('keeps every window between the first and the longest, however misses come', () => {
    fc.assert(fc.property(fc.array(fc.record({ wait: fc.integer({ min: 0, max: 200_000 }), key: fc.constantFrom('a', 'b'), mode: fc.constantFrom('open', 'strict') })), steps => {
      const cache = new NegativeCache()
      let now = 0
      for (const { wait, key, mode } of steps) {
        now += wait
        cache.add(key, mode, now, 'nobody')
        const window = (cache.get(key, mode, now)?.until ?? NaN) - now
        expect(window).toBeGreaterThanOrEqual(base)
        expect(window).toBeLessThanOrEqual(max)
      }
    }))
  })

  it('keeps modes apart, and forgets in all of them', () => {
    const cache = new NegativeCache()
    cache.add('k', 'open', 0, 'open')
    expect(cache.get('k', 'balanced', 1)).toBeUndefined()
    cache.add('k', 'balanced', 0, 'balanced')
    cache.add('k', 'strict', 0, 'strict')
    cache.add('other', 'open', 0, 'other')
    cache.clear('k')
    expect(['open', 'balanced', 'strict'].map(mode => cache.get('k', mode, 1))).toEqual([undefined, undefined, undefined])
    expect(cache.get('other', 'open', 1)?.reason).toBe('other')
  })

  it('holds no more than its limit, the oldest go first', () => {
    const cache = new NegativeCache({ ...DEFAULT_NEGATIVE, limit: 10 })
    for (let i = 0; i < 100; i++) {
      cache.add(`k${i}`, 'open', 0, 'nobody')
    }
    const kept = Array.from({ length: 100 }, (_, i) => i).filter(i => cache.get(`k${i}`, 'open', 1) != null)
    expect(kept).toEqual([90, 91, 92, 93, 94, 95, 96, 97, 98, 99])
  })
})
