import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MAX_ANSWER, fitProviders, mergeKnown, namedProvider, restoreKnown, stillKnown, storeKnown } from '../../../src/discovery/records/known-provider.ts'
import { toProvider } from '../../../src/provider/provider.ts'
import type { KnownProvider } from '../../../src/discovery/records/known-provider.ts'
import type { Provider } from '../../../src/interface/provider.ts'

const HOUR = 3_600_000
const A = toProvider('https://a.example', { source: 'dht' })
const RELAY = '/ip4/192.0.2.9/tcp/4001/p2p/12D3KooWJbJFaZ1dwpuu9tQY3ELCKCpWMJc1dSRVbcMwhiLiFq7q/p2p-circuit'

const say = (addresses: readonly string[], provider: Provider = A): Provider => ({ ...provider, addresses })
const since = (now: number): { any: number, relayed: number } => ({ any: now - 48 * HOUR, relayed: now - 2 * HOUR })
const size = (providers: readonly KnownProvider[]): number => new TextEncoder().encode(JSON.stringify(providers.map(known => storeKnown(known, at => at + 1_800_000_000_000)))).byteLength

describe('a provider that was named', () => {
  it('is as old as its last naming, each address as its own', () => {
    const first = namedProvider(say(['/ip4/192.0.2.1/tcp/1', '/ip4/192.0.2.2/tcp/1', RELAY]), 0)
    const both = mergeKnown(namedProvider(say(['/ip4/192.0.2.2/tcp/1', '/ip4/192.0.2.3/tcp/1']), HOUR), first)
    const left = (now: number): readonly string[] | undefined => stillKnown(both, since(now))?.provider.addresses

    expect(left(HOUR)?.toSorted()).toEqual(['/ip4/192.0.2.1/tcp/1', '/ip4/192.0.2.2/tcp/1', '/ip4/192.0.2.3/tcp/1', RELAY])
    expect(left(2 * HOUR)?.toSorted()).toEqual(['/ip4/192.0.2.1/tcp/1', '/ip4/192.0.2.2/tcp/1', '/ip4/192.0.2.3/tcp/1'])
    expect(left(48 * HOUR)?.toSorted()).toEqual(['/ip4/192.0.2.2/tcp/1', '/ip4/192.0.2.3/tcp/1'])
    expect(left(49 * HOUR)).toBeUndefined()
  })

  it('is stored with its times', () => {
    const both = mergeKnown(namedProvider(say(['/ip4/192.0.2.2/tcp/1']), 7), namedProvider(say(['/ip4/192.0.2.1/tcp/1']), 5))
    const stored = JSON.parse(JSON.stringify(storeKnown(both, at => at + 1_000))) as unknown

    expect(restoreKnown(stored, 'dht', { at: 0, monotonic: at => at - 1_000 })).toEqual(both)
  })

  it.each([{ at: 'now' }, { at: null }, { told: 5 }, { told: [] }, { told: [1, 2] }, { told: ['1'] }])('is not restored with %j', spoilt => {
    const stored = storeKnown(namedProvider(say(['/ip4/192.0.2.2/tcp/1']), 7), at => at)

    expect(() => restoreKnown({ ...stored, ...spoilt }, 'dht', { at: 0, monotonic: at => at })).toThrow('A stored provider was named at no time')
  })
})

describe('the providers of one answer', () => {
  const usual = Array.from({ length: 10 }, (_, i) => namedProvider(toProvider(`https://gateway-${i}.example`, { source: 'dht' }), 0))
  const address = (i: number, length: number): string => `/dns4/${i}${'x'.repeat(length)}.example/tcp/4001`
  const large = Array.from({ length: 10 }, (_, i) => namedProvider(say(Array.from({ length: 8 }, (_, n) => address(n, 900)), { ...A, id: `https:large-${i}.example` }), 0))

  it('keep their addresses next to some that have very long ones, and those keep their best', () => {
    const { providers, bytes } = fitProviders([...large, ...usual])

    expect(providers.slice(10)).toEqual(usual)
    expect(providers.slice(0, 10).map(({ provider }) => provider.id)).toEqual(large.map(({ provider }) => provider.id))
    for (const { provider } of providers.slice(0, 10)) {
      expect(provider.addresses.map(text => text.slice('/dns4/'.length)[0]).join('')).toMatch(/^0123(4|45|456)?$/)
    }
    expect(providers.every(({ provider, told }) => told.length === provider.addresses.length)).toBe(true)
    expect(bytes).toBeLessThanOrEqual(MAX_ANSWER)
    expect(size(providers)).toBeLessThanOrEqual(bytes)
  })

  it('leave out an address that is too long by itself, and a provider that is too much without any', () => {
    const one = namedProvider(say([address(0, 9_000), '/ip4/192.0.2.1/tcp/1']), 0)
    const vast = namedProvider({ ...A, id: 'https:vast.example', domains: ['d'.repeat(9_000)] }, 0)

    expect(fitProviders([one, vast]).providers.map(({ provider }) => provider)).toEqual([say(['/ip4/192.0.2.1/tcp/1'])])
  })

  it('fit, whatever is said of them, and none of them is too much to keep', () => {
    const text = fc.string({ unit: 'binary', maxLength: 1_200 })
    const provider = fc.record({ addresses: fc.array(text, { maxLength: 8 }), protocols: fc.array(fc.string({ maxLength: 60 }), { maxLength: 8 }), domains: fc.array(fc.string({ maxLength: 200 }), { maxLength: 16 }) })

    fc.assert(fc.property(fc.array(provider, { maxLength: 20 }), all => {
      const known = all.map((each, i) => mergeKnown(namedProvider({ ...A, ...each, id: `https:${i}.example` }, 2), namedProvider({ ...A, id: `https:${i}.example` }, 1)))
      const { providers, bytes } = fitProviders(known)

      expect(bytes).toBeLessThanOrEqual(MAX_ANSWER)
      expect(size(providers)).toBeLessThanOrEqual(bytes + 2)
      for (const each of providers) {
        expect(restoreKnown(JSON.parse(JSON.stringify(storeKnown(each, at => at))), 'dht', { at: 0, monotonic: at => at })).toMatchObject({ provider: { id: each.provider.id }, at: 2 })
      }
    }), { numRuns: 50 })
  })
})
