import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DelayedLine } from '../../../src/testing/memory/delayed-line.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'

describe('a delayed line', () => {
  it('delivers everything its delay later and in order, however much is under way', async () => {
    await fc.assert(fc.asyncProperty(
      fc.integer({ min: 0, max: 500 }),
      fc.array(fc.integer({ min: 0, max: 40 }), { minLength: 1, maxLength: 60 }),
      async (delay, gaps) => {
        const clock = new VirtualClock()
        const line = new DelayedLine(clock, delay)
        const sent: number[] = []
        const seen: Array<[number, number]> = []

        for (const [i, gap] of gaps.entries()) {
          await clock.advance(gap)
          sent.push(clock.now())
          line.send(() => { seen.push([i, clock.now()]) })
        }

        await clock.advance(delay)
        expect(seen.map(([i]) => i)).toEqual(gaps.map((_, i) => i))

        for (const [i, at] of seen) {
          // real timers may be a millisecond early, and a line takes along what is due within it
          expect(at - (sent[i] ?? 0)).toBeGreaterThanOrEqual(delay - 1)
          expect(at - (sent[i] ?? 0)).toBeLessThanOrEqual(delay)
        }

        expect(line.underWay).toBe(0)
        expect(clock.pending).toBe(0)
      }
    ), { numRuns: 50 })
  })

  it('sends from inside a delivery like any other', async () => {
    const clock = new VirtualClock()
    const line = new DelayedLine(clock, 10)
    const seen: number[] = []
    line.send(() => { line.send(() => { seen.push(clock.now()) }) })
    await clock.advance(30)
    expect(seen).toEqual([20])
  })

  it('loses what is under way when it is cut, and its timer with it', async () => {
    const clock = new VirtualClock()
    const line = new DelayedLine(clock, 10)
    let seen = 0
    line.send(() => { seen++ })
    line.cut()
    await clock.advance(100)
    expect([seen, line.underWay, clock.pending]).toEqual([0, 0, 0])
  })
})
