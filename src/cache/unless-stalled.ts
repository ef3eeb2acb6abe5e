import { raceSignal } from '../clock/race-signal.ts'
import { CacheDiskError } from '../interface/errors.ts'
import type { CacheParts } from './cache-parts.ts'

/** How often it is looked whether giving back space goes on, in ms */
const LOOK_INTERVAL = 5_000
/** How often in vain at most: syncing a segment on a slow disk is a few seconds */
const MAX_LOOKS = 6

/**
 * Work that gives back space, however long it takes, while it goes on. When the disk hangs the caller is told, and
 * need not have a signal for that; what is under way ends as soon as the disk answers.
 * It ends with the cache, too: once that is closing there is no disk to look at.
 */
export async function unlessStalled ({ clock, counts, disk, health }: Pick<CacheParts, 'clock' | 'counts' | 'disk' | 'health'>, signal: AbortSignal | undefined, work: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const stalled = new AbortController()
  // changes with whatever is removed, copied or given back
  const traces = (): string => {
    const { files, live, blocks } = disk.usage()
    return [files, live, blocks, counts.evicted, counts.deleted].join()
  }
  let seen = traces()
  let looks = 0
  const look = (): void => {
    const now = traces()
    looks = now === seen ? looks + 1 : 0
    seen = now
    if (looks < MAX_LOOKS) {
      cancel = clock.schedule(LOOK_INTERVAL, look)
    } else {
      const what = `giving back space has come no further for ${MAX_LOOKS * LOOK_INTERVAL} ms`
      health.slow(what, working)
      stalled.abort(new CacheDiskError(what))
    }
  }
  let cancel = clock.schedule(LOOK_INTERVAL, look)
  const any = AbortSignal.any([...signal == null ? [] : [signal], stalled.signal, health.closing])
  const working = work(any)

  try {
    await raceSignal(working, any)
  } finally {
    cancel()
  }
}
