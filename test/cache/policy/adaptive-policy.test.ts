import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { adaptivePolicy } from '../../../src/cache/policy/adaptive-policy.ts'
import { seededRandom } from '../../../src/clock/random.ts'

const step = fc.oneof(
  { weight: 8, arbitrary: fc.record({ op: fc.constant('ask' as const), key: fc.nat(40), size: fc.nat(60) }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('remove' as const), key: fc.nat(40), size: fc.constant(0) }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('resize' as const), key: fc.constant(0), size: fc.nat(200) }) }
)

describe('adaptive policy', () => {
  it('keeps to its capacity and says of each slot once that it has to go, whatever is done', () => {
    fc.assert(fc.property(fc.array(step, { maxLength: 400 }), fc.nat(200), (steps, capacity) => {
      const policy = adaptivePolicy({ capacity, random: seededRandom(1) })
      const here = new Map<number, number>()
      const drop = (slots: number[]): void => {
        for (const slot of slots) {
          expect(here.delete(slot)).toBe(true)
        }
      }

      for (const { op, key, size } of steps) {
        if (op === 'remove') {
          policy.remove(key)
          here.delete(key)
        } else if (op === 'resize') {
          drop(policy.resize(size))
          expect(policy.capacity).toBe(size)
        } else if (here.has(key)) {
          policy.hit(key)
        } else {
          policy.miss(key * 7919)
          here.set(key, size)
          drop(policy.insert(key, key * 7919, size))
        }

        expect(policy.used).toBe([...here.values()].reduce((a, b) => a + b, 0))
        expect(policy.used).toBeLessThanOrEqual(policy.capacity)
      }
    }))
  })

  it('declines what is larger than the cache, and keeps the rest', () => {
    const policy = adaptivePolicy({ capacity: 10, random: seededRandom(1) })
    expect(policy.insert(0, 1, 10)).toEqual([])
    expect(policy.insert(1, 2, 11)).toEqual([1])
    expect(policy.used).toBe(10)
  })
})
