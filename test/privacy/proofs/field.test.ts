import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { digest, parseNumber, poseidon2, SCALARS, toScalar } from '../../../src/privacy/proofs/field.ts'

describe('numbers', () => {
  it('are read in the one way they can be written, below their limit', () => {
    fc.assert(fc.property(fc.bigInt({ min: 0n, max: 2n ** 256n - 1n }), value => {
      expect(parseNumber(value.toString(), SCALARS)).toBe(value < SCALARS ? value : undefined)
      expect(parseNumber(`0${value}`, SCALARS)).toBeUndefined()
      expect(parseNumber(` ${value}`, SCALARS)).toBeUndefined()
      expect(parseNumber(`-${value}`, SCALARS)).toBeUndefined()
      expect(parseNumber(`0x${value.toString(16)}`, SCALARS)).toBeUndefined()
    }))
    expect(parseNumber((SCALARS - 1n).toString(), SCALARS)).toBe(SCALARS - 1n)
    expect(parseNumber(SCALARS.toString(), SCALARS)).toBeUndefined()
  })

  it.each([[''], ['1e3'], ['1.0'], ['١'], ['1'.repeat(10_000_000)], [1], [1n], [null], [undefined], [['1']], [{ toString: () => '1' }]])('are not read from what is none (%#)', value => {
    expect(parseNumber(value, SCALARS)).toBeUndefined()
  })
})

describe('hashes', () => {
  it('Poseidon is that of circom', () => {
    // the vector that circomlib's own tests have
    expect(poseidon2(1n, 2n)).toBe(7853200120776062878684798364095072458815029376092732009249414926327459813530n)
  })

  it('what is made of 256 bits fits into the field', () => {
    fc.assert(fc.property(fc.bigInt({ min: 0n, max: 2n ** 256n - 1n }), value => {
      expect(toScalar(value)).toBeLessThan(SCALARS)
    }))
  })

  it('no word runs into the next', () => {
    const words = fc.array(fc.oneof(fc.string(), fc.nat()), { maxLength: 4 })
    fc.assert(fc.property(words, words, (a, b) => {
      expect(digest(...a) === digest(...b)).toBe(JSON.stringify(a) === JSON.stringify(b))
    }))
    expect(digest('ab', 'c')).not.toBe(digest('a', 'bc'))
    expect(digest('1')).not.toBe(digest(1))
  })
})
