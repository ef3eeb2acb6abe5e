import fc from 'fast-check'
import { expect, it } from 'vitest'
import { AGE_STARTS, AGES, ageStep } from '../../../src/cache/policy/ages.ts'

it('an age is in the step that starts at or before it, and each step is a quarter of a doubling', () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 2 ** 28 - 1 }), age => {
    const step = ageStep(age)
    expect(AGE_STARTS[step]).toBeLessThanOrEqual(age)
    expect(AGE_STARTS[step + 1]).toBeGreaterThan(age)
    expect((AGE_STARTS[step + 1] ?? 0) - (AGE_STARTS[step] ?? 0)).toBeLessThanOrEqual(Math.max(1, age / 4))
  }), { examples: [[1], [3], [4], [7], [8], [2 ** 27]] })
  expect([ageStep(0), ageStep(2 ** 32 - 1)]).toEqual([1, AGES - 1])
})
