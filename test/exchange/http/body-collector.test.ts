import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BodyCollector, TRUSTED_ALLOCATION } from '../../../src/exchange/http/body-collector.ts'

/** A body cut at random places, empty chunks included */
const chunked = fc.uint8Array({ maxLength: 5000 }).chain(body => fc.record({
  body: fc.constant(body),
  cuts: fc.array(fc.nat(body.length), { maxLength: 40 })
})).map(({ body, cuts }) => {
  const edges = [0, ...cuts.sort((a, b) => a - b), body.length]
  return { body, chunks: edges.slice(1).map((edge, i) => body.subarray(edges[i], edge)) }
})

describe('BodyCollector', () => {
  it('gives the same bytes however they were cut, announced or not', () => {
    fc.assert(fc.property(chunked, fc.boolean(), ({ body, chunks }, announced) => {
      const collector = new BodyCollector(5000, announced ? body.length : undefined)
      chunks.forEach(chunk => { collector.push(chunk) })

      expect(collector.finish()).toEqual(body)
    }))
  })

  it('never allocates more than twice what arrived, beyond a small bound, whatever was announced', () => {
    fc.assert(fc.property(
      fc.array(fc.nat(100_000), { maxLength: 20 }),
      fc.option(fc.nat(2 ** 31), { nil: undefined }),
      (sizes, announced) => {
        const collector = new BodyCollector(2 ** 31, announced)
        let arrived = 0

        for (const size of sizes) {
          arrived += size

          if (announced !== undefined && arrived > announced) {
            expect(() => { collector.push(new Uint8Array(size)) }).toThrow(expect.objectContaining({ name: 'BodyLengthError' }))
            return
          }

          collector.push(new Uint8Array(size))
          expect(collector.length).toBe(arrived)
          expect(collector.allocated).toBeLessThanOrEqual(Math.max(TRUSTED_ALLOCATION, arrived * 2))
        }
      }
    ), { numRuns: 50 })
  })

  it('allocates a well announced block once, exactly', () => {
    const collector = new BodyCollector(2_097_152, 1000)
    collector.push(new Uint8Array(400))
    expect(collector.allocated).toBe(1000)
    collector.push(new Uint8Array(600))
    expect(collector.finish().buffer.byteLength).toBe(1000)
  })

  it('shares no memory with the chunks', () => {
    const chunk = Uint8Array.of(1, 2, 3)
    const collector = new BodyCollector(10, 3)
    collector.push(chunk)
    chunk.fill(0)

    expect(collector.finish()).toEqual(Uint8Array.of(1, 2, 3))
  })

  it.each([
    ['the limit', 4, undefined, 'a body of more than the 4 bytes allowed'],
    ['what was announced', 100, 4, 'a body longer than the 4 bytes it announced']
  ])('throws on the first byte over %s', (_what, max, announced, message) => {
    const collector = new BodyCollector(max, announced)
    collector.push(new Uint8Array(4))

    expect(() => { collector.push(new Uint8Array(1)) }).toThrow(expect.objectContaining({ name: 'BodyLengthError', message }))
  })

  it('says how much is missing', () => {
    const collector = new BodyCollector(100, 4)
    collector.push(new Uint8Array(3))

    expect(() => collector.finish()).toThrow('a truncated body: 3 of the 4 bytes it announced')
  })
})
