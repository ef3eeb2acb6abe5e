import { execFile } from 'node:child_process'
import { mkdtemp, rm, rmdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** A directory as it looks on a file system that is mounted for reading; needs Linux and root */
export interface ReadOnlyView {
  readonly path: string
  remove (): Promise<void>
}

export async function readOnlyView (of: string): Promise<ReadOnlyView> {
  const path = await mkdtemp(join(tmpdir(), 'portolan-read-only-'))
  const remove = async (): Promise<void> => {
    // lazily: what a failed test left open must not keep it mounted; the directory alone, for what it shows is somebody else's
    await run('umount', ['-l', path])
    await rmdir(path)
  }
  await run('mount', ['--bind', of, path])
  try {
    await run('mount', ['-o', 'remount,bind,ro', path])
  } catch (err) {
    await remove()
    throw err
  }
  return { path, remove }
}

/** Why there can be none here */
export async function noReadOnlyView (): Promise<string | undefined> {
  const of = await mkdtemp(join(tmpdir(), 'portolan-read-only-'))
  try {
    const view = await readOnlyView(of)
    await view.remove()
    return undefined
  } catch (err) {
    return `mounting a directory for reading failed: ${(err as Error).message}`
  } finally {
    await rm(of, { recursive: true })
  }
}
