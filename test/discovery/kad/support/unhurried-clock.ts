import { systemClock, waits } from '../../../../src/clock/system-clock.ts'
import type { Clock } from '../../../../src/interface/clock.ts'

/** Goes so many times slower: what a busy machine holds up by a second is no silence then */
export function unhurriedClock (times: number): Clock {
  const schedule: Clock['schedule'] = (ms, fn) => systemClock.schedule(ms * times, fn)
  return { now: () => systemClock.now() / times, wall: () => systemClock.wall(), schedule, ...waits(schedule) }
}
