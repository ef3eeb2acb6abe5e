import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { LineSplitter, MAX_LINE } from '../../../src/discovery/routers/delegated-lines.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

/** All lines of the chunks, what follows the last end among them, and how many were too long */
function split (chunks: Iterable<Uint8Array>, max?: number): { lines: string[], rest: string | undefined, oversized: number } {
  const splitter = new LineSplitter(max)
  const lines: string[] = []

  for (const chunk of chunks) {
    for (const line of splitter.push(chunk)) {
      lines.push(new TextDecoder().decode(line))
    }
  }
  const rest = splitter.finish()
  return { lines, rest: rest == null ? undefined : new TextDecoder().decode(rest), oversized: splitter.oversized }
}

/** A text in pieces, cut anywhere */
const inPieces = fc.tuple(fc.string({ unit: fc.constantFrom('a', 'b', '\n', 'é', '🏴'), maxLength: 200 }), fc.array(fc.nat(400), { maxLength: 12 })).map(([text, cuts]) => {
  const whole = bytes(text)
  const at = [0, ...cuts.map(cut => cut % (whole.byteLength + 1)), whole.byteLength].sort((a, b) => a - b)
  return { text, chunks: at.slice(1).map((end, i) => whole.slice(at[i], end)) }
})

describe('LineSplitter', () => {
  it('finds the same lines wherever the chunks end', () => {
    fc.assert(fc.property(inPieces, ({ text, chunks }) => {
      const expected = text.split('\n')
      const rest = expected.pop()
      expect(split(chunks)).toEqual({ lines: expected, rest: rest === '' ? undefined : rest, oversized: 0 })
    }))
  })

  it('passes over lines that are too long, and over no others', () => {
    fc.assert(fc.property(inPieces, fc.integer({ min: 1, max: 20 }), ({ text, chunks }, max) => {
      const all = text.split('\n')
      const rest = all.pop() ?? ''
      const fits = (line: string): boolean => bytes(line).byteLength <= max
      expect(split(chunks, max)).toEqual({
        lines: all.filter(fits),
        rest: rest !== '' && fits(rest) ? rest : undefined,
        oversized: [...all, rest].filter(line => !fits(line)).length
      })
    }))
  })

  it('is not held up by one byte at a time', () => {
    const line = 'x'.repeat(MAX_LINE)
    expect(split(Array.from(bytes(`${line}\n`), byte => Uint8Array.of(byte)))).toEqual({ lines: [line], rest: undefined, oversized: 0 })
    expect(split([bytes(line), bytes('x\nnext\n')])).toEqual({ lines: ['next'], rest: undefined, oversized: 1 })
  })
})
