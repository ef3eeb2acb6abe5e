import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../src/clock/random.ts'
import { compareDistance } from '../../../src/discovery/kad/kad-key.ts'
import { distance, FALSE_ALARMS, NetworkSize, poissonTail } from '../../../src/discovery/kad/network-size.ts'
import type { Random } from '../../../src/interface/clock.ts'

function randomKey (random: Random): Uint8Array {
  return Uint8Array.from({ length: 32 }, () => Math.floor(random.next() * 256))
}

/** The k nearest of a network that has so many peers, without making the others: gaps between them are exponential */
function honest (target: Uint8Array, peers: number, k: number, random: Random): Uint8Array[] {
  let at = 0

  return Array.from({ length: k }, () => {
    at += -Math.log(1 - random.next()) / peers
    return atDistance(target, at)
  })
}

/** Exact to 48 bits */
function atDistance (target: Uint8Array, share: number): Uint8Array {
  const key = Uint8Array.from(target)
  let left = Math.min(share, 1 - 2 ** -48)

  for (let i = 0; i < 6; i++) {
    left *= 256
    key[i] = (key[i] as number) ^ Math.floor(left)
    left -= Math.floor(left)
  }
  return key
}

/** What a node knows after so many lookups */
function after (lookups: number, peers: number, random: Random): NetworkSize {
  const size = new NetworkSize()

  for (let i = 0; i < lookups; i++) {
    const target = randomKey(random)
    size.add(target, honest(target, peers, 20, random))
  }
  return size
}

describe('the distance of two keys', () => {
  it('is their share of the keyspace, and orders as they do', () => {
    const zero = new Uint8Array(32)
    expect(distance(zero, zero)).toBe(0)
    expect(distance(zero, Uint8Array.from(zero).fill(0x80, 0, 1))).toBe(0.5)
    expect(distance(zero, new Uint8Array(32).fill(255))).toBeCloseTo(1, 12)
    const key = fc.uint8Array({ minLength: 32, maxLength: 32 })
    fc.assert(fc.property(key, key, key, (target, a, b) => {
      const difference = distance(target, a) - distance(target, b)
      expect(difference === 0 || Math.sign(difference) === Math.sign(compareDistance(target, a, b))).toBe(true)
    }))
    fc.assert(fc.property(key, fc.double({ min: 0, max: 0.999, noNaN: true }), (target, share) => {
      expect(distance(target, atDistance(target, share))).toBeCloseTo(share, 12)
    }))
  })
})

describe('the tail of a Poisson distribution', () => {
  it('is what is left of the others, also where it is very small', () => {
    expect(poissonTail(0, 3)).toBe(1)
    expect(poissonTail(1, 3)).toBeCloseTo(1 - Math.exp(-3), 12)
    expect(poissonTail(20, 20)).toBeCloseTo(0.5297, 4)
    // the first term is nearly all of it
    expect(poissonTail(20, 0.1) / (Math.exp(-0.1) * 1e-20 / 2.43290200817664e18)).toBeCloseTo(1, 2)
    expect(poissonTail(20, 0)).toBe(0)
    expect(poissonTail(20, 1e4)).toBe(1)
  })

  it('falls with the number and rises with what is expected', () => {
    fc.assert(fc.property(fc.integer({ min: 1, max: 30 }), fc.double({ min: 0.01, max: 100, noNaN: true }), (peers, expected) => {
      expect(poissonTail(peers, expected)).toBeLessThanOrEqual(poissonTail(peers - 1, expected))
      expect(poissonTail(peers, expected)).toBeLessThanOrEqual(poissonTail(peers, expected * 1.1) + 1e-12)
    }))
  })
})

