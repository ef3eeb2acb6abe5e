import { describe, expect, it } from 'vitest'
import { Pace } from '../../src/clock/pace.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'

describe('Pace', () => {
  it('costs no time for a few, and keeps a flood at 800 a second', async () => {
    const clock = new VirtualClock()
    const pace = new Pace(clock)
    const { signal } = new AbortController()

    for (let i = 0; i < 15; i++) {
      await pace.step(signal)
    }
    expect(clock.now()).toBe(0)

    await clock.run((async () => {
      for (let i = 15; i < 1_600; i++) {
        await pace.step(signal)
      }
    })())
    expect(clock.now()).toBe(2_000)
  })

  it('ends with the signal, and leaves no timer', async () => {
    const clock = new VirtualClock()
    const pace = new Pace(clock)
    const controller = new AbortController()
    const flood = (async () => {
      for (;;) {
        await pace.step(controller.signal)
      }
    })()
    const ended = expect(flood).rejects.toThrow('enough')
    await clock.advance(1_000)
    controller.abort(new Error('enough'))
    await ended
    expect(clock.pending).toBe(0)
  })
})
