import { expect, it } from 'vitest'
import { KeySample } from '../../../src/cache/policy/key-sample.ts'
import { mixHash } from './requests.ts'

it('a sample of the keys is all of them, then each time half of those that were in it', () => {
  const sample = new KeySample()
  const keys = Array.from({ length: 20_000 }, (_, i) => mixHash(i))
  let before = keys
  expect([sample.partial, sample.share, keys.every(key => sample.has(key))]).toEqual([false, 1, true])

  for (const share of [1 / 2, 1 / 4, 1 / 8]) {
    sample.halve()
    const now = keys.filter(key => sample.has(key))
    expect([sample.partial, sample.share]).toEqual([true, share])
    expect(now.length / keys.length).toBeCloseTo(share, 1)
    expect(now.every(key => before.includes(key))).toBe(true)
    before = now
  }
})
