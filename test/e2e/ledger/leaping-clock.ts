import { systemClock, waits } from '../../../src/clock/system-clock.ts'
import type { Clock } from '../../../src/interface/clock.ts'

interface Timer {
  at: number
  readonly fn: () => void
  cancel: () => void
}

export interface LeapingClock extends Clock {
  /** So many milliseconds are over at once: whatever was due in them happens now, in order */
  leap (ms: number): void
}

/** The machine's own time, which skips what nobody wants to wait for: a look at addresses once a minute */
export function leapingClock (): LeapingClock {
  const timers = new Set<Timer>()
  let skipped = 0

  const now = (): number => systemClock.now() + skipped
  const fire = (timer: Timer): void => {
    timers.delete(timer)
    timer.fn()
  }
  const wait = (timer: Timer): void => {
    timer.cancel = systemClock.schedule(Math.max(0, timer.at - now()), () => { fire(timer) })
  }
  const schedule: Clock['schedule'] = (ms, fn) => {
    const timer: Timer = { at: now() + ms, fn, cancel: () => {} }
    timers.add(timer)
    wait(timer)
    return () => {
      timer.cancel()
      timers.delete(timer)
    }
  }
  return {
    now,
    wall: () => systemClock.wall() + skipped,
    schedule,
    ...waits(schedule),
    leap (ms) {
      skipped += ms
      const due = [...timers].sort((a, b) => a.at - b.at)

      for (const timer of due) {
        // one that was due may have cancelled another
        if (timers.has(timer)) {
          timer.cancel()
          if (timer.at <= now()) {
            fire(timer)
          } else {
            wait(timer)
          }
        }
      }
    }
  }
}
