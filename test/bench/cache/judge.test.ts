import { describe, expect, it } from 'vitest'
import { judge } from '../../../bench/cache.ts'
import type { Comparison } from '../../../bench/cache/compare.ts'

function comparison (workload: string, LRU: number, ours: number, optimum: number, more: Partial<Comparison> = {}): Comparison {
  const percents = { LRU, SIEVE: 0, 'S3-FIFO': 0, GDSF: 40, ours }
  return { workload, sized: false, share: 0.1, objects: percents, bytes: percents, optimum, optimumBytes: optimum, ...more }
}

describe('the figures of the bench', () => {
  it('meanGap is the mean share of the gaps over three points, without those of traces with sizes', () => {
    const { ratios } = judge([
      comparison('a', 10, 15, 20),
      comparison('b', 10, 10, 20),
      comparison('no gap', 10, 13, 13),
      comparison('cdn-sized', 10, 20, 20, { sized: true })
    ])
    expect(ratios.meanGap).toBe(0.25)
  })

  it('worstVsLru is by how many points we are below LRU where it is worst', () => {
    expect(judge([comparison('a', 10, 15, 20), comparison('b', 12, 10, 20), comparison('c', 11, 10, 12)]).ratios.worstVsLru).toBe(2)
  })

  it('a trace with sizes has four ratios and four bars under its name', () => {
    const { ratios, bars } = judge([0.01, 0.1].map(share => comparison('cdn-sized', 50, 44, 60, { sized: true, share })))
    expect(ratios).toMatchObject({ cdn1: 1.1, cdnBytes1: 0.88, cdn10: 1.1, cdnBytes10: 0.88 })
    expect(bars).toMatchObject({ cdn1: { min: 1 }, cdnBytes1: { min: 0.98 }, cdn10: { min: 1 }, cdnBytes10: { min: 0.98 } })
    expect(Object.keys(judge([comparison('wiki_2019 b', 1, 1, 2, { sized: true })]).ratios)).toContain('wiki2019BBytes10')
  })

  it('what was not measured has neither ratio nor bar', () => {
    const { ratios, bars } = judge([comparison('a', 10, 10, 11)])
    expect(Object.keys(ratios)).toEqual(['worstVsLru'])
    expect(Object.keys(bars ?? {})).toEqual(['worstVsLru'])
  })

  it('every ratio is a number where nothing is ever hit', () => {
    const none = { LRU: 0, SIEVE: 0, 'S3-FIFO': 0, GDSF: 0, ours: 0 }
    const { ratios } = judge([comparison('x-sized', 0, 0, 0, { sized: true, objects: none, bytes: none })])
    expect(Object.values(ratios).every(Number.isFinite)).toBe(true)
  })
})
