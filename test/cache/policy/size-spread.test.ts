import { expect, it } from 'vitest'
import { SizeSpread } from '../../../src/cache/policy/size-spread.ts'

function after (spread: SizeSpread, count: number, size: (i: number) => number): boolean {
  for (let i = 0; i < count; i++) {
    spread.add(size(i))
  }

  return spread.wide
}

it('sizes are spread when they are half a doubling off on average, and no longer when all are alike for long', () => {
  const spread = new SizeSpread()
  expect(spread.wide).toBe(false)
  expect(after(spread, 5000, () => 262_144)).toBe(false)
  // A variance of 0.2, then of 0.3
  expect(after(spread, 8000, i => 262_144 * 2 ** (i % 2 === 0 ? 0 : 0.9))).toBe(false)
  expect(after(spread, 8000, i => 262_144 * 2 ** (i % 2 === 0 ? 0 : 1.1))).toBe(true)
  // Of 0.06, then of 0.04
  expect(after(spread, 20_000, i => 262_144 * 2 ** (i % 2 === 0 ? 0 : 0.49))).toBe(true)
  expect(after(spread, 20_000, i => 262_144 * 2 ** (i % 2 === 0 ? 0 : 0.4))).toBe(false)
})

it('a few of another size among many do not make them so', () => {
  expect(after(new SizeSpread(), 20_000, i => i % 500 === 499 ? 8192 : 262_144)).toBe(false)
  expect(after(new SizeSpread(), 20_000, i => i % 20 === 0 ? 100 : 262_144)).toBe(true)
  expect(after(new SizeSpread(), 100, i => i % 2)).toBe(false)
})

it('they change over with the last few thousand', () => {
  const spread = new SizeSpread()
  expect(after(spread, 10_000, i => i % 2 === 0 ? 100 : 262_144)).toBe(true)
  expect(after(spread, 5000, () => 262_144)).toBe(true)
  expect(after(spread, 15_000, () => 262_144)).toBe(false)
  expect(after(spread, 1000, i => i % 2 === 0 ? 100 : 262_144)).toBe(true)
})
