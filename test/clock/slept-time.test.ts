import { describe, expect, it } from 'vitest'
import { SLEPT, SleptTime } from '../../src/clock/slept-time.ts'

describe('slept time', () => {
  it('is what the wall clock is ahead by, once, and nothing where a clock was set by less', () => {
    const at = { now: 500, wall: 1_000_000 }
    const slept = new SleptTime({ now: () => at.now, wall: () => at.wall })

    at.now += 3_600_000
    at.wall += 3_600_000
    expect(slept.take()).toBe(0)
    at.wall += SLEPT
    expect([slept.take(), slept.take()]).toEqual([SLEPT, 0])
    at.wall += SLEPT - 1
    expect(slept.take()).toBe(0)
    at.wall -= 86_400_000
    expect(slept.take()).toBe(0)
  })
})
