import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { gdsf } from '../../../bench/cache/gdsf.ts'
import { lru } from '../../../bench/cache/lru.ts'
import { s3Fifo } from '../../../bench/cache/s3-fifo.ts'
import { sieve } from '../../../bench/cache/sieve.ts'
import { TraceBuilder, simulate } from '../../../bench/cache/trace.ts'
import type { Cache, Trace } from '../../../bench/cache/trace.ts'

type Make = (trace: Trace, capacity: number) => Cache

/** A letter is an object, upper case a hit: what a policy makes of requests */
function replay (make: Make, capacity: number, keys: string, sizes: Readonly<Record<string, number>> = {}): string {
  const builder = new TraceBuilder()
  for (const key of keys) {
    builder.add(key, sizes[key])
  }

  const trace = builder.build('letters', { seed: 1, sized: true })
  const cache = make(trace, capacity)
  return [...keys].map((key, i) => cache.request(trace.requests[i] ?? -1) ? key.toUpperCase() : key).join('')
}

describe('LRU', () => {
  it('drops what was asked for the longest ago', () => {
    expect(replay(lru, 3, 'abcadabcd')).toBe('abcAdAbcd')
  })

  it('makes room for bytes, and takes nothing larger than the room', () => {
    expect(replay(lru, 4, 'abcabXab', { a: 1, b: 1, c: 3, X: 5 })).toBe('abcabXAB')
  })
})

describe('SIEVE', () => {
  it('evicts in the order of arrival, but spares what was asked for since the hand last passed, where it is', () => {
    // d: the hand spares a, takes b and stays at c. e: takes c, and goes on to d.
    expect(replay(sieve, 3, 'abcadeade')).toBe('abcAdeADE')
    expect(replay(sieve, 3, 'abcadeb')).toBe('abcAdeb')
    // f: d is next under the hand, and was asked for: spared; e is the newest: taken. Then it begins at the oldest, a, which it has cleared.
    expect(replay(sieve, 3, 'abcadedfad')).toBe('abcAdeDfAD')
    expect(replay(sieve, 3, 'abcadedfge')).toBe('abcAdeDfge')
    expect(replay(sieve, 3, 'abcadedfga')).toBe('abcAdeDfga')
  })

  it('is what its example in the paper shows', () => {
    // Figure 1 of the paper: seven objects from the newest to the oldest, of which A, B and G were asked for; then H, A, D, I, B, J
    expect(replay(sieve, 7, 'gfedcbaabghadibj').slice(7)).toBe('ABGhADiBj')
  })

  it('makes room for bytes, and takes nothing larger than the room', () => {
    // c drives out a, then a drives out b, at which the hand is, and b drives out c
    expect(replay(sieve, 4, 'abcabXab', { a: 1, b: 1, c: 3, X: 5 })).toBe('abcabXAB')
  })
})

describe('S3-FIFO', () => {
  it('lets a newcomer leave by the small queue, and takes it into the main one when it comes back', () => {
    // room for ten: one in the small queue. k drives out a, which is remembered: it comes back into the main queue, and outlives the next newcomers
    expect(replay(s3Fifo, 10, 'abcdefghij' + 'k' + 'a' + 'lmnopqrst' + 'a')).toBe('abcdefghijkalmnopqrstA')
    // one that is not asked for again leaves, and so does what came after it
    expect(replay(s3Fifo, 10, 'abcdefghij' + 'klmnopqrst' + 'j')).toBe('abcdefghijklmnopqrstj')
  })

  it('moves what was asked for twice in the small queue, not what was asked for once', () => {
    expect(replay(s3Fifo, 10, 'abcdefghij' + 'aa' + 'klmnopqrst' + 'a')).toBe('abcdefghijAAklmnopqrstA')
    expect(replay(s3Fifo, 10, 'abcdefghij' + 'a' + 'klmnopqrst' + 'a')).toBe('abcdefghijAklmnopqrsta')
  })

  it('begins anew in the main queue, where it spares what was asked for there', () => {
    // room for four. e: a is moved, b goes to the ghost. b to e come back, each drives the next one out of the small queue
    // and enters the main one, in which at last a is the oldest: asked for twice, but before it was moved
    expect(replay(s3Fifo, 4, 'abcd' + 'aa' + 'e' + 'bcde' + 'a')).toBe('abcdAAebcdea')
    // asked for since: b goes in its place
    expect(replay(s3Fifo, 4, 'abcd' + 'aa' + 'e' + 'a' + 'bcde' + 'ab')).toBe('abcdAAeAbcdeAb')
  })

  it('remembers as much of what left as the main queue holds', () => {
    // nine are remembered when k to t have driven out a to j, less one that goes for the next newcomer. c comes back into the main queue, a does not.
    const more = 'uvwxyzABCD'
    expect(replay(s3Fifo, 10, 'abcdefghij' + 'klmnopqrst' + 'c' + more + 'c').at(-1)).toBe('C')
    expect(replay(s3Fifo, 10, 'abcdefghij' + 'klmnopqrst' + 'a' + more + 'a').at(-1)).toBe('a')
  })

  it('counts up to three', () => {
    // what is asked for three times at once goes through the main queue, and pushes a out of it: no later for eight requests than for three
    const after = (hits: number): string => Array.from({ length: 40 }, (_, passing) => {
      const others = Array.from({ length: passing }, (_, i) => String.fromCharCode(0x100 + i).repeat(3)).join('')
      return replay(s3Fifo, 4, 'abcd' + 'aa' + 'e' + 'a'.repeat(hits) + others + 'a').at(-1)
    }).join('')

    expect(after(3)).toMatch(/^A+a+$/)
    expect(after(8)).toBe(after(3))
    expect(after(2)).not.toBe(after(3))
  })

  it('takes from the main queue while the small one is below its share', () => {
    // a, b and c come back and fill the main queue; e, alone in the small one, has 1 of its 2 bytes, so b goes for d
    expect(replay(s3Fifo, 20, 'abcd' + 'abc' + 'e' + 'd' + 'e', { a: 6, b: 6, c: 8, d: 6, e: 1 })).toBe('abcdabcedE')
  })

  it('makes room in the main queue when something moves there', () => {
    // p and q come back and fill the main queue. z: x moves there, so p goes, and y goes for z
    expect(replay(s3Fifo, 20, 'pqr' + 'pq' + 'xxxy' + 'zqp', { p: 9, q: 9, r: 3, x: 1, y: 1, z: 1 })).toBe('pqrpqxXXyzQp')
  })

  it('makes room for bytes, and takes nothing larger than the room', () => {
    expect(replay(s3Fifo, 4, 'abcXb', { a: 1, b: 1, c: 3, X: 5 })).toBe('abcXB')
  })
})

