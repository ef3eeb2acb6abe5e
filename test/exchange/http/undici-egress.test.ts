import { describe } from 'vitest'
import { undiciTransport } from '../../../src/exchange/http/undici-egress.ts'
import { transportContract } from './transport-contract.ts'

describe('undiciTransport', () => {
  transportContract(policy => {
    const transport = undiciTransport({ policy })
    return { transport, [Symbol.asyncDispose]: async () => transport.close() }
  }, { seesTheWire: true })
})
