import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { belady, sizedBound } from '../../../bench/cache/optimum.ts'
import { TraceBuilder } from '../../../bench/cache/trace.ts'
import type { Outcome, Trace } from '../../../bench/cache/trace.ts'

function traceOf (keys: Iterable<string | number>, sizes: Readonly<Record<string | number, number>> = {}): Trace {
  const builder = new TraceBuilder()
  for (const key of keys) {
    builder.add(key, sizes[key])
  }
  return builder.build('keys', { seed: 1, sized: true })
}

/** The most that any choice of what to keep reaches, of hits and of bytes: all sets of objects are tried */
function exhaustive ({ requests, sizes }: Trace, capacity: number): Outcome {
  const bytesOf = (set: number): number => sizes.reduce((sum, size, object) => (set >> object & 1) === 1 ? sum + size : sum, 0)
  const best = (worth: (object: number) => number): number => {
    let sums = new Map<number, number>([[0, 0]])

    for (const object of requests) {
      const after = new Map<number, number>()

      for (const [set, sum] of sums) {
        const here = (set >> object & 1) === 1
        const open = set | 1 << object
        // every part of what is here and what was asked for
        for (let kept = open; ; kept = (kept - 1) & open) {
          if (bytesOf(kept) <= capacity) {
            after.set(kept, Math.max(after.get(kept) ?? 0, sum + (here ? worth(object) : 0)))
          }
          if (kept === 0) {
            break
          }
        }
      }

      sums = after
    }

    return Math.max(...sums.values())
  }

  return { hits: best(() => 1), bytes: best(object => sizes[object] ?? 0) }
}

const keys = fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 1, maxLength: 14 })

describe('belady', () => {
  it('keeps what is asked for next, and declines what is not', () => {
    // room for one: c and b are declined, a hits; with MIN that must take each, a would not
    expect(belady(traceOf('abca'), 1).hits).toBe(1)
    // the sequence on which FIFO gets worse with more room
    expect(belady(traceOf('123412512345'), 4).hits).toBe(6)
    expect(belady(traceOf('123412512345'), 3).hits).toBe(5)
  })

  it('hits a loop as often as fits into the cache', () => {
    expect(belady(traceOf('abcdabcdabcd'), 2).hits).toBe(4)
  })

  it('is the most that any policy reaches', () => {
    fc.assert(fc.property(keys, fc.integer({ min: 1, max: 4 }), (keys, capacity) => {
      const trace = traceOf(keys)
      expect(belady(trace, capacity).hits).toBe(exhaustive(trace, capacity).hits)
    }), { numRuns: 300 })
  })
})

describe('sizedBound', () => {
  it('sells room and time to the cheapest intervals', () => {
    // room for 2 bytes over 4 requests: b costs 1 x 1, a 3 x 2: both of 8
    expect(sizedBound(traceOf('abba', { a: 2, b: 1 }), 2)).toEqual({ hits: 2, bytes: 3 })
    // room for 2 bytes over 5: b costs 2 x 2, a 2 x 4, for which 6 are left
    expect(sizedBound(traceOf('abcba', { a: 2, b: 2, c: 1 }), 2)).toEqual({ hits: 1.75, bytes: 3.5 })
  })

  it('is never below what any policy reaches', () => {
    fc.assert(fc.property(keys, fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 6, maxLength: 6 }), fc.integer({ min: 1, max: 12 }), (keys, sizes, capacity) => {
      const trace = traceOf(keys, Object.fromEntries(sizes.entries()))
      const bound = sizedBound(trace, capacity)
      const best = exhaustive(trace, capacity)
      expect(bound.hits).toBeGreaterThanOrEqual(best.hits - 1e-9)
      expect(bound.bytes).toBeGreaterThanOrEqual(best.bytes - 1e-9)
    }), { numRuns: 300 })
  })

  it('is not above everything: where nothing fits, nothing hits', () => {
    expect(sizedBound(traceOf('aabb', { a: 5, b: 5 }), 4)).toEqual({ hits: 0, bytes: 0 })
  })
})
