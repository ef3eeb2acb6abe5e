import { describe, expect, it } from 'vitest'
import { numbered, settled, world } from './support/world.ts'

describe('a transfer that stalls', () => {
  it('at an instant that is no whole number is given up too, not waited for without end', async () => {
    // sums of fractions are rounded: here the timer is over before the silence is
    let at = 0.24
    while (at + 1_500 - at >= 1_500) {
      at += 0.37
    }
    const w = await world({ routing: { hedge: { share: 0, initial: 0, shadowShare: 0 } } })
    w.network.add('stalling', { latency: at, stallsAfter: 0.5 })
    const { clock } = w
    const { schedule } = clock
    let timers = 0
    let spinning = false
    clock.schedule = (ms, fn) => {
      spinning ||= ++timers > 10_000
      return spinning ? () => {} : schedule.call(clock, ms, fn)
    }
    const reading = settled(w.manager.retrieve(w.network.block(numbered(1)), { timeout: 5_000 }))
    await clock.advance(6_000)
    expect(spinning).toBe(false)
    expect((await reading).error).toBeDefined()
    await w.manager.stop()
  })
})
