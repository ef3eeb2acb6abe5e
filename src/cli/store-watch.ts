import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { writePrivateFile } from '../config/private-file.ts'
import type { Clock } from '../interface/clock.ts'

/** Soon enough for whoever watches the log, seldom enough to cost nothing */
const INTERVAL = 5000
const PROBE = 'probe'

export interface StoreWatchInit {
  readonly directory: string
  readonly clock: Clock
  /** Blocks that could not be stored so far */
  readonly failures: () => number
  readonly warn: (text: string) => void
}

/**
 * Warns, once, when the first block could not be stored: reads go on, so
 * nobody else would say it.
 *
 * @returns ends the watch
 */
export function watchStore ({ directory, clock, failures, warn }: StoreWatchInit): () => void {
  let cancel = (): void => {}

  const tell = async (): Promise<void> => {
    const why = await problemOf(directory)
    warn(`a block that was read could not be stored in ${directory}: ${why}. Reads go on, and fetch such blocks again next time; portolan_cache_skipped_writes_total counts them. This is said once`)
  }
  const look = (): void => {
    if (failures() > 0) {
      void tell()
    } else {
      cancel = clock.schedule(INTERVAL, look)
    }
  }
  cancel = clock.schedule(INTERVAL, look)
  return () => { cancel() }
}

/** What a small write to the same directory meets */
async function problemOf (directory: string): Promise<string> {
  const path = join(directory, PROBE)
  try {
    await writePrivateFile(path, 'can this be written?\n')
    return 'it is well again, or too slow'
  } catch (err) {
    return (err as Error).message
  } finally {
    await Promise.allSettled([path, `${path}.new`].map(async left => { await rm(left, { force: true }) }))
  }
}
