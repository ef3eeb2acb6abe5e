import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FrequencySketch } from '../../../src/cache/policy/frequency-sketch.ts'
import { mixHash } from './requests.ts'

function counted (times: ReadonlyArray<readonly [key: number, times: number]>): FrequencySketch {
  const sketch = new FrequencySketch()

  for (const [key, count] of times) {
    for (let i = 0; i < count; i++) {
      sketch.add(mixHash(key))
    }
  }

  return sketch
}

describe('frequency sketch', () => {
  it('never tells less than was counted, up to 16', () => {
    fc.assert(fc.property(fc.array(fc.tuple(fc.nat(500), fc.integer({ min: 1, max: 20 })), { maxLength: 60 }), times => {
      const sketch = counted(times)
      const sums = new Map<number, number>()
      times.forEach(([key, count]) => sums.set(key, (sums.get(key) ?? 0) + count))

      for (const [key, sum] of sums) {
        expect(sketch.estimate(mixHash(key))).toBeGreaterThanOrEqual(Math.min(16, sum))
      }
    }))
  })

  it('tells a key that was not seen from those that were', () => {
    const sketch = counted([[1, 1], [2, 5], [3, 40]])
    expect([4, 1, 2, 3].map(key => sketch.estimate(mixHash(key)))).toEqual([0, 1, 5, 16])
  })

  it('forgets half when thirty requests for each entry were counted', () => {
    const sketch = counted([[1, 11]])
    const others = 30 * 128 - 11

    for (let i = 1; i < others; i++) {
      sketch.add(mixHash(1000 + i % 3))
    }

    expect(sketch.estimate(mixHash(1))).toBe(11)
    sketch.add(mixHash(1000))
    // five in the counters, and none at the door
    expect(sketch.estimate(mixHash(1))).toBe(5)
    expect(sketch.estimate(mixHash(2))).toBe(0)
  })

  it('tells the same after it was widened', () => {
    fc.assert(fc.property(fc.array(fc.tuple(fc.nat(5000), fc.integer({ min: 1, max: 4 })), { maxLength: 200 }), fc.integer({ min: 1, max: 5000 }), (times, entries) => {
      const sketch = counted(times)
      const before = times.map(([key]) => sketch.estimate(mixHash(key)))
      sketch.fit(entries)
      expect(times.map(([key]) => sketch.estimate(mixHash(key)))).toEqual(before)
    }))
  })

  it('is the same after it was saved and restored, and refuses anything else', () => {
    const sketch = counted([[1, 3], [2, 9]])
    sketch.fit(400)
    const saved = sketch.save()
    const restored = new FrequencySketch()
    expect(restored.restore(saved)).toBe(true)
    expect(restored.save()).toEqual(saved)
    expect([1, 2, 3].map(key => restored.estimate(mixHash(key)))).toEqual([3, 9, 0])

    const fresh = new FrequencySketch()
    expect(fresh.restore(saved.slice(1))).toBe(false)
    expect(fresh.restore(saved.slice(0, 5))).toBe(false)
    expect(fresh.restore(new Uint8Array())).toBe(false)
    expect(fresh.estimate(mixHash(2))).toBe(0)
  })

  it('takes 5 MB for a million entries', () => {
    const sketch = new FrequencySketch()
    sketch.fit(1 << 20)
    expect(sketch.save().length).toBeLessThan(5.3e6)
  })
})