describe('GDSF', () => {
  it('drops what is large for how often it was asked for', () => {
    // a: 1 / 4; b: 1; c brings 1 / 2, and takes the place of a
    expect(replay(gdsf, 6, 'abcbca', { a: 4, b: 1, c: 2 })).toBe('abcBCa')
    // a was asked for three times: 3 / 4, more than the 1 / 2 that c brings, which is not kept
    expect(replay(gdsf, 6, 'abaacacb', { a: 4, b: 1, c: 2 })).toBe('abAAcAcB')
  })

  it('has requests count by the byte', () => {
    // a: 2 / 4, and c brings 1 / 2: the one that is older goes
    expect(replay(gdsf, 6, 'abaca', { a: 4, b: 1, c: 2 })).toBe('abAca')
  })

  it('ages: the clock is the priority of what went last, and what comes later builds on it', () => {
    // a has 2, b and c have 1. c drives out b, and the clock becomes 1: d brings 2, as a has. e takes the place of a, the longest ago.
    expect(replay(gdsf, 2, 'aabca')).toBe('aAbcA')
    expect(replay(gdsf, 2, 'aabcdea')).toBe('aAbcdea')
  })

  it('evicts nothing for a newcomer that it does not keep', () => {
    // b has 9 / 4. q takes the place of p, and the clock becomes 1. x brings 4 / 3, more than a and q have, but they are not enough
    expect(replay(gdsf, 6, 'pa' + 'bbbbbbbbb' + 'qx' + 'aqb', { p: 1, a: 1, b: 4, q: 1, x: 3 })).toBe('pabBBBBBBBBqxAQB')
  })

  it('takes nothing larger than the room', () => {
    expect(replay(gdsf, 4, 'abXab', { a: 1, b: 1, X: 5 })).toBe('abXAB')
  })
})

describe('every baseline', () => {
  const makes: Readonly<Record<string, Make>> = { lru, sieve, s3Fifo, gdsf }

  it.each(Object.entries(makes))('%s hits everything but the first time when all fits', (_, make) => {
    fc.assert(fc.property(fc.array(fc.record({ key: fc.integer({ min: 0, max: 20 }), size: fc.integer({ min: 1, max: 50 }) }), { minLength: 1 }), requests => {
      const builder = new TraceBuilder()
      for (const { key, size } of requests) {
        builder.add(key, size)
      }

      const trace = builder.build('any', { seed: 1, sized: true })
      const room = trace.sizes.reduce((sum, size) => sum + size, 0)
      expect(simulate(make(trace, room), trace).hits).toBe(requests.length - trace.sizes.length)
    }))
  })

  it.each(Object.entries(makes))('%s never holds more than the room', (_, make) => {
    fc.assert(fc.property(
      fc.array(fc.record({ key: fc.integer({ min: 0, max: 12 }), size: fc.integer({ min: 1, max: 9 }) }), { minLength: 1, maxLength: 60 }),
      fc.integer({ min: 1, max: 30 }),
      (requests, room) => {
        const builder = new TraceBuilder()
        for (const { key, size } of requests) {
          builder.add(key, size)
        }

        const trace = builder.build('any', { seed: 1, sized: true })
        // what is here after a prefix is what hits: asked of a cache of its own for each object
        const held = [...trace.sizes.keys()].filter(object => {
          const cache = make(trace, room)
          for (const request of trace.requests) {
            cache.request(request)
          }
          return cache.request(object)
        })
        expect(held.reduce((sum, object) => sum + (trace.sizes[object] ?? 0), 0)).toBeLessThanOrEqual(room)
      }
    ))
  })
})
