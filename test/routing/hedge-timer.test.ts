import { describe, expect, it } from 'vitest'
import { DEFAULT_HEDGE, HedgeBudget } from '../../src/routing/hedge-budget.ts'
import { HedgeTimer } from '../../src/routing/hedge-timer.ts'
import { LatencyWindow } from '../../src/routing/latency-window.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'
import type { RoutingEnvironment } from '../../src/routing/environment.ts'

describe('HedgeTimer', () => {
  it('leaves the last tokens to the read that has waited longest, although another one is due first', async () => {
    const hedge = { ...DEFAULT_HEDGE, share: 1, initial: 0, coldDelay: 120, blindDelay: 120 }
    const clock = new VirtualClock()
    const hedges = new HedgeBudget(hedge)
    const env = { clock, hedges, params: { hedge }, windows: { classes: [], all: new LatencyWindow() } } as unknown as RoutingEnvironment
    const paid: string[] = []
    const timer = (name: string): HedgeTimer => {
      const made: HedgeTimer = new HedgeTimer(env, () => undefined, () => {
        if (made.spend()) {
          paid.push(`${name} at ${clock.now()}`)
        }
      })
      made.arm()
      return made
    }

    // due at 120, 150, 180 and 210
    const patient = timer('patient')
    await clock.advance(65)
    // due at 185
    const hasty = timer('hasty')
    await clock.advance(118)
    hedges.earn()
    await clock.advance(27)
    expect(paid).toEqual(['patient at 210'])
    patient.stop()
    hasty.stop()
    expect(clock.pending).toBe(0)
  })

  it('keeps no read from a token beyond the reserve', async () => {
    const hedge = { ...DEFAULT_HEDGE, initial: DEFAULT_HEDGE.reserve + 1, coldDelay: 120, blindDelay: 120 }
    const clock = new VirtualClock()
    const env = { clock, hedges: new HedgeBudget(hedge), params: { hedge }, windows: { classes: [], all: new LatencyWindow() } } as unknown as RoutingEnvironment
    const timer = new HedgeTimer(env, () => undefined, () => {})
    timer.arm()
    await clock.advance(120)
    expect([timer.spend(), timer.spend()]).toEqual([true, false])
    timer.stop()
  })
})
