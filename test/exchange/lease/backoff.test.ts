import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../src/clock/random.ts'
import { Backoff } from '../../../src/exchange/lease/backoff.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'

function setup (init = {}): { clock: VirtualClock, backoff: Backoff } {
  const clock = new VirtualClock()
  return { clock, backoff: new Backoff({ clock, random: seededRandom(3) }, init) }
}

describe('what has failed', () => {
  it('is left alone for a pause that doubles up to a limit, half of it by chance', async () => {
    const { clock, backoff } = setup()

    for (const longest of [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000]) {
      expect(backoff.enter('a')).toBe(true)
      backoff.failed('a')
      const pause = backoff.wait('a')
      expect(pause).toBeGreaterThanOrEqual(longest / 2)
      expect(pause).toBeLessThanOrEqual(longest)
      expect(backoff.enter('a')).toBe(false)
      await clock.advance(pause)
    }
  })

  it('comes back half-open: one may try, the others when that has come to an end', async () => {
    const { clock, backoff } = setup()
    backoff.failed('a')
    await clock.advance(1_000)

    expect([backoff.enter('a'), backoff.enter('a'), backoff.wait('a')]).toEqual([true, false, Infinity])
    backoff.left('a')
    expect([backoff.enter('a'), backoff.enter('a')]).toEqual([true, false])
    backoff.succeeded('a')
    expect([backoff.enter('a'), backoff.enter('a'), backoff.size]).toEqual([true, true, 0])
  })

  it('is remembered within a limit, and a probe is never forgotten; nothing waits longer than the limit', () => {
    fc.assert(fc.property(fc.array(fc.tuple(fc.constantFrom('enter', 'failed', 'succeeded', 'left'), fc.nat(20), fc.nat(5_000)), { maxLength: 300 }), steps => {
      let now = 0
      const backoff = new Backoff({ clock: { now: () => now }, random: seededRandom(1) }, { maxRemembered: 8 })
      const trying = new Set<string>()

      for (const [step, n, ms] of steps) {
        const key = `k${n}`
        now += ms
        if (step === 'enter') {
          const before = backoff.wait(key)
          expect(backoff.enter(key)).toBe(before === 0)
          if (before === 0 && backoff.wait(key) === Infinity) {
            trying.add(key)
          }
        } else {
          backoff[step as 'failed' | 'succeeded' | 'left'](key)
          trying.delete(key)
        }
        for (const probe of trying) {
          expect(backoff.wait(probe)).toBe(Infinity)
        }
        const wait = backoff.wait(key)
        expect(wait === Infinity || wait <= 60_000).toBe(true)
        expect(backoff.size).toBeLessThanOrEqual(8 + trying.size)
      }
    }))
  })
})
