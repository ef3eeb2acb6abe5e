import { ClassicLevel } from 'classic-level'
import { CacheLockedError } from '../../interface/errors.ts'

/**
 * Node has no file locks of its own. A LevelDB takes one that the operating system
 * gives free when the process ends; nothing is ever kept in it.
 */
export async function lockDirectory (path: string): Promise<() => Promise<void>> {
  const database = new ClassicLevel(path, { compression: false, writeBufferSize: 65_536, cacheSize: 0 })

  try {
    await database.open()
  } catch (err) {
    throw explain(err, path)
  }
  return async () => database.close()
}

const NO_SPACE = /no space left on device|quota exceeded/i
const READ_ONLY = /read-only file system/i

/** LevelDB wraps its errors, and keeps only the text of the system's */
function explain (err: unknown, path: string): unknown {
  const cause = err instanceof Error && err.cause instanceof Error ? err.cause : err

  if (!(cause instanceof Error)) {
    return err
  }
  if ((cause as NodeJS.ErrnoException).code === 'LEVEL_LOCKED') {
    return new CacheLockedError(`The cache is open already, in this process or another one: ${path} is locked`, { cause: err })
  }
  if (NO_SPACE.test(cause.message)) {
    return Object.assign(new Error(`The lock ${path} cannot be taken: ${cause.message}`, { cause: err }), { code: 'ENOSPC' })
  }
  if (READ_ONLY.test(cause.message)) {
    return Object.assign(new Error(`The lock ${path} cannot be taken: ${cause.message}`, { cause: err }), { code: 'EROFS' })
  }
  return cause
}
