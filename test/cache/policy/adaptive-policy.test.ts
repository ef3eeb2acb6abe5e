import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { adaptivePolicy } from '../../../src/cache/policy/adaptive-policy.ts'
import { Learned } from '../../../src/cache/policy/experts/learned.ts'
import { seededRandom } from '../../../src/clock/random.ts'
import { backAndForth, hitRatio, leastRecent, loop, mixHash, shifting, skewed, withScans } from './requests.ts'
import type { AdaptivePolicy } from '../../../src/cache/policy/adaptive-policy.ts'

const OBJECTS = 1000

const step = fc.oneof(
  { weight: 8, arbitrary: fc.record({ op: fc.constant('ask' as const), key: fc.nat(40), size: fc.nat(60) }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('replace' as const), key: fc.nat(40), size: fc.nat(60) }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('remove' as const), key: fc.nat(40), size: fc.constant(0) }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('resize' as const), key: fc.constant(0), size: fc.nat(200) }) }
)

/** From 1 to 16 000 bytes, whatever the key */
function manySizes (key: number): number {
  return Math.ceil(2 ** (mixHash(key + 77) % 1000 / 71))
}

function policyOf (capacity: number, maxEntries?: number): AdaptivePolicy {
  return adaptivePolicy({ capacity, random: seededRandom(1), maxEntries })
}

