import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DEFAULT_MAX_RETRY_AFTER, retryAfter } from '../../src/clock/retry-after.ts'

const NOW = Date.parse('1994-11-06T08:49:00Z')

describe('retryAfter', () => {
  it.each([
    ['0', 0],
    ['7', 7000],
    [' 120 ', 120_000],
    ['86400', DEFAULT_MAX_RETRY_AFTER],
    ['9'.repeat(400), DEFAULT_MAX_RETRY_AFTER],
    ['Sun, 06 Nov 1994 08:49:37 GMT', 37_000],
    ['Sunday, 06-Nov-94 08:49:37 GMT', 37_000],
    ['Sun Nov  6 08:49:37 1994', 37_000],
    ['Sun, 06 Nov 1994 08:48:00 GMT', 0],
    ['Sun, 06 Nov 2094 08:48:00 GMT', DEFAULT_MAX_RETRY_AFTER]
  ])('reads %s', (value, expected) => {
    expect(retryAfter(value, NOW)).toBe(expected)
  })

  it.each([undefined, '', '-1', '1.5', '1e3', 'soon', 'Sun, 99 Foo 1994 08:49:37 GMT', '1994-11-06T08:49:37Z'])('makes nothing of %s', (value) => {
    expect(retryAfter(value, NOW)).toBeUndefined()
  })

  it('is never negative, never above the bound, and never throws', () => {
    fc.assert(fc.property(fc.oneof(fc.string(), fc.integer().map(String), fc.date({ noInvalidDate: true }).map(date => date.toUTCString())), fc.nat(1_000_000), (value, max) => {
      const wait = retryAfter(value, NOW, max)

      expect(wait === undefined || (wait >= 0 && wait <= max)).toBe(true)
    }))
  })

  it('gives a date back to the second', () => {
    fc.assert(fc.property(fc.nat(600), seconds => {
      expect(retryAfter(new Date(NOW + seconds * 1000).toUTCString(), NOW)).toBe(seconds * 1000)
    }))
  })
})
