import { expect, it } from 'vitest'
import { CacheCounts } from '../../src/cache/cache-counts.ts'

const sum = (parts: Readonly<Record<string, number>> = {}): number => Object.values(parts).reduce((all, part) => all + part, 0)

it('what nobody had was missed once, also by whoever had read it here before', () => {
  const counts = new CacheCounts()
  counts.nowhere(7)
  counts.nowhere(7)
  expect(counts.misses).toBe(2)
  counts.miss(7)
  counts.nowhere(7)
  expect(counts.misses).toBe(3)
  // somebody has it later: that is another read
  expect(counts.came(7, 100)).toBe(true)
  expect(counts.misses).toBe(4)
})

it('hit ratios by object and by byte are told apart by tier, and add up', () => {
  const counts = new CacheCounts()
  expect(counts.ratios()).toEqual({})

  // nobody knows how large it is
  counts.miss(7)
  expect(counts.ratios()).toEqual({ hitRatio: 0, hitRatios: { memory: 0, disk: 0, shared: 0, transit: 0 } })
  expect(counts.came(7, 1_000)).toBe(false)
  expect(counts.ratios()).toMatchObject({ hitRatio: 0, byteHitRatio: 0 })

  counts.hit('memory', 100)
  counts.hit('disk', 2_900)
  counts.hit('disk', 1_000)
  const { hitRatio, hitRatios, byteHitRatio, byteHitRatios } = counts.ratios()
  expect([hitRatio, byteHitRatio]).toEqual([0.75, 0.8])
  expect(hitRatios).toEqual({ memory: 0.25, disk: 0.5, shared: 0, transit: 0 })
  expect(byteHitRatios).toEqual({ memory: 0.02, disk: 0.78, shared: 0, transit: 0 })
  counts.hit('shared', 1_000)
  expect(counts.ratios()).toMatchObject({ hitRatio: 0.8, hitRatios: { shared: 0.2 } })
  // as large as those whose size is known, 1 200 bytes
  counts.miss(8)
  expect(counts.ratios().byteHitRatio).toBeCloseTo(5_000 / 7_200, 10)
  expect([sum(hitRatios), sum(byteHitRatios)]).toEqual([0.75, 0.8])
})
