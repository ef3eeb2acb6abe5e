import { describe, expect, it } from 'vitest'
import { toProvider } from '../../src/provider/provider.ts'
import { MAX_STORED_PROVIDER, restoreProvider, storeProvider } from '../../src/provider/stored-provider.ts'
import type { Provider } from '../../src/interface/provider.ts'

describe('a stored provider', () => {
  const some = toProvider('https://a.example', { source: 'dht' })
  const ofSize = (size: number): Provider => ({ ...some, addresses: ['', 'x'.repeat(size - JSON.stringify(storeProvider({ ...some, addresses: ['', ''] })).length)] })

  it.each(['', 'dht', 'a router with a longer name'])('is read again up to the largest that is kept, for %j', source => {
    for (let size = MAX_STORED_PROVIDER - 20; size <= MAX_STORED_PROVIDER; size++) {
      expect(restoreProvider(storeProvider(ofSize(size)), source)).toEqual({ ...ofSize(size), source })
    }
    expect(storeProvider(ofSize(MAX_STORED_PROVIDER + 1))).toBeUndefined()
    expect(() => restoreProvider(ofSize(MAX_STORED_PROVIDER + 1), source)).toThrow('A stored provider has at most 8192 characters')
  })
})
