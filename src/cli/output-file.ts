import { once } from 'node:events'
import { open, realpath, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { fileProblem } from '../privacy/proofs/bounded-file.ts'
import type { FileHandle } from 'node:fs/promises'

/** The output cannot be written; nothing of it was left behind */
export class OutputError extends Error {
  static override name = 'OutputError'
  override name = 'OutputError'
}

/** Where bytes go: in order, and kept only when `commit` was reached */
export interface Sink {
  write (bytes: Uint8Array): Promise<void>
  commit (): Promise<void>
  /** Harmless after `commit` */
  abandon (): Promise<void>
}

/** Standard output: waits for whoever reads it */
export function streamSink (stream: NodeJS.WriteStream, signal: AbortSignal): Sink {
  return {
    async write (bytes) {
      signal.throwIfAborted()
      if (!stream.write(bytes)) {
        await once(stream, 'drain', { signal })
      }
    },
    async commit () {},
    async abandon () {}
  }
}

/**
 * A file that appears whole or not at all: written beside its place and moved
 * there at the end. What is no regular file (a device, a pipe) is written to
 * directly, since moving something over it would replace it.
 */
export async function fileSink (path: string): Promise<Sink> {
  const target = await resolveTarget(path)

  if (target.special) {
    const file = await openFile(target.path, path, 'w')
    return { write: async bytes => { await writeAll(file, bytes) }, commit: async () => { await file.close() }, abandon: async () => { await file.close() } }
  }

  const beside = join(dirname(target.path), `.${basename(target.path)}.${process.pid}.part`)
  const file = await openFile(beside, path, 'wx')
  let isOpen = true
  let committed = false
  return {
    async write (bytes) {
      await writeAll(file, bytes)
    },
    async commit () {
      await file.sync()
      isOpen = false
      await file.close()
      await rename(beside, target.path)
      committed = true
    },
    async abandon () {
      if (isOpen) {
        isOpen = false
        await file.close()
      }
      if (!committed) {
        await rm(beside, { force: true })
      }
    }
  }
}

async function resolveTarget (path: string): Promise<{ path: string, special: boolean }> {
  try {
    const info = await stat(path)
    if (info.isDirectory()) {
      throw new OutputError(`${path} is a directory; name a file in it`)
    }
    return { path: await realpath(path), special: !info.isFile() }
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code === 'ENOENT') {
      return { path, special: false }
    }
    throw toOutputError(err, path)
  }
}

async function openFile (path: string, shown: string, flags: string): Promise<FileHandle> {
  try {
    return await open(path, flags)
  } catch (err) {
    throw toOutputError(err, shown)
  }
}

async function writeAll (file: FileHandle, bytes: Uint8Array): Promise<void> {
  try {
    await file.writeFile(bytes)
  } catch (err) {
    throw toOutputError(err, 'the output')
  }
}

function toOutputError (err: unknown, path: string): OutputError {
  if (err instanceof OutputError) {
    return err
  }
  const why = (err as NodeJS.ErrnoException).code === 'ENOENT' ? 'its directory does not exist' : fileProblem(err)
  return new OutputError(`${path} cannot be written: ${why}`, { cause: err })
}
