import { describe, expect, it } from 'vitest'
import { undiciTransport } from '../../../src/exchange/http/undici-egress.ts'
import { transportContract } from './transport-contract.ts'

describe('undiciTransport', () => {
  transportContract(policy => {
    const transport = undiciTransport({ policy })
    return { transport, [Symbol.asyncDispose]: async () => transport.close() }
  }, { seesTheWire: true })

  it.each([
    ['connectionsPerOrigin', 0],
    ['connectionsPerOrigin', 1.5],
    ['idleTimeout', -1],
    ['connectTimeout', NaN],
    ['maxOrigins', Infinity],
    ['maxHeaderSize', 0]
  ])('names %s when it is %d', (name, value) => {
    expect(() => undiciTransport({ [name]: value })).toThrow(expect.objectContaining({
      name: 'InvalidOptionError',
      message: `${name} must be an integer from 1 to 2147483647, got ${value}`
    }))
  })
})
