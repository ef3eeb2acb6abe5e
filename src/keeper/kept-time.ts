import type { Clock } from '../interface/clock.ts'

type BothClocks = Pick<Clock, 'now' | 'wall'>

/** Milliseconds: clocks of one machine differ by less between two runs */
export const MAX_SKEW = 60_000

/** The time of day of a monotonic time, as it is stored */
export function toWall (clock: BothClocks, at: number): number {
  return Math.round(clock.wall() - (clock.now() - at))
}

/**
 * The monotonic time of one that was stored; before the start of the process, most often
 *
 * @param unknown - age in ms of what is newer than now: a clock was set back, and nobody knows by how much
 */
export function fromWall (clock: BothClocks, wall: number, unknown: number): number {
  const age = clock.wall() - wall
  return clock.now() - (age < -MAX_SKEW ? unknown : Math.max(0, age))
}
