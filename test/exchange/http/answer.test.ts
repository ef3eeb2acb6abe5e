import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { judge } from '../../../src/exchange/http/answer.ts'
import type { HttpResponse } from '../../../src/interface/http-transport.ts'

const BASE = new URL('https://gateway.example/ipfs/bafy?format=raw')

function answer (status: number, headers: Record<string, string> = {}, decoded: boolean = false): HttpResponse {
  return {
    status,
    headers: { get: name => headers[name] },
    decoded,
    body: { [Symbol.asyncIterator]: () => { throw new Error('nobody may read a body to judge a head') } },
    discard: () => {}
  }
}

describe('judge', () => {
  it.each([
    undefined,
    'application/vnd.ipld.raw',
    'Application/VND.ipld.raw; charset=utf-8',
    'application/octet-stream',
    'binary/octet-stream'
  ])('takes a raw block under type %s', type => {
    expect(judge(answer(200, type === undefined ? {} : { 'content-type': type, 'content-length': '5' }), 10, BASE))
      .toEqual({ kind: 'block', ...(type === undefined ? {} : { announced: 5 }) })
  })

  it.each(['text/html', 'text/plain', 'application/json', 'application/vnd.ipld.car', 'multipart/byteranges', ''])('does not take type %j', type => {
    expect(judge(answer(200, { 'content-type': type }), 10, BASE)).toMatchObject({ outcome: 'invalid' })
  })

  it.each([
    ['a content-length that is no number', { 'content-length': '5, 5' }],
    ['a negative content-length', { 'content-length': '-5' }],
    ['an unasked encoding', { 'content-encoding': 'br' }],
    ['two encodings', { 'content-encoding': 'identity, gzip' }]
  ])('does not take %s', (_what, headers) => {
    expect(judge(answer(200, headers as unknown as Record<string, string>), 10, BASE)).toMatchObject({ outcome: 'invalid' })
  })

  it('takes the limit, and not a byte more', () => {
    expect(judge(answer(200, { 'content-length': '10' }), 10, BASE)).toEqual({ kind: 'block', announced: 10 })
    expect(judge(answer(200, { 'content-length': '11' }), 10, BASE)).toMatchObject({ outcome: 'invalid' })
  })

  it('makes nothing of a length where the platform unpacks by itself', () => {
    expect(judge(answer(200, { 'content-length': '11', 'content-encoding': 'gzip' }, true), 10, BASE)).toEqual({ kind: 'block' })
  })

  it.each([
    ['/ipns/elsewhere', 'https://gateway.example'],
    ['http://169.254.169.254/latest', 'http://169.254.169.254'],
    ['//evil.example', 'https://evil.example'],
    ['javascript:alert(1)', 'javascript:'],
    ['http://[', 'http://[']
  ])('names where a redirect to %s leads', (location, named) => {
    const judged = judge(answer(302, { location }), 10, BASE)

    expect(judged).toMatchObject({ outcome: 'refused' })
    expect(judged.kind === 'failure' ? judged.why : '').toContain(`redirects to ${named.endsWith('[') ? `"${named}"` : named}, which is not followed`)
  })

  it('has a verdict on every head, fit to be printed on one line', () => {
    fc.assert(fc.property(
      fc.nat(1100),
      fc.dictionary(fc.constantFrom('content-type', 'content-length', 'content-encoding', 'location', 'retry-after'), fc.string({ unit: 'binary', maxLength: 3000 })),
      (status, headers) => {
        const judged = judge(answer(status, headers), 1000, BASE)

        if (judged.kind === 'failure') {
          expect(judged.why).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u)
          expect(judged.why.length).toBeLessThan(1000)
          expect(judged.why).toContain(String(status))
        } else {
          expect(status).toBe(200)
          expect(judged.announced ?? 0).toBeLessThanOrEqual(1000)
        }
      }
    ))
  })
})
