import { describe, expect, it } from 'vitest'
import { FeedTimer } from '../../src/routing/feed-timer.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'

interface Watched {
  readonly clock: VirtualClock
  readonly timer: FeedTimer
  readonly late: string[]
  /** One block, in pieces of 10 kB, at so many bytes per ms */
  readonly bring: (bytes: number, pace: number) => Promise<void>
}

function watched (leastPace: (own: number) => number = () => 0): Watched {
  const clock = new VirtualClock()
  const late: string[] = []
  const timer = new FeedTimer({ clock, timeouts: { connect: 3_000, firstByte: 3_000, stall: 1_500 }, leastPace, onLate: outcome => { late.push(outcome) } })
  timer.phase('connected')
  timer.pull()
  timer.phase('first-byte')
  return {
    clock,
    timer,
    late,
    bring: async (bytes, pace) => {
      timer.pull()
      for (let at = 0; at < bytes; at += 10_000) {
        await clock.advance(10_000 / pace)
        timer.received(10_000)
      }
      timer.rest()
    }
  }
}

describe('how long bytes will take', () => {
  it('goes by the last second or two, whatever came before', async () => {
    const { timer, bring } = watched()
    await bring(10_000_000, 20_000)
    expect(timer.eta(200_000)).toBeCloseTo(10, 0)
    await bring(500_000, 200)
    expect(timer.eta(200_000)).toBeGreaterThan(900)
    await bring(20_000_000, 20_000)
    await bring(20_000_000, 20_000)
    expect(timer.eta(200_000)).toBeLessThan(20)
    timer.stop()
  })

  it('does not count the time that nobody waited', async () => {
    const { clock, timer, bring } = watched()
    await bring(1_000_000, 1_000)
    await clock.advance(60_000)
    expect(timer.eta(100_000)).toBeCloseTo(100, 0)
    timer.stop()
  })

  it('is beyond telling before anything came, and after a silence longer than it', async () => {
    const { clock, timer, bring } = watched()
    expect(timer.eta(1)).toBe(Infinity)
    await bring(1_000_000, 1_000)
    timer.pull()
    await clock.advance(1_400)
    expect(timer.eta(100_000)).toBe(Infinity)
    timer.stop()
  })
})

describe('a stream that has become slow', () => {
  it('is told what it once was: that is what it is measured by', async () => {
    const asked: number[] = []
    const { timer, late, bring } = watched(own => {
      asked.push(own)
      return own / 8
    })
    await bring(10_000_000, 5_000)
    expect(asked).toEqual([0])
    await bring(1_000_000, 200)
    expect(asked[1]).toBeGreaterThan(4_000)
    expect(late).toEqual(['cancelled'])
    timer.stop()
  })

  it('but not much is left as it is', async () => {
    const { timer, late, bring } = watched(own => own / 8)
    await bring(10_000_000, 5_000)
    await bring(10_000_000, 1_000)
    expect(late).toEqual([])
    timer.stop()
  })
})
