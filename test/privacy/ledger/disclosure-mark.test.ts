import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { NUMBERS, TAGS, markOf, numberIn } from '../../../src/privacy/ledger/disclosure-mark.ts'
import { CELLS } from '../../../src/privacy/ledger/exposure-counters.ts'

describe('the mark of a disclosure', () => {
  const number = fc.oneof(fc.constantFrom(1, 2, NUMBERS - 1, NUMBERS, NUMBERS + 1, 2 * NUMBERS, 900_000_000), fc.integer({ min: 1, max: 2 ** 45 }))

  it('says number, cell and tag again, after billions of others too', () => {
    fc.assert(fc.property(number, fc.nat(CELLS - 1), fc.nat(TAGS - 1), fc.nat(NUMBERS - 1), (number, cell, tag, later) => {
      const mark = markOf(number, cell, tag)

      expect(Number.isSafeInteger(mark)).toBe(true)
      expect([numberIn(mark, number + later), Math.floor(mark / TAGS) % CELLS, mark % TAGS]).toEqual([number, cell, tag])
    }))
  })

  it('has no number where nothing but the count is kept', () => {
    fc.assert(fc.property(number, fc.nat(CELLS - 1), fc.nat(TAGS - 1), (last, cell, tag) => numberIn(markOf(0, cell, tag), last) === 0))
  })
})
