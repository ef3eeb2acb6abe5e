import { describe, expect, it } from 'vitest'
import { workloads, zipf } from '../../../bench/cache/workloads.ts'
import { seededRandom } from '../../../src/clock/random.ts'
import type { Trace } from '../../../bench/cache/trace.ts'

const REQUESTS = 5_000

function named (seed: number): Map<string, Trace> {
  return new Map(workloads(seed, REQUESTS).map(({ trace }) => [trace.name, trace]))
}

describe('the seeded workloads', () => {
  it('are the same with the same seed, and others with another', () => {
    const [first, again, other] = [named(1), named(1), named(2)]
    expect(again).toEqual(first)

    for (const [name, trace] of first) {
      expect(other.get(name)?.hashes, name).not.toEqual(trace.hashes)
    }
    for (const name of ['zipf .8', 'one-hit', 'zipf+scan', 'shift', 'dag walk', 'ipfs-sized']) {
      expect(other.get(name)?.requests, name).not.toEqual(first.get(name)?.requests)
    }
  })

  it('are as long as they should be, and each object has a hash and a size', () => {
    for (const [name, { requests, hashes, sizes, sized }] of named(3)) {
      expect(requests.length, name).toBe(REQUESTS)
      expect(hashes.length, name).toBe(sizes.length)
      expect(requests.reduce((most, object) => Math.max(most, object), 0), name).toBe(sizes.length - 1)
      expect(sizes.every(size => sized ? size >= 100 && size <= 1_048_576 : size === 1), name).toBe(true)
    }
  })

  it('have half of the loop fit at the largest size', () => {
    const loop = workloads(1, REQUESTS).find(({ trace }) => trace.name === 'loop 2x')
    expect(loop?.shares).toContain(0.5)
    expect(loop?.trace.requests.slice(2000, 4000)).toEqual(loop?.trace.requests.slice(0, 2000))
  })
})

describe('zipf', () => {
  it.each([0.8, 1])('draws ranks in proportion to a power of %d', alpha => {
    const draw = zipf(100, alpha, seededRandom(5))
    const counts = new Float64Array(100)
    for (let i = 0; i < 200_000; i++) {
      const rank = draw()
      counts[rank] = (counts[rank] ?? 0) + 1
    }

    // of thousands of draws each: a few percent of chance
    const excess = (rank: number, times: number): number => (counts[rank] ?? 0) / (counts[(rank + 1) * times - 1] ?? 0) / times ** alpha
    expect(Math.abs(excess(0, 10) - 1)).toBeLessThan(0.1)
    expect(Math.abs(excess(1, 2) - 1)).toBeLessThan(0.1)
    expect(counts.every(count => count > 0)).toBe(true)
  })
})
