import { describe, expect, it } from 'vitest'
import { missed, renderTable, verdict } from '../../bench/table.ts'

describe('the table of a bench', () => {
  it('holds values against their bars, both ends included', () => {
    expect(verdict(1.5, { max: 1.5 })).toBe('ok')
    expect(verdict(1.51, { max: 1.5 })).toBe('MISSED')
    expect(verdict(1, { min: 1, max: 2 })).toBe('ok')
    expect(verdict(0.9, { min: 1 })).toBe('MISSED')
    expect(verdict(5, undefined)).toBe('')
    expect([verdict(31.99, { below: 32 }), verdict(32, { below: 32 }), verdict(Infinity, { min: 1 })]).toEqual(['ok', 'MISSED', 'ok'])
  })

  it('counts what is absent or no number as missed', () => {
    expect(verdict(undefined, { max: 1 })).toBe('MISSED')
    expect(verdict(NaN, { max: 1 })).toBe('MISSED')
    expect(missed({ ratios: { a: 1, b: 3 }, absolute: {}, bars: { a: { max: 2 }, b: { max: 2 }, c: { min: 0 } } })).toEqual(['b', 'c'])
  })

  it('shows every ratio, bar and absolute figure', () => {
    const table = renderTable({ ratios: { fast: 0.51234567 }, absolute: { runs: 3, note: 'warm' }, bars: { fast: { max: 1 }, gone: { min: 1, max: 2 } } })
    expect(table.split('\n').map(line => line.trim().split(/\s{2,}/))).toEqual([
      ['ratios', 'value', 'bar'],
      ['fast', '0.5123', '<= 1', 'ok'],
      ['gone', 'absent', '>= 1, <= 2', 'MISSED'],
      [''],
      ['absolute'],
      ['runs', '3'],
      ['note', 'warm']
    ])
  })

  it('shows records as a table of its own, numbers of a column alike', () => {
    const table = renderTable({
      ratios: {},
      absolute: { hits: [{ name: 'a', percent: 5, share: 0.5, runs: 1 }, { name: 'long', percent: 12.345, share: -0.001, runs: 20, more: 'x' }], list: [1, 2], none: [] }
    })
    expect(table).toBe([
      'ratios  value  bar',
      '',
      'absolute',
      '  list    [1,2]',
      '  none    []',
      '',
      'hits',
      '  name  percent  share  runs  more',
      '  a         5.0   0.50     1',
      '  long     12.3   0.00    20  x'
    ].join('\n'))
  })
})
