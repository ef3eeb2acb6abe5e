import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { contentDisposition } from '../../src/gateway/content-disposition.ts'
import { typeOfBytes, typeOfName } from '../../src/gateway/content-type.ts'
import { bearerToken, isNonce, newNonce, newToken, sameToken, tokenProof } from '../../src/gateway/control-token.ts'
import { chooseFormat } from '../../src/gateway/format.ts'
import { isOwnHost } from '../../src/gateway/host-check.ts'
import { escapeHtml, formatBytes } from '../../src/gateway/html.ts'
import { namesETag, parseRange } from '../../src/gateway/http-range.ts'
import { MetricRegistry } from '../../src/gateway/metric-registry.ts'

const size = fc.nat({ max: 10_000 })

describe('ranges', () => {
  it('any header gives a range within the content, the whole, or unsatisfiable', () => {
    fc.assert(fc.property(fc.oneof(fc.string(), fc.tuple(fc.nat(), fc.nat()).map(([a, b]) => `bytes=${a}-${b}`)), size, (header, size) => {
      const range = parseRange(header, size)
      if (range.kind === 'part') {
        expect(range.first >= 0 && range.first <= range.last && range.last < size).toBe(true)
      }
    }))
  })

  it('first and last are what was asked, cut at the end', () => {
    fc.assert(fc.property(size, fc.nat({ max: 20_000 }), fc.nat({ max: 20_000 }), (size, first, length) => {
      const last = first + length
      expect(parseRange(`bytes=${first}-${last}`, size)).toEqual(first >= size ? { kind: 'unsatisfiable' } : { kind: 'part', first, last: Math.min(last, size - 1) })
      expect(parseRange(`bytes=${first}-`, size)).toEqual(first >= size ? { kind: 'unsatisfiable' } : { kind: 'part', first, last: size - 1 })
    }))
  })

  it('a suffix is the last bytes', () => {
    fc.assert(fc.property(fc.integer({ min: 1, max: 10_000 }), fc.integer({ min: 1, max: 20_000 }), (size, suffix) => {
      expect(parseRange(`bytes=-${suffix}`, size)).toEqual({ kind: 'part', first: Math.max(0, size - suffix), last: size - 1 })
    }))
    expect(parseRange('bytes=-0', 5)).toEqual({ kind: 'unsatisfiable' })
    expect(parseRange('bytes=-5', 0)).toEqual({ kind: 'unsatisfiable' })
    expect(parseRange('bytes=99999999999999999999-', 5)).toEqual({ kind: 'whole' })
  })

  it.each([['"a"', true], ['W/"a"', true], ['"b", "a"', true], ['"b","c"', false], ['a', false], ['*', true], [undefined, false], ['"ab"', false]])('If-None-Match %j names "a": %j', (header, expected) => {
    expect(namesETag(header, '"a"')).toBe(expected)
  })
})

describe('names', () => {
  it('any file name gives a header of printable ASCII that keeps within its quotes', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), name => {
      const header = contentDisposition('attachment', name)
      expect(header).toMatch(/^attachment; filename="[\x20\x21\x23-\x7e]*"(?:; filename\*=UTF-8''[\w!#$&+.^`|~%-]*)?$/)
    }), { numRuns: 1000 })
  })

  it('a name of another alphabet survives', () => {
    const header = contentDisposition('inline', 'карта.txt')
    expect(decodeURIComponent(/filename\*=UTF-8''(.*)$/.exec(header)?.[1] ?? '')).toBe('карта.txt')
    expect(contentDisposition('inline', '\ud800.txt')).toContain('%EF%BF%BD.txt')
  })

  it('any bytes and any name give a type, and never one that runs scripts for bytes that are not text', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 600 }), fc.string(), (bytes, name) => {
      expect(typeOfBytes(bytes)).toMatch(/^[a-z]+\/[\w.+-]+(?:; charset=utf-8)?$/)
      expect(typeOfName(name) ?? 'a/b').toMatch(/\//)
      if (bytes.includes(0)) {
        expect(typeOfBytes(bytes.subarray(0, 512)).startsWith('text/html') && bytes.subarray(0, 512).includes(0)).toBe(false)
      }
    }))
  })

  it('text that is cut in the middle of a character is still text', () => {
    const text = new TextEncoder().encode('é'.repeat(400))
    expect(typeOfBytes(text)).toBe('text/plain; charset=utf-8')
    expect(typeOfBytes(new TextEncoder().encode(`x${'é'.repeat(400)}`))).toBe('text/plain; charset=utf-8')
    expect(typeOfBytes(new Uint8Array([0xff, 0xfe, 0x41]))).toBe('application/octet-stream')
  })

  it.each([
    ['\x89PNG\r\n\x1a\n', 'image/png'], ['%PDF-1.7', 'application/pdf'], ['RIFF1234WEBP', 'image/webp'], ['1234ftypisom', 'video/mp4'],
    ['\x1f\x8b', 'application/gzip'], ['<svg xmlns="x">', 'image/svg+xml; charset=utf-8'], ['  <!DOCTYPE html>', 'text/html; charset=utf-8'], ['', 'text/plain; charset=utf-8']
  ])('%j looks like %s', (text, type) => {
    expect(typeOfBytes(Uint8Array.from(text, char => char.charCodeAt(0)))).toBe(type)
  })

  it('escaped HTML has no markup left', () => {
    fc.assert(fc.property(fc.string(), text => {
      expect(escapeHtml(text)).not.toMatch(/[<>"']/)
    }))
    expect([0, 999, 1000, 1536, 9_960_000, 1e15].map(formatBytes)).toEqual(['0 B', '999 B', '1.0 kB', '1.5 kB', '10.0 MB', '1.0 PB'])
  })
})

