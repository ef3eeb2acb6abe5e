import { describe, expect, it } from 'vitest'
import { SkippedTime } from '../../../bench/refresh/skipped-time.ts'
import { systemClock } from '../../../src/clock/system-clock.ts'

const HOUR = 3_600_000

async function skipping<T> (work: (time: SkippedTime) => Promise<T>): Promise<T> {
  const time = new SkippedTime()
  time.install()

  try {
    return await time.until(work(time))
  } finally {
    time.uninstall()
  }
}

describe('time that is skipped', () => {
  it('goes by as all clocks and timers of the process have it', async () => {
    const real = performance.now()
    const [monotonic, wall, ours] = await skipping(async () => {
      const before = [performance.now(), Date.now(), systemClock.now()]
      await systemClock.sleep(3 * HOUR)
      return [performance.now(), Date.now(), systemClock.now()].map((now, i) => now - (before[i] as number))
    })
    expect([monotonic, wall, ours]).toEqual([3 * HOUR, 3 * HOUR, 3 * HOUR])
    expect(performance.now() - real).toBeLessThan(HOUR)
  })

  it('calls timers in their order, those that were set last among equals last', async () => {
    const order = await skipping(async () => {
      const called: string[] = []
      const at = (ms: number, name: string): void => { setTimeout(() => { called.push(`${name} ${Math.round(performance.now() - started)}`) }, ms) }
      const started = performance.now()
      at(300, 'c')
      at(100, 'a')
      at(300, 'd')
      at(200.9, 'b')
      clearTimeout(setTimeout(() => { called.push('never') }, 150))
      await systemClock.sleep(1_000)
      return called
    })
    expect(order).toEqual(['a 100', 'b 200', 'c 300', 'd 300'])
  })

  it('repeats what is to be repeated until it is cleared, and ends signals', async () => {
    const [times, signal] = await skipping(async () => {
      let calls = 0
      const timer = setInterval(() => {
        if (++calls === 7) {
          clearInterval(timer)
        }
      }, 60_000)
      const timeout = AbortSignal.timeout(HOUR)
      await systemClock.sleep(HOUR + 1)
      return [calls, timeout] as const
    })
    expect(times).toBe(7)
    expect(signal.reason).toMatchObject({ name: 'TimeoutError' })
  })

  it('waits for what is done without timers before it goes on', async () => {
    const at = await skipping(async time => {
      setTimeout(() => {}, HOUR)
      for (let i = 0; i < 50; i++) {
        await new Promise<void>(resolve => { setImmediate(resolve) })
        // asking a timer for nothing shows that there is work
        clearTimeout(setTimeout(() => {}, 2 * HOUR))
      }
      return time.now
    })
    expect(at).toBe(0)
  })

  it('says so when nothing is left that could happen, and leaves the clocks as they were', async () => {
    const { setTimeout: before, Date: { now } } = globalThis
    await expect(skipping(async () => new Promise(() => {}))).rejects.toThrow('Nothing is left')
    expect(setTimeout).toBe(before)
    expect(Date.now).toBe(now)
  })
})
