import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RegionMap } from '../../../src/discovery/announce/region-map.ts'
import { commonPrefixLength, compareDistance, kadKey } from '../../../src/discovery/kad/kad-key.ts'
import type { KadPeer } from '../../../src/discovery/kad/kad-client.ts'
import type { KadKey } from '../../../src/discovery/kad/kad-key.ts'

const K = 20

function keyOf (text: string): KadKey {
  return kadKey(new TextEncoder().encode(text))
}

function network (count: number, seed: number): KadPeer[] {
  return Array.from({ length: count }, (_, i) => ({ id: `${seed}-${i}`, key: keyOf(`peer ${seed} ${i}`), addresses: [] }))
}

function nearest (peers: readonly KadPeer[], key: KadKey): KadPeer[] {
  return [...peers].sort((a, b) => compareDistance(key, a.key, b.key)).slice(0, K)
}

/** Looks where the map says until it knows. Returns how often it had to. */
function place (map: RegionMap, peers: readonly KadPeer[], key: KadKey): { lookups: number, holders: readonly KadPeer[] } {
  for (let lookups = 0; ; lookups++) {
    const answer = map.nearest(key)

    if ('peers' in answer) {
      return { lookups, holders: answer.peers }
    }
    // somewhere in the region that is missing: the rest of the bits is anything
    const target = Uint8Array.from(keyOf(`target ${lookups} ${key.join()}`))
    const { bits } = answer.missing
    for (let i = 0; i < bits; i++) {
      const mask = 0x80 >>> (i & 7)
      target[i >>> 3] = ((target[i >>> 3] as number) & ~mask) | ((answer.missing.key[i >>> 3] as number) & mask)
    }
    expect(commonPrefixLength(target, answer.missing.key)).toBeGreaterThanOrEqual(bits)
    map.explored(target, nearest(peers, target))
    expect(lookups).toBeLessThan(1_000)
  }
}

describe('a map of the keyspace', () => {
  it('knows the nearest of every key, and looks for few of them', () => {
    for (const seed of [1, 2, 3]) {
      const peers = network(200, seed)
      const map = new RegionMap(K)
      let lookups = 0

      for (let i = 0; i < 1_000; i++) {
        const key = keyOf(`block ${seed} ${i}`)
        const placed = place(map, peers, key)
        lookups += placed.lookups
        expect(placed.holders.map(({ id }) => id)).toEqual(nearest(peers, key).map(({ id }) => id))
      }
      // ten peers a lookup at worst, on average; one by one it would be a thousand
      expect(lookups).toBeLessThan(40)
      expect(map.size).toBe(200)
    }
  })

  it('goes on from region to region when it is asked in the order of keys', () => {
    const peers = network(2_000, 4)
    const map = new RegionMap(K)
    const keys = Array.from({ length: 500 }, (_, i) => keyOf(`block ${i}`)).sort((a, b) => compareDistance(new Uint8Array(32), a, b))
    const [first] = keys as [KadKey]
    const { lookups } = place(map, peers, first)

    // what is far away need not be known
    expect(lookups).toBeLessThan(12)
    expect(map.size).toBeLessThan(150)
    const { bits } = map.regionOf(first)
    expect(peers.filter(({ key }) => commonPrefixLength(key, first) >= bits).length).toBeGreaterThanOrEqual(K)
    expect(peers.filter(({ key }) => commonPrefixLength(key, first) >= bits + 1).length).toBeLessThan(K)
  })

  it('is content with a network that is smaller than k, or empty', () => {
    for (const count of [0, 1, 19, 20, 21]) {
      const peers = network(count, 5)
      const map = new RegionMap(K)
      for (let i = 0; i < 50; i++) {
        const { holders } = place(map, peers, keyOf(`block ${i}`))
        expect(holders).toEqual(nearest(peers, keyOf(`block ${i}`)))
      }
    }
  })

  it('is right for any network and any key', () => {
    fc.assert(fc.property(fc.integer({ min: 0, max: 400 }), fc.nat(), fc.array(fc.nat(), { maxLength: 30 }), (count, seed, blocks) => {
      const peers = network(count, seed)
      const map = new RegionMap(K)
      for (const block of blocks) {
        const key = keyOf(`block ${block}`)
        expect(place(map, peers, key).holders).toEqual(nearest(peers, key))
      }
    }), { numRuns: 60 })
  })
})
