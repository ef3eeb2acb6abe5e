import { compareDistance, sharedPrefix } from './kad-distance.ts'
import type { DhtIdentity } from './dht-identity.ts'
import type { Random } from '../../interface/clock.ts'

/** kad-dht's tree of buckets is this deep: peers that share more with us are in one bucket */
const DEEPEST = 6

/**
 * Whom a node at `key` knows in a settled network: of each bucket at most `k`, drawn by lot; of the deepest the nearest,
 * for a node keeps looking for its neighbours.
 */
export function settledTable (key: Uint8Array, all: readonly DhtIdentity[], k: number, random: Random): DhtIdentity[] {
  const buckets: DhtIdentity[][] = Array.from({ length: DEEPEST + 1 }, () => [])

  for (const peer of all) {
    if (compareDistance(key, key, peer.key) !== 0) {
      buckets[Math.min(DEEPEST, sharedPrefix(key, peer.key))]?.push(peer)
    }
  }

  return buckets.flatMap((bucket, depth) => depth === DEEPEST
    ? bucket.sort((a, b) => compareDistance(key, a.key, b.key)).slice(0, k)
    : drawn(bucket, k, random))
}

/** `count` of them, by lot (Fisher and Yates) */
export function drawn<T> (from: readonly T[], count: number, random: Random): T[] {
  const left = [...from]

  for (let i = 0; i < Math.min(count, left.length); i++) {
    const j = i + Math.floor(random.next() * (left.length - i))
    const chosen = left[j] as T
    left[j] = left[i] as T
    left[i] = chosen
  }

  return left.slice(0, count)
}
