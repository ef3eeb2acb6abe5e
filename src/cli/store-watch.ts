import type { CacheHealth } from '../interface/cache.ts'
import type { Clock } from '../interface/clock.ts'

/** Soon enough for whoever watches the log, seldom enough to cost nothing */
const INTERVAL = 5000

export interface StoreWatchInit {
  readonly directory: string
  readonly clock: Clock
  /** Blocks that could not be stored so far */
  readonly failures: () => number
  readonly health: () => CacheHealth
  readonly warn: (text: string) => void
}

/**
 * Warns, once, when the first block could not be stored: reads go on, so
 * nobody else would say it.
 *
 * @returns ends the watch
 */
export function watchStore ({ directory, clock, failures, health, warn }: StoreWatchInit): () => void {
  let cancel = (): void => {}

  const look = (): void => {
    if (failures() > 0) {
      const why = health().reason ?? 'it is well again, or was too slow'
      warn(`a block that was read could not be stored in ${directory}: ${why}. Reads go on, and fetch such blocks again next time; portolan_cache_skipped_writes_total counts them. This is said once`)
    } else {
      cancel = clock.schedule(INTERVAL, look)
    }
  }
  cancel = clock.schedule(INTERVAL, look)
  return () => { cancel() }
}
