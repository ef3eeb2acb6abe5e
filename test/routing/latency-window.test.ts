import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { LatencyWindow, sizeClass } from '../../src/routing/latency-window.ts'

function windowOf (samples: readonly number[], size?: number): LatencyWindow {
  const window = new LatencyWindow(size)
  samples.forEach(sample => { window.add(sample) })
  return window
}

describe('LatencyWindow', () => {
  it('knows the quantiles of the last samples, and of no others', () => {
    fc.assert(fc.property(
      fc.array(fc.double({ min: 0, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 300 }),
      fc.integer({ min: 1, max: 100 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (samples, size, q) => {
        const window = windowOf(samples, size)
        const recent = samples.slice(-size).sort((a, b) => a - b)
        expect(window.count).toBe(recent.length)
        expect(window.quantile(q, 1)).toBe(recent[Math.min(recent.length - 1, Math.floor(q * recent.length))])
      }
    ))
  })

  it('says nothing while there are too few samples', () => {
    const window = windowOf(Array.from({ length: 9 }, (_, i) => i))
    expect(window.quantile(0.5)).toBeUndefined()
    expect(window.quantile(0.5, 10)).toBeUndefined()
    window.add(9)
    expect(window.quantile(0.5, 10)).toBe(5)
    expect(new LatencyWindow().quantile(0.5, 0)).toBeUndefined()
  })

  it('notices a new regime within a few samples of the question before', () => {
    const window = windowOf(Array.from({ length: 50 }, () => 10), 50)
    expect(window.quantile(0.9)).toBe(10)
    for (let i = 0; i < 16; i++) {
      window.add(1_000)
    }
    expect(window.quantile(0.9)).toBe(1_000)
    for (let i = 0; i < 50; i++) {
      window.add(20)
    }
    expect(window.quantile(0.99)).toBe(20)
  })

  it('takes no nonsense', () => {
    const window = windowOf([NaN, Infinity, -Infinity, -1])
    expect(window.count).toBe(0)
    window.add(3)
    expect(window.quantile(0.5, 1)).toBe(3)
  })
})

describe('sizeClass', () => {
  it('keeps small, usual and big blocks apart', () => {
    expect([0, 1_024, 32_768].map(sizeClass)).toEqual([0, 0, 0])
    expect([32_769, 262_144, 262_158, 393_216].map(sizeClass)).toEqual([1, 1, 1, 1])
    expect([393_217, 1_048_576, 2_097_152].map(sizeClass)).toEqual([2, 2, 2])
  })
})
