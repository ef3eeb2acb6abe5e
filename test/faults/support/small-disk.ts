import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** A disk of its own that can be filled; needs Linux and root */
export interface SmallDisk {
  readonly path: string
  remove (): Promise<void>
}

export async function smallDisk (bytes: number): Promise<SmallDisk> {
  const path = await mkdtemp(join(tmpdir(), 'portolan-disk-'))
  await run('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', path])
  return {
    path,
    remove: async () => {
      // lazily: what a failed test left open must not keep it mounted
      await run('umount', ['-l', path])
      await rm(path, { recursive: true })
    }
  }
}

/** Why there can be none here */
export async function noSmallDisk (): Promise<string | undefined> {
  try {
    const disk = await smallDisk(65_536)
    await disk.remove()
    return undefined
  } catch (err) {
    return `mounting a tmpfs failed: ${(err as Error).message}`
  }
}