describe('what a client wants', () => {
  it.each([
    ['', undefined, 'unixfs'], ['', '*/*', 'unixfs'], ['format=raw', 'text/html', 'raw'], ['', 'application/vnd.ipld.raw, */*;q=0.1', 'raw'],
    ['', 'application/vnd.ipld.raw;q=0', 'unixfs'], ['format=car', undefined, { unsupported: 'car' }], ['', 'APPLICATION/VND.IPLD.CAR', { unsupported: 'application/vnd.ipld.car' }],
    ['', 'text/html,application/vnd.ipld.car', 'unixfs'], ['', 'garbage;;;,', 'unixfs']
  ])('?%s with Accept %j is %j', (query, accept, expected) => {
    expect(chooseFormat(new URLSearchParams(query), accept)).toEqual(expected)
  })
})

describe('who may ask', () => {
  it.each([
    ['127.0.0.1:8481', true], ['localhost', true], ['[::1]:1', true], ['LOCALHOST:1', true], ['127.9.9.9', true], ['named.example', true], ['[fd00::1]:80', true],
    ['evil.example', false], ['127.0.0.1.evil.example', false], ['localhost.evil.example:8481', false], ['', false], [undefined, false], ['a b', false], ['127.0.0.1:8481:1', false], ['user@localhost', false]
  ])('Host %j: %j', (host, expected) => {
    expect(isOwnHost(host, ['named.example', '[fd00::1]'])).toBe(expected)
  })

  it('only the same token is the same', () => {
    const token = newToken()
    expect(token).toMatch(/^[\w-]{43}$/)
    expect(bearerToken(`Bearer ${token}`)).toBe(token)
    expect([bearerToken(token), bearerToken('Basic x'), bearerToken(undefined), bearerToken(`Bearer ${'x'.repeat(513)}`)]).toEqual([undefined, undefined, undefined, undefined])
    fc.assert(fc.property(fc.string(), fc.string(), (a, b) => { expect(sameToken(a, b)).toBe(a === b) }))
  })
})

describe('a proof of the token', () => {
  it('is another one for every token, address and question, and none of them tells the token', () => {
    const nonce = newNonce()
    const proof = tokenProof('token', 'http://127.0.0.1:1', nonce)
    expect([isNonce(nonce), isNonce(proof), proof]).toEqual([true, true, tokenProof('token', 'http://127.0.0.1:1', nonce)])
    expect(new Set([proof, tokenProof('other', 'http://127.0.0.1:1', nonce), tokenProof('token', 'http://127.0.0.1:2', nonce), tokenProof('token', 'http://127.0.0.1:1', newNonce())]).size).toBe(4)
  })

  it.each([null, '', 'short', 'x'.repeat(129), 'a b c d e f g h i j', 'äöüäöüäöüäöüäöüäöü'])('%j is no nonce', text => {
    expect(isNonce(text)).toBe(false)
  })
})

describe('the metrics page', () => {
  it('is what Prometheus reads, whatever names and labels hold', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme' }), fc.double(), (name, label, value) => {
      const registry = new MetricRegistry()
      registry.registerCounterGroup(`c${name}`, { label: 'kind', help: label }).increment({ [label]: true })
      registry.registerMetric(`g${name}`, { help: label }).update(value)
      for (const line of registry.toString().trimEnd().split('\n')) {
        expect(line).toMatch(/^(?:# (?:HELP|TYPE) [a-zA-Z_:][a-zA-Z0-9_:]* [^\n]*|[a-zA-Z_:][a-zA-Z0-9_:]*(?:\{kind="(?:[^"\\\n]|\\.)*"\})? (?:[-+]?Inf|NaN|-?[\d.e+-]+))$/u)
      }
    }))
  })

  it('counts, keeps what it counts over a second registration, and bounds labels', () => {
    const registry = new MetricRegistry()
    registry.registerCounter('a_total').increment(2)
    registry.registerCounter('a_total').increment()
    const group = registry.registerCounterGroup('b_total', { label: 'x' })
    for (let i = 0; i < 1000; i++) {
      group.increment({ [`k${i}`]: 1 })
    }
    const histogram = registry.registerHistogram('h', { buckets: [1, 2] })
    ;[0.5, 1.5, 9].forEach(value => { histogram.observe(value) })
    registry.registerMetric('calculated_total', { calculate: () => 7 })
    registry.registerMetricGroup('outcomes_total', { label: 'outcome', calculate: () => ({ ok: 3 }) })

    const page = registry.toString()
    expect(page).toContain('a_total 3\n')
    expect(page.match(/^b_total\{/gm)).toHaveLength(257)
    expect(page).toContain('b_total{x="other"} 744\n')
    expect(page).toContain('h_bucket{le="1"} 1\nh_bucket{le="2"} 2\nh_bucket{le="+Inf"} 3\nh_sum 11\nh_count 3\n')
    expect(page).toContain('# TYPE calculated_total counter\ncalculated_total 7\n')
    expect(page).toContain('outcomes_total{outcome="ok"} 3\n')
    expect(registry.names()).toEqual(['a_total', 'b_total', 'calculated_total', 'h', 'outcomes_total'])
  })
})
