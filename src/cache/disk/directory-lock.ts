import { readdir, realpath, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { ClassicLevel } from 'classic-level'
import { CacheFormatError, CacheLockedError } from '../../interface/errors.ts'

/**
 * Node has no file locks of its own. A LevelDB takes one that the operating system
 * gives free when the process ends; nothing is ever kept in it.
 */
export async function lockDirectory (path: string): Promise<() => Promise<void>> {
  // within one process the system's lock tells nothing, and LevelDB knows its own ones by their paths
  const real = await realpath(path)

  try {
    return await openLock(real)
  } catch (err) {
    if (!isDamage(err)) {
      throw explain(err, path)
    }
  }
  // it had the lock when it found that out; what it would read says nothing
  for (const name of await readdir(real)) {
    if (name !== LOCK_FILE) {
      await rm(join(real, name), { recursive: true, force: true })
    }
  }
  try {
    return await openLock(real)
  } catch (err) {
    throw explain(err, path)
  }
}

async function openLock (path: string): Promise<() => Promise<void>> {
  const database = new ClassicLevel(path, { compression: false, writeBufferSize: 65_536, cacheSize: 0 })
  await database.open()
  return async () => database.close()
}

/** What everybody who takes the lock must find in its place */
const LOCK_FILE = 'LOCK'
const DAMAGE = /corruption|no such file|is a directory|file name too long/i

function isDamage (err: unknown): boolean {
  const cause = causeOf(err)
  return (cause as NodeJS.ErrnoException).code !== 'LEVEL_LOCKED' && cause instanceof Error && DAMAGE.test(cause.message)
}

function causeOf (err: unknown): unknown {
  return err instanceof Error && err.cause instanceof Error ? err.cause : err
}

const NOT_A_FILE = /is a directory/i

/** Of the system, by its text */
const CODES: ReadonlyArray<readonly [RegExp, string]> = [
  [/no space left on device|quota exceeded/i, 'ENOSPC'],
  [/read-only file system/i, 'EROFS'],
  [/too many open files/i, 'EMFILE'],
  [/permission denied/i, 'EACCES'],
  [/input\/output error/i, 'EIO']
]

/** LevelDB wraps its errors, and keeps only the text of the system's */
function explain (err: unknown, path: string): unknown {
  const cause = causeOf(err)

  if (!(cause instanceof Error)) {
    return err
  }
  if ((cause as NodeJS.ErrnoException).code === 'LEVEL_LOCKED') {
    return new CacheLockedError(`The cache is open already, in this process or another one: ${path} is locked`, { cause: err })
  }
  if (NOT_A_FILE.test(cause.message)) {
    return new CacheFormatError(`${join(path, LOCK_FILE)} is no file, so nothing that a cache has made: remove it`, { cause: err })
  }
  const [, code] = CODES.find(([text]) => text.test(cause.message)) ?? []
  return code == null ? cause : Object.assign(new Error(`The lock ${path} cannot be taken: ${code}: ${cause.message}`, { cause: err }), { code })
}
