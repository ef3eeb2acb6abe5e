import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ReplyGate } from '../../../src/cache/shared/reply-gate.ts'

const MAX = 100

const bytes = (text: string): Uint8Array => Buffer.from(text, 'latin1')

/** One complaint or none, fed in pieces that end where `cuts` says */
function feed (gate: ReplyGate, data: Uint8Array, cuts: readonly number[] = []): string | undefined {
  const ends = [...cuts.map(cut => cut % (data.length + 1)), data.length].sort((a, b) => a - b)
  let from = 0
  for (const end of ends) {
    const wrong = gate.check(data.subarray(from, end))
    if (wrong != null) {
      return wrong
    }
    from = end
  }
  return undefined
}

function expecting (count: number, max: number = MAX): ReplyGate {
  const gate = new ReplyGate()
  for (let i = 0; i < count; i++) {
    gate.expect(max)
  }
  return gate
}

const word = fc.stringMatching(/^[ -~]{0,40}$/)
const reply = fc.oneof(
  word.map(text => bytes(`+${text}\r\n`)),
  word.map(text => bytes(`-${text}\r\n`)),
  fc.integer().map(number => bytes(`:${number}\r\n`)),
  fc.constant(bytes('$-1\r\n')),
  fc.uint8Array({ maxLength: MAX }).map(value => Buffer.concat([bytes(`$${value.length}\r\n`), value, bytes('\r\n')]))
)

describe('what a server may send', () => {
  it('is one reply for each command, in whatever pieces it comes', () => {
    fc.assert(fc.property(fc.array(reply, { maxLength: 20 }), fc.array(fc.nat(), { maxLength: 30 }), (replies, cuts) => {
      const gate = expecting(replies.length)
      expect(feed(gate, Buffer.concat(replies), cuts)).toBeUndefined()
      expect(gate.pending).toBe(0)
    }))
  })

  it('is nothing more than that', () => {
    fc.assert(fc.property(fc.array(reply, { minLength: 1, maxLength: 20 }), fc.array(fc.nat(), { maxLength: 30 }), (replies, cuts) => {
      expect(feed(expecting(replies.length - 1), Buffer.concat(replies), cuts)).toBe('it sent something that nobody asked for')
    }))
  })

  it('is found wrong in the same way however it is cut', () => {
    const noise = fc.oneof(reply, fc.uint8Array({ maxLength: 20 }), fc.constantFrom('>1\r\n$-1\r\n', '_\r\n', '*-1\r\n', '+a\rb\r\n', '$1\r\nab\n', '\n').map(bytes))
    fc.assert(fc.property(fc.array(noise, { maxLength: 6 }), fc.array(fc.nat(), { maxLength: 30 }), (parts, cuts) => {
      const data = Buffer.concat(parts)
      const whole = expecting(4)
      const cut = expecting(4)
      expect(feed(cut, data, cuts)).toBe(feed(whole, data))
      expect(cut.pending).toBe(whole.pending)
    }))
  })

  it.each([
    ['a list', '*1\r\n:1\r\n', 'it does not speak the Redis protocol'],
    ['a push', '>1\r\n$-1\r\n', 'it does not speak the Redis protocol'],
    ['a null of RESP3', '_\r\n', 'it does not speak the Redis protocol'],
    ['HTTP', 'HTTP/1.1 400 Bad Request\r\n', 'it does not speak the Redis protocol'],
    ['an empty line', '\r\n', 'it does not speak the Redis protocol'],
    ['a line that ends with LF alone', '+OK\n', 'it does not speak the Redis protocol'],
    ['a CR inside a line', '+O\rK\r\n', 'it does not speak the Redis protocol'],
    ['half a number', ':1x\r\n', 'it sent a number that is none'],
    ['a negative length', '$-2\r\n', 'it sent a string whose length is no number'],
    ['a length with a sign', '$+1\r\n', 'it sent a string whose length is no number'],
    ['a string that is too long', `$${MAX + 1}\r\n`, `it sent ${MAX + 1} bytes where at most ${MAX} were asked for`],
    ['a string of half a gigabyte', '$536870912\r\n', `it sent 536870912 bytes where at most ${MAX} were asked for`],
    ['a string that goes on', '$1\r\nab\r\n', 'it sent a string that does not end where it said'],
    ['a string without its CR', '$1\r\na\n\n', 'it sent a string that does not end where it said'],
    ['a line without an end', `+${'a'.repeat(5000)}`, 'it sent a line of more than 4096 bytes']
  ])('is not %s', (_, text, wrong) => {
    expect(feed(expecting(1), bytes(text))).toBe(wrong)
    expect(feed(expecting(1), bytes(text), [...text].slice(0, 50).map((_, at) => at))).toBe(wrong)
  })

  it('has for each reply the length of its own', () => {
    const gate = new ReplyGate()
    gate.expect(1)
    gate.expect(3)
    expect(gate.check(bytes('$1\r\na\r\n$3\r\nabc\r\n'))).toBeUndefined()
    gate.expect(2)
    expect(gate.check(bytes('$3\r\nabc\r\n'))).toBe('it sent 3 bytes where at most 2 were asked for')
  })
})
