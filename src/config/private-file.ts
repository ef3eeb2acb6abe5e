import { constants } from 'node:fs'
import { mkdir, open, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { fileProblem } from '../privacy/proofs/bounded-file.ts'
import { StoreError } from './errors.ts'
import { storeProblem, toStoreError } from './store-problem.ts'

/** What others of this machine may do with a file: nothing */
const OTHERS = 0o077
/** No private file of ours is larger; more is not one of ours */
const MAX_SIZE = 65_536

function code (err: unknown): string | undefined {
  return (err as NodeJS.ErrnoException).code
}

/** Makes a directory for this user alone; one that exists stays as it is */
export async function privateDirectory (path: string): Promise<void> {
  try {
    await makeDirectories(path)
    if ((await stat(path)).isDirectory()) {
      return
    }
  } catch (err) {
    const why = code(err) === 'ENOENT' ? 'its file system does not let directories be made there' : storeProblem(err)?.what ?? (err as Error).message
    throw new StoreError(`the directory ${path} cannot be made: ${why}; choose another with --store DIR`, { cause: err })
  }
  throw new StoreError(`${path} is a file and not a directory; choose another with --store DIR`)
}

/** One by one: `recursive` of Node tries for ever where a directory cannot be made below one that exists, as in /proc */
async function makeDirectories (path: string): Promise<void> {
  const missing: string[] = []

  for (let at = path; !(await exists(at)); at = dirname(at)) {
    missing.unshift(at)
  }
  for (const directory of missing) {
    try {
      await mkdir(directory, { mode: 0o700 })
    } catch (err) {
      // another process was faster
      if (code(err) !== 'EEXIST') {
        throw err
      }
    }
  }
}

async function exists (path: string): Promise<boolean> {
  try {
    await stat(path)
    return true
  } catch (err) {
    if (code(err) === 'ENOENT' && dirname(path) !== path) {
      return false
    }
    throw err
  }
}

/**
 * Writes a file that only this user can read, whole or not at all: after a
 * crash there is the old one or the new one. One writer at a time (the store's
 * lock sees to it), so the name beside it is fixed and leaves no litter.
 */
export async function writePrivateFile (path: string, text: string): Promise<void> {
  try {
    await replaceFile(path, text)
  } catch (err) {
    throw toStoreError(err, path)
  }
}

async function replaceFile (path: string, text: string): Promise<void> {
  const beside = `${path}.new`

  await rm(beside, { force: true })
  const file = await open(beside, 'wx', 0o600)
  try {
    // the umask may have taken bits away, never added any; said again for file systems that ignore it
    await file.chmod(0o600)
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(beside, path)
  await syncDirectory(dirname(path))
}

/** Reads a private file; undefined when there is none. `loose` tells that others could have read it. */
export async function readPrivateFile (path: string): Promise<{ text: string, loose: boolean } | undefined> {
  let file
  try {
    // without blocking: to open a pipe that somebody put there would wait for its writer, and no signal ends that
    file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0))
  } catch (err) {
    if (code(err) === 'ENOENT') {
      return undefined
    }
    throw new StoreError(`${path} cannot be read: ${fileProblem(err)}`, { cause: err })
  }
  try {
    const info = await file.stat()
    const { mode, size } = info
    if (!info.isFile()) {
      throw new StoreError(`${path} is not a file: move it away`)
    }
    if (size > MAX_SIZE) {
      throw new StoreError(`${path} is ${size} bytes long, which is no file of ours`)
    }
    // Windows has no such bits: what it reports there says nothing
    return { text: await file.readFile('utf8'), loose: process.platform !== 'win32' && (mode & OTHERS) !== 0 }
  } finally {
    await file.close()
  }
}

async function syncDirectory (path: string): Promise<void> {
  // Windows cannot open a directory to sync it
  if (process.platform === 'win32') {
    return
  }
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}