describe('the size of the network', () => {
  it('is not guessed from few lookups, nor from those that found few', () => {
    const random = seededRandom(1)
    const size = after(4, 1_000, random)
    const target = randomKey(random)
    expect(size.estimate).toBeUndefined()
    size.add(target, honest(target, 1_000, 4, random))
    size.add(target, [])
    expect(size.estimate).toBeUndefined()
    // many at exactly the key say that there is no end to them
    size.add(target, Array.from({ length: 20 }, () => target))
    expect(size.estimate).toBeUndefined()
    size.add(target, honest(target, 1_000, 5, random))
    expect(size.estimate).toBeGreaterThan(500)
  })

  it.each([100, 5_000, 200_000])('is within a tenth of %i after 64 lookups, nine times of ten', peers => {
    const off = Array.from({ length: 200 }, (_, seed) => Math.abs((after(64, peers, seededRandom(seed)).estimate ?? 0) / peers - 1))
    expect(off.filter(each => each < 0.1).length).toBeGreaterThan(180)
  })

  it('is what lookups of twenty and of eight say together', () => {
    const random = seededRandom(2)
    const size = new NetworkSize()
    for (let i = 0; i < 64; i++) {
      const target = randomKey(random)
      size.add(target, honest(target, 3_000, i % 2 === 0 ? 20 : 8, random))
    }
    expect(Math.abs((size.estimate ?? 0) / 3_000 - 1)).toBeLessThan(0.15)
  })

  it('follows the network when it grows', () => {
    const random = seededRandom(3)
    const size = after(64, 200, random)
    for (let i = 0; i < 64; i++) {
      const target = randomKey(random)
      size.add(target, honest(target, 20_000, 20, random))
    }
    expect(Math.abs((size.estimate ?? 0) / 20_000 - 1)).toBeLessThan(0.2)
  })

  it('is not moved by a region that is asked for again and again, nor by a third that are made up', () => {
    const random = seededRandom(4)
    const size = after(40, 1_000, random)
    const eclipsed = randomKey(random)
    for (let i = 0; i < 500; i++) {
      size.add(eclipsed, honest(eclipsed, 1e9, 20, random))
    }
    for (let i = 0; i < 20; i++) {
      const target = randomKey(random)
      size.add(target, honest(target, 1e9, 20, random))
    }
    expect(size.estimate).toBeGreaterThan(800)
    expect(size.estimate).toBeLessThan(1_500)
  })
})

describe('a dense region', () => {
  /** Sybils with ids of an attacker's choice: all nearer than the nearest honest one */
  function eclipsed (target: Uint8Array, peers: number, sybils: number, random: Random): Uint8Array[] {
    const others = honest(target, peers, 20, random)
    const edge = distance(target, others[0] as Uint8Array)
    const made = Array.from({ length: sybils }, () => atDistance(target, edge * random.next()))
    return [...made, ...others].sort((a, b) => compareDistance(target, a, b)).slice(0, 20)
  }

  it.each([5, 16, 64])('is seen in no more honest lookups than stated, after %i of them', known => {
    let alarms = 0
    const lookups = 20_000

    for (let i = 0; i < lookups / 400; i++) {
      const random = seededRandom(1_000 * known + i)
      const size = after(known, 2_000, random)
      for (let j = 0; j < 400; j++) {
        const target = randomKey(random)
        alarms += size.dense(target, honest(target, 2_000, 20, random)) == null ? 0 : 1
      }
    }
    expect(FALSE_ALARMS).toBe(1e-4)
    expect(alarms / lookups).toBeLessThanOrEqual(FALSE_ALARMS)
  })

  it.each([200, 5_000, 200_000])('is seen wherever the nearest are all made up, among %i', peers => {
    let seen = 0

    for (let i = 0; i < 400; i++) {
      const random = seededRandom(i)
      const size = after(16, peers, random)
      const target = randomKey(random)
      seen += size.dense(target, eclipsed(target, peers, 20, random)) == null ? 0 : 1
    }
    // by chance the nearest honest one may be so far away that there is room for twenty
    expect(seen).toBeGreaterThan(390)
  })

  it('says how many are where how few should be', () => {
    const random = seededRandom(9)
    const size = after(16, 1_000, random)
    const target = randomKey(random)
    const density = size.dense(target, eclipsed(target, 1_000, 60, random))
    expect(density?.peers).toBe(20)
    expect(density?.expected).toBeLessThan(8)
    expect(density?.chance).toBeLessThan(FALSE_ALARMS / 3)
  })

  it('is nothing that is claimed while the size is unknown, or of a lookup that found few', () => {
    const random = seededRandom(5)
    const target = randomKey(random)
    expect(new NetworkSize().dense(target, honest(target, 1e9, 20, random))).toBeUndefined()
    expect(after(16, 1_000, random).dense(target, honest(target, 1e9, 9, random))).toBeUndefined()
    expect(after(16, 1_000, random).dense(target, [])).toBeUndefined()
  })
})
