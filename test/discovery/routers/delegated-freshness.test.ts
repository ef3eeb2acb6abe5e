import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MAX_EMPTY_FRESH, MAX_FRESH, MAX_STALE, entityTag, freshness } from '../../../src/discovery/routers/delegated-freshness.ts'
import type { Freshness } from '../../../src/discovery/routers/delegated-freshness.ts'

const read = (headers: Record<string, string>, empty = false): Freshness | undefined => freshness({ get: name => headers[name] }, empty)
const control = (text: string, empty?: boolean): Freshness | undefined => read({ 'cache-control': text }, empty)

describe('freshness', () => {
  it.each<[string, number, number, number]>([
    ['public, max-age=300, stale-while-revalidate=172800, stale-if-error=172800', 300, 172_800, 172_800],
    ['MAX-AGE = 300', 300, 0, 0],
    ['max-age="300"', 300, 0, 0],
    ['max-age=300, max-age=600', 300, 0, 0],
    ['private,max-age=5', 5, 0, 0],
    ['x="max-age=9, no-store", max-age=5', 5, 0, 0],
    ['max-age=31536000, stale-if-error=31536000', MAX_FRESH / 1000, 0, MAX_STALE / 1000],
    ['max-age=1e9, stale-if-error=-1', 0, 0, 0],
    ['s-maxage=300', 0, 0, 0],
    ['no-cache, max-age=300', 0, 0, 0],
    ['', 0, 0, 0]
  ])('reads %s', (text, fresh, whileRevalidating, ifError) => {
    expect(control(text)).toEqual({ fresh: fresh * 1000, whileRevalidating: whileRevalidating * 1000, ifError: ifError * 1000 })
  })

  it('keeps nothing that must not be stored', () => {
    expect(control('max-age=300, No-Store')).toBeUndefined()
  })

  it('takes off what caches on the way have used up', () => {
    expect(read({ 'cache-control': 'max-age=300, stale-if-error=100', age: '250' })).toEqual({ fresh: 50_000, whileRevalidating: 0, ifError: 100_000 })
    expect(read({ 'cache-control': 'max-age=300, stale-if-error=100', age: '350' })).toEqual({ fresh: 0, whileRevalidating: 0, ifError: 50_000 })
    expect(read({ 'cache-control': 'max-age=300', age: 'young' })).toMatchObject({ fresh: 300_000 })
  })

  it('keeps nothing for a short while, and never stale', () => {
    expect(control('max-age=15, stale-while-revalidate=100, stale-if-error=100', true)).toEqual({ fresh: 15_000, whileRevalidating: 0, ifError: 0 })
    expect(control('max-age=86400', true)).toMatchObject({ fresh: MAX_EMPTY_FRESH })
  })

  it('is within bounds whatever the headers say', () => {
    const text = fc.oneof(fc.string(), fc.array(fc.tuple(fc.constantFrom('max-age', 'no-cache', 'stale-if-error', 'stale-while-revalidate', 'public'), fc.oneof(fc.integer(), fc.string(), fc.bigInt())).map(([name, value]) => `${name}=${String(value)}`)).map(all => all.join(', ')))
    fc.assert(fc.property(text, fc.oneof(fc.string(), fc.integer().map(String)), fc.boolean(), (header, age, empty) => {
      const result = read({ 'cache-control': header, age }, empty) ?? { fresh: 0, whileRevalidating: 0, ifError: 0 }
      for (const [value, max] of [[result.fresh, MAX_FRESH], [result.whileRevalidating, MAX_STALE], [result.ifError, MAX_STALE]] as const) {
        expect(value).toBeGreaterThanOrEqual(0)
        expect(value).toBeLessThanOrEqual(max)
      }
    }))
  })
})

describe('entityTag', () => {
  it.each(['"a"', 'W/"a"', '""', `"${'a'.repeat(200)}"`])('takes %s', tag => {
    expect(entityTag(` ${tag} `)).toBe(tag)
  })

  it.each([undefined, '', 'a', '"a', '"a"b"', '"a\r\nx: y"', '"é"', `"${'a'.repeat(300)}"`])('does not take %j', tag => {
    expect(entityTag(tag)).toBeUndefined()
  })
})