describe('adaptive policy', () => {
  it('keeps to its capacity and says of each slot once that it has to go, whatever is done', () => {
    // Few entries: the change to a sample is crossed; few hashes: keys share them
    const maxEntries = fc.constantFrom(undefined, 1, 4, 20)
    const hashes = fc.constantFrom(7, 1000)

    fc.assert(fc.property(fc.array(step, { maxLength: 400 }), fc.nat(200), maxEntries, hashes, (steps, capacity, entries, spread) => {
      const policy = policyOf(capacity, entries)
      const here = new Map<number, number>()
      const hash = (key: number): number => Math.imul(key % spread, 0x9e3779b1)
      const drop = (slots: readonly number[]): void => {
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
        } else if (op === 'ask' && here.has(key)) {
          policy.hit(key)
        } else {
          policy.miss(hash(key))
          here.set(key, size)
          drop(policy.insert(key, hash(key), size))
        }

        expect(policy.used).toBe([...here.values()].reduce((a, b) => a + b, 0))
        expect(policy.used).toBeLessThanOrEqual(policy.capacity)
      }
    }), { numRuns: 300 })
  })

  it('declines what is larger than the cache, and keeps the rest', () => {
    const policy = policyOf(10)
    expect(policy.insert(0, 1, 10)).toEqual([])
    expect(policy.insert(1, 2, 11)).toEqual([1])
    expect(policy.used).toBe(10)
  })

  it('ignores hits and removals of slots in which there is nothing', () => {
    const policy = policyOf(10)
    policy.hit(3)
    policy.remove(3)
    expect(policy.insert(3, 1, 4)).toEqual([])
    policy.remove(3)
    policy.remove(3)
    expect(policy.used).toBe(0)
  })

  it('decides the same for the same dice', () => {
    const requests = skewed(OBJECTS, 20_000)
    const evictions = (): number[] => {
      const gone: number[] = []
      hitRatio(policyOf(50, 200), requests, { evicted: slot => gone.push(slot) })
      return gone
    }

    expect(evictions()).toEqual(evictions())
  })

  it.each([['of one size', (): number => 1], ['of two sizes', (key: number): number => key === 101 ? 2 : 1]])('loses nothing when two blocks that are here have the same hash: %s', (_, sizes) => {
    const gap = 25
    // each three times, a quarter of the cache apart
    const requests = Array.from({ length: 10_000 }, (_, i) => Math.floor(i / 3) - gap * (i % 3)).filter(key => key >= 0)
    const hash = (key: number): number => mixHash(key === 101 ? 100 : key)
    const recent = leastRecent(100, requests, { sizes })
    expect(recent).toBeGreaterThan(0.6)
    expect(hitRatio(policyOf(100), requests, { sizes, hash })).toBeGreaterThan(recent - 0.01)
  })

  // Whether all keys are watched or a sample
  for (const [watched, maxEntries] of [['all keys', undefined], ['a sample', 200]] as const) {
    describe(`watching ${watched}`, () => {
      it('holds of a loop most of what fits', () => {
        expect(hitRatio(policyOf(300, maxEntries), loop(OBJECTS, 20_000))).toBeGreaterThan(0.2)
      })

      it('holds what is popular, through scans', () => {
        const requests = withScans(OBJECTS, 30_000)
        expect(hitRatio(policyOf(100, maxEntries), requests)).toBeGreaterThan(leastRecent(100, requests) + 0.05)
      })

      it('is at worst two points behind one that keeps what is recent, on sweeps back and forth', () => {
        const requests = backAndForth(OBJECTS, 20_000)
        expect(hitRatio(policyOf(300, maxEntries), requests)).toBeGreaterThan(leastRecent(300, requests) - 0.02)
      })

      it('and where popularity shifts', () => {
        const requests = shifting(OBJECTS, 30_000)
        expect(hitRatio(policyOf(300, maxEntries), requests)).toBeGreaterThan(leastRecent(300, requests) - 0.02)
      })

      it('and where each block is asked for a few times in a row, after it had learnt who is popular', () => {
        const pairs = Array.from({ length: 20_000 }, (_, i) => i % 3 === 0 ? 0 : OBJECTS + Math.floor(i / 3))
        const requests = [...skewed(OBJECTS, 20_000), ...pairs]
        expect(hitRatio(policyOf(100, maxEntries), requests)).toBeGreaterThan(leastRecent(100, requests))
      })

      it('prefers small blocks where sizes differ, without hitting fewer bytes', () => {
        const requests = skewed(OBJECTS, 30_000)
        const sizes = (key: number): number => 1 + (mixHash(key) % 100)
        const ours = { objects: 0, bytes: 0 }
        const recent = { objects: 0, bytes: 0 }
        hitRatio(policyOf(5000, maxEntries), requests, { sizes, hits: ours })
        leastRecent(5000, requests, { sizes, hits: recent })
        expect(ours.objects).toBeGreaterThan(recent.objects * 1.1)
        expect(ours.bytes).toBeGreaterThan(recent.bytes * 0.98)
      })
    })
  }

  describe('where sizes differ', () => {
    const drifting = skewed(5 * OBJECTS, 40_000).map((key, i) => key + Math.floor(i / 10))
    const hits = (policy: AdaptivePolicy, requests: readonly number[]): { objects: number, bytes: number } => {
      const counted = { objects: 0, bytes: 0 }
      hitRatio(policy, requests, { sizes: manySizes, hits: counted })
      return counted
    }
    const recent = { objects: 0, bytes: 0 }
    leastRecent(200_000, drifting, { sizes: manySizes, hits: recent })

    for (const [watched, maxEntries] of [['all keys', undefined], ['a sample', 6000]] as const) {
      it(`follows what was learnt to come again, watching ${watched}, and hits as many bytes`, () => {
        const policy = policyOf(200_000, maxEntries)
        const ours = hits(policy, drifting)
        expect(policy.leader).toBe('learned')
        expect(ours.objects).toBeGreaterThan(recent.objects * 1.1)
        expect(ours.bytes / recent.bytes).toBeGreaterThan(0.95)
      })
    }

    it('begins with what is here when they come to differ, and goes back when they are alike again', () => {
      const alike = skewed(OBJECTS, 20_000)
      // Every other request is for something new, of another size
      const mixed = Array.from({ length: 300 }, (_, i) => [i % 30, OBJECTS + i]).flat()
      const sizes = (key: number): number => key < OBJECTS ? 1000 : key % 2 === 0 ? 50 : 20_000
      const before = policyOf(100_000)
      const alone = hitRatio(before, alike, { sizes }) * alike.length
      expect(before.leader).not.toBe('recent')
      const policy = policyOf(100_000)
      const both = hitRatio(policy, [...alike, ...mixed], { sizes }) * (alike.length + mixed.length)
      expect(['learned', 'worthy']).toContain(policy.leader)
      expect(both - alone).toBeGreaterThan(295)

      hitRatio(policy, Array.from({ length: 5 }, () => alike).flat(), { sizes })
      expect(policy.leader).toBe(before.leader)
    })
  })

  it('changes over when another expert is better, and tells who leads and what is its window', () => {
    const policy = policyOf(300)
    expect([policy.leader, policy.windowBytes]).toEqual(['recent', 300])
    hitRatio(policy, loop(OBJECTS, 10_000))
    expect(policy.leader).not.toBe('recent')
    expect(policy.windowBytes).toBeLessThan(10)
    hitRatio(policy, backAndForth(OBJECTS, 100_000))
    expect(policy.leader).toBe('recent')
  })

  describe('what was learnt', () => {
    const requests = skewed(OBJECTS, 20_000)

    it('is there after a restart', () => {
      const before = policyOf(50)
      hitRatio(before, requests)
      const after = policyOf(50)
      after.restore?.(before.save?.() ?? new Uint8Array())
      expect(after.leader).toBe(before.leader)
      expect(after.leader).not.toBe('recent')
      const some = requests.slice(0, 500)
      expect(hitRatio(after, some)).toBeGreaterThan(hitRatio(policyOf(50), some))
    })

    it('is there after a restart: what comes again where sizes differ, too', () => {
      const before = policyOf(3000)
      hitRatio(before, requests, { sizes: manySizes })
      expect(before.leader).toBe('learned')
      const saved = before.save?.() ?? new Uint8Array()
      const after = policyOf(3000)
      after.restore?.(saved)
      expect(after.leader).toBe('learned')
      expect(after.save?.()).toEqual(saved)
    })

    it('is ignored when blocks are here already, for these are known by other hashes', () => {
      const before = policyOf(50)
      hitRatio(before, requests)
      const after = policyOf(50)
      after.insert(0, 1, 1)
      const untaught = after.save?.()
      after.restore?.(before.save?.() ?? new Uint8Array())
      expect(after.save?.()).toEqual(untaught)
    })

    it('is ignored when it is something else', () => {
      const saved = policyOf(50).save?.() ?? new Uint8Array()
      const garbage = fc.oneof(
        fc.uint8Array({ maxLength: 64 }),
        fc.nat(saved.length - 1).map(length => saved.slice(0, length)),
        fc.nat(9 + Learned.SAVED_BYTES + 3).filter(at => at < 5 || at > 8).chain(at => fc.integer({ min: 1, max: 255 }).map(flip => saved.map((byte, i) => i === at ? byte ^ flip : byte)))
      )

      fc.assert(fc.property(garbage, bytes => {
        const policy = policyOf(50)
        policy.restore?.(bytes)
        expect(policy.capacity).toBe(50)
        expect(['recent', 'worthy', 'frequent', 'interval', 'learned']).toContain(policy.leader)
        expect(hitRatio(policy, requests.slice(0, 300))).toBeGreaterThanOrEqual(0)
        expect(policy.used).toBeLessThanOrEqual(50)
      }))
    })
  })
})
