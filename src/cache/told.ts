import { CustomProgressEvent } from 'progress-events'
import type { CacheProgress, CacheProgressEvents } from '../interface/cache.ts'
import type { Clock } from '../interface/clock.ts'
import type { Logger } from '../interface/logger.ts'
import type { ProgressOptions } from 'progress-events'

/** Between two words about how far something is, in ms: four a second look alive, and are few lines however large the cache is */
export const TELL_INTERVAL = 250

/** Tells how far some work is: at once, every `TELL_INTERVAL`, and when it is over */
export async function told<T> ({ clock, log }: { readonly clock: Clock, readonly log: Logger }, { onProgress }: ProgressOptions<CacheProgressEvents>, progress: () => CacheProgress, work: () => Promise<T>): Promise<T> {
  if (onProgress == null) {
    return work()
  }
  let cancel = (): void => {}
  const tell = (): void => {
    try {
      const now = progress()
      onProgress(new CustomProgressEvent(`portolan:cache:${now.phase}`, now))
    } catch (err) {
      // the work is not only for whoever looks on
      log.error('a progress callback threw - %e', err)
    }
  }
  const tick = (): void => {
    tell()
    cancel = clock.schedule(TELL_INTERVAL, tick)
  }
  tick()

  try {
    return await work()
  } finally {
    cancel()
    tell()
  }
}
