import { seededRandom } from '../../../src/clock/random.ts'
import type { EvictionPolicy } from '../../../src/cache/policy/eviction-policy.ts'

interface Hits {
  objects: number
  bytes: number
}

interface Options {
  sizes? (key: number): number
  hash? (key: number): number
  hits?: Hits
  evicted? (slot: number): void
}

/** Keys as numbers below this many objects, or above for what is asked for once */
export function skewed (objects: number, requests: number, seed = 1): number[] {
  const random = seededRandom(seed)
  // Inverse of a density of 1 / rank, which is near enough to Zipf's law
  return Array.from({ length: requests }, () => Math.floor(objects ** random.next()) - 1)
}

export function loop (objects: number, requests: number): number[] {
  return Array.from({ length: requests }, (_, i) => i % objects)
}

export function backAndForth (objects: number, requests: number): number[] {
  return Array.from({ length: requests }, (_, i) => Math.abs((i % (2 * objects - 2)) - objects + 1))
}

export function withScans (objects: number, requests: number): number[] {
  return skewed(objects, requests).map((key, i) => i % 3000 < 1000 ? objects + i : key)
}

export function shifting (objects: number, requests: number): number[] {
  return skewed(objects, requests).map((key, i) => (key + Math.floor(i / 5000) * 317) % objects)
}

export function mixHash (key: number): number {
  let h = Math.imul(key + 1, 0x9e3779b1)
  h = Math.imul(h ^ (h >>> 15), 0x85ebca6b)
  return (h ^ (h >>> 13)) >>> 0
}

/** Plays a trace to a policy, as a store that obeys it */
export function hitRatio (policy: EvictionPolicy, requests: readonly number[], { sizes = () => 1, hash = mixHash, hits = { objects: 0, bytes: 0 }, evicted = () => {} }: Options = {}): number {
  const slots = new Map<number, number>()
  const keys: number[] = []
  const free: number[] = []

  for (const key of requests) {
    const here = slots.get(key)

    if (here != null) {
      policy.hit(here)
      hits.objects++
      hits.bytes += sizes(key)
      continue
    }

    policy.miss(hash(key))
    const slot = free.pop() ?? keys.length
    keys[slot] = key
    slots.set(key, slot)

    for (const gone of policy.insert(slot, hash(key), sizes(key))) {
      slots.delete(keys[gone] ?? -1)
      free.push(gone)
      evicted(gone)
    }
  }

  // Empty again for whoever goes on
  for (const slot of slots.values()) {
    policy.remove(slot)
  }

  return hits.objects / requests.length
}

/** What a cache that keeps what is recent would have hit */
export function leastRecent (capacity: number, requests: readonly number[], { sizes = () => 1, hits = { objects: 0, bytes: 0 } }: Options = {}): number {
  const kept = new Map<number, number>()
  let used = 0

  for (const key of requests) {
    const size = sizes(key)

    if (kept.delete(key)) {
      hits.objects++
      hits.bytes += size
    } else {
      used += size
    }

    kept.set(key, size)

    for (const [oldest, its] of kept) {
      if (used <= capacity) {
        break
      }

      kept.delete(oldest)
      used -= its
    }
  }

  return hits.objects / requests.length
}
