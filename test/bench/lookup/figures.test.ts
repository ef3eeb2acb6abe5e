import { CID } from 'multiformats/cid'
import { describe, expect, it } from 'vitest'
import { firsts, foundShare, quantile, row } from '../../../bench/lookup/figures.ts'
import type { Found } from '../../../bench/lookup/contestants.ts'
import type { Round } from '../../../bench/lookup/figures.ts'

const cid = CID.parse('bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy')

function found (providers: string[], closest: string[], first?: number, end = 100): Found {
  return { end, first, providers: new Set(providers), closest }
}

function looked (kadDht: Found, ours: Found): Round {
  return { cid, found: { kadDht, ours, oracle: ours }, closest: ['a', 'b', 'c'], providers: ['x', 'y'] }
}

describe('the share that we found', () => {
  it('is of what kad-dht found and is true', () => {
    expect(foundShare([looked(found(['x'], ['a', 'z']), found(['x'], ['a', 'b']))])).toBe(1)
  })

  it('is the worse of providers and nearest peers', () => {
    expect(foundShare([looked(found(['x', 'y'], ['a', 'b']), found(['x'], ['a', 'b']))])).toBe(0.5)
    expect(foundShare([looked(found(['x', 'y'], ['a', 'b', 'c']), found(['x', 'y'], ['a', 'b']))])).toBeCloseTo(2 / 3)
  })

  it('leaves the dead aside', () => {
    expect(foundShare([looked(found(['x', 'dead'], ['a']), found(['x'], ['a']))])).toBe(1)
  })

  it('is no number where kad-dht found nothing, and misses every bar', () => {
    expect(foundShare([looked(found([], []), found(['x'], ['a']))])).toBeNaN()
  })
})

describe('first providers', () => {
  it('are compared where kad-dht was told of one, and count as never where we were not', () => {
    const rounds = [looked(found(['x'], [], 50), found(['x'], [], 40)), looked(found(['x'], [], 60), found([], [])), looked(found([], []), found(['x'], [], 10))]
    expect(firsts(rounds, 'kadDht')).toEqual([50, 60])
    expect(firsts(rounds, 'ours')).toEqual([40, Infinity])
  })
})

describe('a row', () => {
  it('says who found what, against what is true', () => {
    const rounds = [looked(found([], []), found(['x'], ['a', 'b', 'z'], 40)), looked(found([], []), found(['x', 'y'], ['a'], 60, 200))]
    expect(row(rounds, 'ours', 30)).toMatchObject({
      who: 'ours',
      'end p50': 200,
      'nobody named': 0,
      'requests per lookup': 15,
      'providers found': 0.75,
      'closest found': 0.5
    })
    expect(row(rounds, 'kadDht', 30)).toMatchObject({ 'nobody named': 2, 'providers found': 0 })
  })

  it('takes quantiles of values in any order', () => {
    expect(quantile([30, 10, 20], 0.5)).toBe(20)
    expect(quantile([30, 10, 20], 0.9)).toBe(30)
    expect(quantile([], 0.5)).toBeNaN()
  })
})
