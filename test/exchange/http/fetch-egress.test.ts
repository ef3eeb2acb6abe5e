import { describe } from 'vitest'
import { fetchTransport } from '../../../src/exchange/http/fetch-egress.ts'
import { transportContract } from './transport-contract.ts'

describe('fetchTransport', () => {
  transportContract(policy => ({
    transport: fetchTransport({ policy }),
    // the platform owns the connections
    [Symbol.asyncDispose]: async () => {}
  }), { seesTheWire: false })
})
