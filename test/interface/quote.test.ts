import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { quote } from '../../src/interface/quote.ts'

describe('quote', () => {
  it('quotes strings, and strings alone', () => {
    expect(quote('abc')).toBe('"abc"')
    expect(quote(5)).toBe('5')
    expect(quote('a"b\\c')).toBe('"a\\"b\\\\c"')
  })

  it('shows what would move the cursor or turn the text around', () => {
    expect(quote('\u001b[2J\n\u202e')).toBe('"\\u{1b}[2J\\u{a}\\u{202e}"')
  })

  it('cuts what is long', () => {
    expect(quote('x'.repeat(5_000))).toBe(`"${'x'.repeat(120)}…"`)
  })

  it('names what has no text', () => {
    expect(quote(Object.create(null))).toBe('[object]')
    expect(quote({ toString () { throw new Error('no') } })).toBe('[object]')
    expect(quote(Symbol('s'))).toBe('Symbol(s)')
  })

  it('never throws, is never long and has nothing unprintable, whatever it is given', () => {
    fc.assert(fc.property(fc.oneof(fc.anything(), fc.string({ unit: 'binary', maxLength: 300 })), (value) => {
      const text = quote(value)

      expect(text).not.toMatch(/[\p{C}\p{Zl}\p{Zp}]/u)
      // each of 120 units is at most \u{10ffff}
      expect(text.length).toBeLessThan(120 * 10 + 3)
    }))
  })
})
