import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DEFAULT_OUTAGE, OutageDetector } from '../../src/reputation/outage.ts'

const { window } = DEFAULT_OUTAGE

/** Everybody delivered once, long before */
function settled (count: number): { detector: OutageDetector, now: number } {
  const detector = new OutageDetector()
  for (let i = 0; i < count; i++) {
    detector.record(`p${i}`, 'delivered', 0, false)
  }
  return { detector, now: 10 * window }
}

describe('the outage detector', () => {
  it('freezes when most of those who used to deliver fail at once', () => {
    const { detector, now } = settled(8)
    expect([0, 1, 2, 3].map(i => detector.record(`p${i}`, 'failed', now + i, true))).toEqual([false, false, false, true])
    expect(detector.frozen).toBe(true)
  })

  it('thaws when one delivers, and needs new failures to freeze again', () => {
    const { detector, now } = settled(8)
    for (let i = 0; i < 7; i++) {
      detector.record(`p${i}`, 'failed', now, true)
    }
    expect(detector.record('p7', 'delivered', now + 1, true)).toBe(false)
    expect(detector.frozen).toBe(false)
    // what failed before the proof that our side works says nothing about what fails after it
    expect(detector.record('p0', 'failed', now + 2, true)).toBe(false)
  })

  it('does not freeze while enough of them answer', () => {
    const { detector, now } = settled(8)
    for (const i of [0, 1]) {
      detector.record(`p${i}`, 'delivered', now, true)
    }
    for (const i of [2, 3, 4, 5, 6]) {
      expect(detector.record(`p${i}`, 'failed', now, true)).toBe(false)
    }
  })

  it('an honest no counts as a sign of life, but does not make failures forgotten', () => {
    const { detector, now } = settled(8)
    for (let i = 0; i < 4; i++) {
      detector.record(`p${i}`, 'failed', now, true)
    }
    expect(detector.record('p4', 'answered', now, true)).toBe(true)
    expect(detector.record('p5', 'answered', now, true)).toBe(false)
  })

  it('does not freeze over failures that are far apart, or all of one provider', () => {
    const { detector, now } = settled(8)
    for (let i = 0; i < 8; i++) {
      expect(detector.record(`p${i}`, 'failed', now + i * window, true)).toBe(false)
    }
    for (let i = 0; i < 100; i++) {
      expect(detector.record('p0', 'failed', now + 100 * window, true)).toBe(false)
    }
  })

  it('is not fooled by the many who never delivered anything', () => {
    const { detector, now } = settled(3)
    for (let i = 0; i < 500; i++) {
      expect(detector.record(`stranger${i}`, 'failed', now + i, false)).toBe(false)
    }
  })

  it('before anybody has delivered, strangers are all the evidence there is', () => {
    const detector = new OutageDetector()
    for (let i = 0; i < 3; i++) {
      expect(detector.record(`p${i}`, 'failed', i, false)).toBe(false)
    }
    expect(detector.record('p3', 'failed', 3, false)).toBe(true)
    expect(detector.record('p4', 'delivered', 4, false)).toBe(false)
    expect(detector.record('p5', 'failed', 5, false)).toBe(false)
  })

  it('remembers a bounded number of providers', () => {
    const detector = new OutageDetector({ ...DEFAULT_OUTAGE, limit: 10 })
    fc.assert(fc.property(fc.array(fc.tuple(fc.nat(1_000), fc.boolean(), fc.boolean(), fc.nat(100)), { maxLength: 300 }), steps => {
      for (const [id, bad, proven, now] of steps) {
        detector.record(`${id}`, bad ? 'failed' : 'delivered', now, proven)
        expect(detector.size).toBeLessThanOrEqual(10)
      }
    }))
  })
})
