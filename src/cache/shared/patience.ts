import type { Clock } from '../../interface/clock.ts'

/** Later than this a timer was held up by this process, and not by rounding */
const HELD_UP = 5

/**
 * Calls `fn` after `ms`. When this process was too busy to look at its timers in time it
 * has not looked at its sockets either: it does so first, so that nobody is blamed for that.
 */
export function patience (clock: Clock, ms: number, fn: () => void): () => void {
  const due = clock.now() + ms
  let cancel = clock.schedule(ms, () => {
    if (clock.now() - due < HELD_UP) {
      fn()
    } else {
      cancel = clock.schedule(1, fn)
    }
  })
  return () => { cancel() }
}
