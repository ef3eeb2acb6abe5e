import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { LookupPlaces } from '../../src/routing/lookup-places.ts'
import type { Named } from '../../src/routing/lookup-places.ts'

function named (name: string, router = 'router', source = 'source'): Named {
  return { provider: { id: `http:${name}.example`, addresses: [], protocols: [], source: router, fallback: false, domains: [] }, source }
}

const ids = (released: readonly Named[]): string[] => released.map(({ provider }) => provider.id.slice(5, -8))

describe('LookupPlaces', () => {
  it('are a quarter for each at first, and the rest for those who named more, in turns', () => {
    const places = new LookupPlaces(8)
    expect(['a1', 'a2', 'a3', 'a4', 'a5'].map(name => places.offer(named(name, 'a')))).toEqual(['taken', 'taken', 'held', 'held', 'held'])
    expect(['b1', 'b2', 'b3', 'b4'].map(name => places.offer(named(name, 'b')))).toEqual(['taken', 'taken', 'held', 'held'])
    expect(ids(places.open())).toEqual(['a3', 'b3', 'a4', 'b4'])
    expect(places.offer(named('a6', 'a'))).toBe('surplus')
    expect(places.open()).toEqual([])
  })

  it('are sure to one that comes when the others have taken all', () => {
    const places = new LookupPlaces(8)
    for (let i = 0; i < 100; i++) {
      places.offer(named(`a${i}`, 'a'))
    }
    expect(places.open()).toHaveLength(6)
    expect(['b1', 'b2', 'b3'].map(name => places.offer(named(name, 'b')))).toEqual(['taken', 'taken', 'surplus'])
    // another source's router of the same name is another one
    expect(places.offer(named('c1', 'b', 'other'))).toBe('taken')
  })

  it('let a provider be named by several, and not for ever; one that names it over and over silences none of the others', () => {
    const places = new LookupPlaces(8)
    const times = (count: number, router: string): number => Array.from({ length: count }, () => places.offer(named('one', router))).filter(place => place === 'taken').length
    expect(times(100, 'liar')).toBe(8)
    expect(times(1, 'honest')).toBe(1)
    expect(times(100, 'other liar')).toBe(8)
    expect(times(100, 'third liar')).toBe(7)
    expect(times(100, 'fourth liar')).toBe(0)
  })

  it('are bounded, and no share is ever refused to one of the first voices', () => {
    fc.assert(fc.property(
      fc.integer({ min: 1, max: 40 }),
      fc.array(fc.oneof({ weight: 20, arbitrary: fc.tuple(fc.integer({ min: 0, max: 11 }), fc.integer({ min: 0, max: 60 })) }, { weight: 1, arbitrary: fc.constant('open' as const) }), { maxLength: 600 }),
      (max, steps) => {
        const places = new LookupPlaces(max)
        const share = Math.ceil(max / 4)
        const taken = new Map<string, Set<string>>()
        const all = new Set<string>()
        const take = ({ provider }: Named): void => {
          if (!all.has(provider.id)) {
            all.add(provider.id)
            taken.set(provider.source, (taken.get(provider.source) ?? new Set()).add(provider.id))
          }
        }

        for (const step of steps) {
          if (step === 'open') {
            places.open().forEach(take)
            continue
          }

          const [router, n] = step
          const one = named(`p${router}-${n}`, `r${router}`)
          const known = all.has(one.provider.id)
          const before = { all: all.size, own: taken.get(`r${router}`)?.size ?? 0 }
          const place = places.offer(one)

          if (place === 'taken') {
            take(one)
          }
          if (!known && before.own < share && before.all < 2 * max) {
            expect(place).toBe('taken')
          }
        }

        places.open().forEach(take)
        expect(all.size).toBeLessThanOrEqual(2 * max)
        // beyond the limit there is nothing but shares
        const beyond = [...taken.values()].reduce((sum, own) => sum + Math.max(0, own.size - share), 0)
        expect(beyond).toBeLessThanOrEqual(max)
      }
    ))
  })
})
