import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { madeUpPeer } from './support/peers.ts'
import { seededRandom } from '../../../src/clock/random.ts'
import { Namings } from '../../../src/discovery/kad/namings.ts'
import type { KadPeer } from '../../../src/discovery/kad/kad-client.ts'

const provider = madeUpPeer(seededRandom(1))
const at = (...addresses: string[]): KadPeer => ({ ...provider, addresses })
const made = (i: number): KadPeer => at(...Array.from({ length: 8 }, (_, port) => `/ip4/203.0.113.${i}/tcp/${port}`))

describe('what is told of a provider', () => {
  it('is passed on when it is new: the provider, and then its addresses', () => {
    const namings = new Namings()

    expect(namings.heard(at(), ['a'])).toEqual(at())
    expect(namings.heard(at(), ['b'])).toBeUndefined()
    expect(namings.heard(at('x', 'y'), ['b'])).toEqual(at('x', 'y'))
    expect(namings.heard(at('y', 'z'), ['c'])).toEqual(at('z'))
    expect(namings.heard(at('x', 'y', 'z'), ['d'])).toBeUndefined()
  })

  it('by many of one network is one naming', () => {
    const namings = new Namings()
    const heard = Array.from({ length: 10 }, (_, i) => namings.heard(made(i), ['evil']))

    expect(heard.filter(naming => naming != null)).toEqual([made(0)])
    expect(namings.heard(at('true'), ['honest'])).toEqual(at('true'))
  })

  it('of those whom nobody else named is a few of each network first, and the others in turns behind them', () => {
    const namings = new Namings()
    const some = (count: number, seed: number): KadPeer[] => Array.from({ length: count }, () => madeUpPeer(seededRandom(seed++)))
    const [evil, more, bare, honest] = [some(100, 100), some(100, 300), some(3, 500), some(4, 600)]

    expect(namings.answered(evil, 'liar', ['evil'])).toEqual(evil.slice(0, 2))
    expect(namings.answered(more, 'another liar', ['evil'])).toEqual([])
    expect(namings.answered(bare, 'without a network', [])).toEqual(bare.slice(0, 2))
    expect(namings.answered(honest, 'honest', ['honest'])).toEqual(honest.slice(0, 2))
    // somebody else names one of those who were held
    expect(namings.answered([honest[2] as KadPeer], 'too', ['too'])).toEqual([honest[2]])
    expect(namings.rest().slice(0, 4)).toEqual([evil[2], bare[2], evil[3], honest[3]])
    expect(namings.rest()).toEqual([])
  })

  it('is held for all, however many say however much', () => {
    const namings = new Namings()
    const named = Array.from({ length: 30 }, (_, i) => namings.answered(Array.from({ length: 100 }, (_, j) => ({ ...provider, id: `${i} ${j}` })), `${i}`, [])).flat()
    const last = { ...provider, id: 'the last' }
    expect(named).toHaveLength(60)
    namings.answered([{ ...provider, id: 'a' }, { ...provider, id: 'b' }, last], 'honest', [])

    const rest = namings.rest()
    expect(rest.length).toBe(1_000 - 62)
    expect(rest).toContainEqual(last)
  })

  it('is passed on when two of different networks say it, however many came before them', () => {
    const namings = new Namings()
    const first = Array.from({ length: 6 }, (_, i) => namings.heard(made(i), [`evil ${i}`]))

    expect(first.filter(naming => naming != null)).toHaveLength(4)
    expect(namings.heard(at('true'), ['honest', 'also honest'])).toBeUndefined()
    expect(namings.heard(at('true'), ['also honest'])).toBeUndefined()
    expect(namings.heard(at('true', 'other'), ['another'])).toEqual(at('true'))
    expect(namings.heard(at('true', 'other'), ['fourth'])).toEqual(at('other'))
    expect(namings.heard(at('true', 'other'), ['fifth'])).toBeUndefined()
  })

  it('is at most eight namings and a thousand providers, no address twice', () => {
    const random = seededRandom(3)
    const some = Array.from({ length: 3 }, () => madeUpPeer(random))
    fc.assert(fc.property(fc.array(fc.tuple(fc.nat(2), fc.array(fc.nat(40), { maxLength: 8 }), fc.nat(12)), { maxLength: 200 }), all => {
      const namings = new Namings()
      const passed = new Map<string, string[]>()
      const times = new Map<string, number>()

      for (const [i, addresses, network] of all) {
        const { id } = some[i] as KadPeer
        const heard = namings.heard({ ...some[i] as KadPeer, addresses: [...new Set(addresses)].map(String) }, [`${network}`])

        if (heard != null) {
          passed.set(id, [...passed.get(id) ?? [], ...heard.addresses])
          times.set(id, (times.get(id) ?? 0) + Math.sign(heard.addresses.length))
        }
      }

      for (const [id, addresses] of passed) {
        expect(new Set(addresses).size).toBe(addresses.length)
        expect(times.get(id)).toBeLessThanOrEqual(8)
      }
    }))

    const namings = new Namings()
    const many = Array.from({ length: 1_200 }, (_, i) => namings.heard({ ...provider, id: `${i}` }, []))
    expect(many.filter(naming => naming != null)).toHaveLength(1_000)
  })
})
