import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { transportError } from '../../../src/exchange/http/failure.ts'
import { TransportError } from '../../../src/interface/http-transport.ts'

function coded (code: string, message: string = 'something'): Error {
  return Object.assign(new Error(message), { code })
}

describe('transportError', () => {
  it.each([
    [coded('ENOTFOUND'), 'connecting', 'dns'],
    [coded('EAI_AGAIN'), 'asked', 'dns'],
    [coded('ECONNREFUSED'), 'asked', 'connect'],
    [coded('ETIMEDOUT'), 'connecting', 'connect'],
    [coded('ETIMEDOUT'), 'body', 'lost'],
    [coded('CERT_HAS_EXPIRED'), 'connecting', 'tls'],
    [coded('ERR_TLS_CERT_ALTNAME_INVALID'), 'asked', 'tls'],
    [coded('ECONNRESET'), 'connecting', 'connect'],
    [coded('ECONNRESET'), 'asked', 'lost'],
    [coded('ECONNRESET'), 'body', 'lost'],
    [coded('UND_ERR_SOCKET', 'other side closed'), 'asked', 'lost'],
    [coded('UND_ERR_SOCKET', 'other side closed'), 'body', 'truncated'],
    [coded('UND_ERR_SOCKET', 'bad upgrade'), 'answering', 'protocol'],
    [coded('UND_ERR_HEADERS_OVERFLOW'), 'answering', 'protocol'],
    [coded('ESOMETHING'), 'asked', 'network'],
    [new TypeError('Failed to fetch'), 'asked', 'network'],
    [new TypeError('fetch failed', { cause: coded('ECONNREFUSED') }), 'asked', 'connect'],
    [new AggregateError([coded('ECONNREFUSED'), coded('ENETUNREACH')], ''), 'connecting', 'connect'],
    ['a string', 'asked', 'network']
  ] as const)('%s while %s is %s', (error, stage, failure) => {
    const result = transportError(error, stage)

    expect(result).toMatchObject({ name: 'TransportError', failure, stale: false, cause: error })
  })

  it('leaves its own kind alone', () => {
    const error = new TransportError('redirect', 'redirects')

    expect(transportError(error, 'asked')).toBe(error)
  })

  it('comes to an end on a ring of causes', () => {
    const a = new Error('a')
    const b = new Error('b', { cause: a })
    a.cause = b

    expect(transportError(a, 'asked').failure).toBe('network')
  })

  it('keeps what strangers wrote printable and short', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 2000 }), fc.string({ unit: 'binary', maxLength: 50 }), (message, code) => {
      const result = transportError(coded(code, message), 'asked').message

      expect(result).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u)
      expect(result.length).toBeLessThan(2000)
    }))
  })
})
