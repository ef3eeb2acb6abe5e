import { readdir, realpath, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { ClassicLevel } from 'classic-level'
import { CacheFormatError, CacheLockedError } from '../../interface/errors.ts'
import { holdDirectory } from './held-directories.ts'

/**
 * Node has no file locks of its own. A LevelDB takes one that the operating system
 * gives free when the process ends; nothing is ever kept in it.
 */
export async function lockDirectory (path: string): Promise<() => Promise<void>> {
  const real = await realpath(path)
  const release = await holdDirectory(real)

  if (release == null) {
    throw lockedError(path)
  }
  try {
    const unlock = await takeLock(real)
    return async () => {
      await unlock()
      release()
    }
  } catch (err) {
    release()
    throw explain(err, path)
  }
}

async function takeLock (path: string): Promise<() => Promise<void>> {
  try {
    return await openLock(path)
  } catch (err) {
    if (!isDamage(err)) {
      throw err
    }
  }
  // it had the lock when it found that out; what it would read says nothing
  for (const entry of await readdir(path, { withFileTypes: true })) {
    if (entry.isFile() && MADE_BY_IT.test(entry.name)) {
      await rm(join(path, entry.name), { force: true })
    }
  }
  return openLock(path)
}

async function openLock (path: string): Promise<() => Promise<void>> {
  const database = new ClassicLevel(path, { compression: false, writeBufferSize: 65_536, cacheSize: 0 })
  await database.open()
  return async () => database.close()
}

/** What everybody who takes the lock must find in its place */
const LOCK_FILE = 'LOCK'
/** All that LevelDB calls its files, but for LOCK: whatever else is there is somebody's, and in nobody's way */
const MADE_BY_IT = /^(CURRENT|LOG|LOG\.old|MANIFEST-\d+|\d+\.(log|ldb|sst|dbtmp))$/
const DAMAGE = /corruption|no such file|is a directory|not a directory|file name too long/i
/** The error of the system stands behind the file's name, unless that name has a zero in it, where LevelDB's text ends */
const CUT_SHORT = /^IO error: (?!.*: )/s

function isDamage (err: unknown): boolean {
  const cause = causeOf(err)
  return (cause as NodeJS.ErrnoException).code !== 'LEVEL_LOCKED' && cause instanceof Error && (DAMAGE.test(cause.message) || CUT_SHORT.test(cause.message))
}

function causeOf (err: unknown): unknown {
  return err instanceof Error && err.cause instanceof Error ? err.cause : err
}

function lockedError (path: string, cause?: unknown): CacheLockedError {
  return new CacheLockedError(`The cache is open already, in this process or another one: ${path} is locked`, { cause })
}

const NOT_A_FILE = /is a directory/i
/** The file that LevelDB speaks of */
const NAMED = /\/.*(?=: Is a directory)/i

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
    return lockedError(path, err)
  }
  if (NOT_A_FILE.test(cause.message)) {
    return new CacheFormatError(`${NAMED.exec(cause.message)?.[0] ?? join(path, LOCK_FILE)} is no file, so nothing that a cache has made: remove it`, { cause: err })
  }
  const [, code] = CODES.find(([text]) => text.test(cause.message)) ?? []
  return code == null ? cause : Object.assign(new Error(`The lock ${path} cannot be taken: ${code}: ${cause.message}`, { cause: err }), { code })
}
