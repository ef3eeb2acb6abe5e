import { systemClock, waits } from '../../../src/clock/system-clock.ts'
import type { Clock } from '../../../src/interface/clock.ts'

/** The machine's time, whose timers come so many times sooner; deadlines, which are timers too, do not */
export function fastClock (times: number): Clock {
  return { ...systemClock, ...waits(systemClock.schedule), schedule: (ms, fn) => systemClock.schedule(ms / times, fn) }
}
