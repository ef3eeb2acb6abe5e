import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../src/clock/random.ts'
import { dhtIdentity, publicAddress } from '../../../src/testing/dht/dht-identity.ts'
import { drawn, settledTable } from '../../../src/testing/dht/dht-table.ts'
import { compareDistance, sharedPrefix } from '../../../src/testing/dht/kad-distance.ts'

const key = fc.uint8Array({ minLength: 32, maxLength: 32 })

describe('distances', () => {
  it('order keys as XOR does', () => {
    fc.assert(fc.property(key, key, key, (target, a, b) => {
      const distance = (to: Uint8Array): bigint => BigInt(`0x${Buffer.from(to.map((byte, i) => byte ^ (target[i] ?? 0))).toString('hex')}`)
      const order = distance(a) < distance(b) ? -1 : distance(a) > distance(b) ? 1 : 0
      expect(Math.sign(compareDistance(target, a, b))).toBe(order)
    }))
  })

  it('share a prefix as long as their bits agree', () => {
    fc.assert(fc.property(key, fc.integer({ min: 0, max: 255 }), (a, bit) => {
      const b = Uint8Array.from(a)
      b[bit >> 3] = (b[bit >> 3] ?? 0) ^ (0x80 >> (bit & 7))
      expect(sharedPrefix(a, b)).toBe(bit)
      expect(sharedPrefix(a, a)).toBe(256)
    }))
  })
})

describe('a settled table', () => {
  it('holds at most k of a bucket, all of a bucket that is smaller, and its nearest neighbours', async () => {
    const random = seededRandom(1)
    const all = await Promise.all(Array.from({ length: 150 }, async (_, i) => dhtIdentity(random, publicAddress(i))))

    for (const self of all.slice(0, 10)) {
      const table = settledTable(self.key, all, 8, random)
      const depth = (key: Uint8Array): number => Math.min(6, sharedPrefix(self.key, key))
      expect(table).not.toContain(self)
      expect(new Set(table).size).toBe(table.length)

      for (let bucket = 0; bucket <= 6; bucket++) {
        const there = all.filter(peer => peer !== self && depth(peer.key) === bucket)
        expect(table.filter(peer => depth(peer.key) === bucket)).toHaveLength(Math.min(8, there.length))
      }
    }
  })

  it('is the same for the same dice', async () => {
    const names = async (): Promise<string[]> => {
      const random = seededRandom(5)
      const all = await Promise.all(Array.from({ length: 60 }, async (_, i) => dhtIdentity(random, publicAddress(i))))
      return settledTable(all[0]?.key ?? new Uint8Array(32), all, 8, random).map(({ peerId }) => peerId.toString())
    }
    expect(await names()).toEqual(await names())
  })
})

describe('drawing', () => {
  it('takes as many as asked for, each once', () => {
    fc.assert(fc.property(fc.uniqueArray(fc.integer()), fc.nat(50), fc.integer(), (from, count, seed) => {
      const taken = drawn(from, count, seededRandom(seed))
      expect(taken).toHaveLength(Math.min(count, from.length))
      expect(new Set(taken).size).toBe(taken.length)
      expect(taken.every(one => from.includes(one))).toBe(true)
    }))
  })
})
