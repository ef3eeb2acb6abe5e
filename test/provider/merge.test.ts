import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { mergeProviders } from '../../src/provider/merge.ts'
import type { Provider } from '../../src/interface/provider.ts'

const RELAYED = '/ip4/9.9.9.9/tcp/1/p2p/12D3KooWE3hiTb9GMMmvBFTsDrUrMLKiwj5Ae1vpj2GdvbmMVaq8/p2p-circuit'
const provider = (more: Partial<Provider> = {}): Provider => ({ id: 'p2p:x', addresses: [], protocols: [], source: 'a', fallback: false, domains: [], ...more })
const list = (letter: string, n: number): string[] => Array.from({ length: n }, (_, i) => `${letter}${i}`)

describe('mergeProviders', () => {
  it('unites what both know, the first first', () => {
    const a = provider({ addresses: ['a1', 'both'], protocols: ['p'], domains: ['d'] })
    const b = provider({ addresses: ['both', 'b1'], protocols: ['p', 'q'], domains: ['e'], source: 'b' })

    expect(mergeProviders(a, b)).toEqual({ id: 'p2p:x', addresses: ['a1', 'both', 'b1'], protocols: ['p', 'q'], source: 'a', fallback: false, domains: ['d', 'e'] })
  })

  it('keeps the best of both when there are too many', () => {
    expect(mergeProviders(provider({ addresses: list('a', 8) }), provider({ addresses: list('b', 8) })).addresses.toSorted()).toEqual([...list('a', 4), ...list('b', 4)])
    expect(mergeProviders(provider({ addresses: list('a', 8) }), provider({ addresses: ['b0'] })).addresses).toContain('b0')
  })

  it('puts relayed addresses last, and drops them first', () => {
    expect(mergeProviders(provider({ addresses: [RELAYED] }), provider({ addresses: ['b0'] })).addresses).toEqual(['b0', RELAYED])
    expect(mergeProviders(provider({ addresses: [RELAYED] }), provider({ addresses: list('b', 8) })).addresses).toEqual(list('b', 8))
  })

  it('is a last resort only when both say so', () => {
    const merged = (a: boolean, b: boolean): boolean => mergeProviders(provider({ fallback: a }), provider({ fallback: b })).fallback

    expect([merged(true, true), merged(true, false), merged(false, true), merged(false, false)]).toEqual([true, false, false, false])
  })

  it('does not take two providers for one', () => {
    expect(() => mergeProviders(provider(), provider({ id: 'p2p:y' }))).toThrow(expect.objectContaining({ name: 'InvalidProviderError' }))
  })

  it('stays bounded, unique, and the same when merged again', () => {
    const some = fc.uniqueArray(fc.constantFrom(...list('a', 12), RELAYED), { maxLength: 8 }).map((addresses) => provider({ addresses, protocols: addresses, domains: addresses }))

    fc.assert(fc.property(some, some, (a, b) => {
      const merged = mergeProviders(a, b)

      expect(merged.addresses.length).toBe(Math.min(8, new Set([...a.addresses, ...b.addresses]).size))
      expect(new Set(merged.addresses).size).toBe(merged.addresses.length)
      expect(merged.protocols.length).toBeLessThanOrEqual(8)
      expect(merged.domains.length).toBeLessThanOrEqual(16)
      expect(mergeProviders(merged, merged)).toEqual(merged)
    }))
  })
})
