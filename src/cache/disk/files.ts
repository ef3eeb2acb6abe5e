import * as fs from 'node:fs'
import { dirname, join } from 'node:path'
import { CacheFormatError } from '../../interface/errors.ts'
import { lockDirectory } from './directory-lock.ts'

/** For the owner alone: what somebody reads is nobody else's business */
const DIRECTORY_MODE = 0o700
const FILE_MODE = 0o600

/** One open file. Positions are always named, so that a failed operation leaves no cursor in the wrong place */
export interface CacheFile {
  /** @returns how many bytes came: fewer than asked for at the end of the file, or when the disk feels like it */
  read (target: Uint8Array, position: number): Promise<number>
  /** As `read`, before it returns: stops everything else until then */
  readNow? (target: Uint8Array, position: number): number
  /** @returns how many bytes went: possibly fewer than given */
  write (buffers: readonly Uint8Array[], position: number): Promise<number>
  /** As `write`, before it returns: stops everything else until then */
  writeNow? (bytes: Uint8Array, position: number): number
  truncate (length: number): Promise<void>
  /** What was written survives a loss of power */
  sync (): Promise<void>
  size (): Promise<number>
  close (): Promise<void>
}

/** `create` fails when the file exists; `edit` when it does not */
export type OpenMode = 'read' | 'create' | 'edit'

/** The file operations of the disk tier, and where tests put their faults. Errors are those of the system, with its `code` */
export interface CacheFiles {
  open (path: string, mode: OpenMode): Promise<CacheFile>
  /** Names in a directory; an error with code ENOENT when there is none */
  list (path: string): Promise<string[]>
  /** Of a file, in bytes */
  size (path: string): Promise<number>
  /** With those above it, as far as they are missing. A `CacheFormatError` where something else is in its place, also a link to one */
  makeDirectory (path: string): Promise<void>
  rename (from: string, to: string): Promise<void>
  /** A file that is not there is no error */
  remove (path: string): Promise<void>
  /** New and gone names in it survive a loss of power */
  syncDirectory (path: string): Promise<void>
  /**
   * A lock that the operating system gives free when the process ends, however that happens.
   *
   * @returns what gives it free
   */
  lock (path: string): Promise<() => Promise<void>>
}

const FLAGS: Readonly<Record<OpenMode, string>> = { read: 'r', create: 'wx+', edit: 'r+' }

/** The machine's own files */
export const nodeFiles: CacheFiles = {
  open: async (path, mode) => new Promise((resolve, reject) => {
    fs.open(path, FLAGS[mode], FILE_MODE, (err, descriptor) => {
      if (err == null) {
        resolve(new NodeFile(descriptor))
      } else {
        reject(err)
      }
    })
  }),
  list: async (path) => fs.promises.readdir(path),
  size: async (path) => {
    const stats = await fs.promises.lstat(path)
    // a link would lead out of the directory, and be cut off there; a pipe never ends
    if (!stats.isFile()) {
      throw notAFile(path)
    }
    return stats.size
  },
  makeDirectory,
  rename: async (from, to) => fs.promises.rename(from, to),
  remove,
  syncDirectory: async (path) => {
    // Windows cannot open a directory to sync it
    if (process.platform !== 'win32') {
      const directory = await fs.promises.open(path, 'r')
      try {
        await directory.sync()
      } finally {
        await directory.close()
      }
    }
  },
  lock: lockDirectory
}

async function remove (path: string): Promise<void> {
  try {
    await fs.promises.rm(path, { force: true })
  } catch (err) {
    throw errorCode(err) === 'ERR_FS_EISDIR' ? notAFile(path, err) : err
  }
}

function notAFile (path: string, cause?: unknown): CacheFormatError {
  return new CacheFormatError(`${path} is no file, so nothing that a cache has made: nothing was changed there; remove it`, { cause })
}

/** One by one: `recursive` of Node tries for ever where a directory cannot be made below one that exists, as in /proc */
async function makeDirectory (path: string): Promise<void> {
  const missing: string[] = []

  for (let at = path; !fs.existsSync(at) && dirname(at) !== at; at = dirname(at)) {
    missing.unshift(at)
  }
  for (const directory of missing) {
    try {
      await fs.promises.mkdir(directory, { mode: DIRECTORY_MODE })
    } catch (err) {
      if (errorCode(err) !== 'EEXIST') {
        throw err
      }
      // unless another process was faster
      if (directory !== path && !fs.existsSync(directory)) {
        throw new CacheFormatError(`${directory} is a link that leads nowhere: make the directory that it names, or remove it`, { cause: err })
      }
    }
  }
  const stats = await fs.promises.lstat(path)
  // files are removed there, and a link would lead to somebody else's
  if (!stats.isDirectory()) {
    throw new CacheFormatError(`${path} is no directory${stats.isSymbolicLink() ? ' but a link' : ''}, and a cache keeps files in one of that name: nothing was changed there; remove it, or choose another path for the cache`)
  }
}

/** Over the callbacks of node:fs: a `FileHandle` costs a third more per read of 1 KiB */
class NodeFile implements CacheFile {
  readonly #descriptor: number

  constructor (descriptor: number) {
    this.#descriptor = descriptor
  }

  async read (target: Uint8Array, position: number): Promise<number> {
    return new Promise((resolve, reject) => {
      fs.read(this.#descriptor, target, 0, target.byteLength, position, (err, bytes) => {
        if (err == null) {
          resolve(bytes)
        } else {
          reject(err)
        }
      })
    })
  }

  readNow (target: Uint8Array, position: number): number {
    return fs.readSync(this.#descriptor, target, 0, target.byteLength, position)
  }

  async write (buffers: readonly Uint8Array[], position: number): Promise<number> {
    return new Promise((resolve, reject) => {
      fs.writev(this.#descriptor, buffers, position, (err, bytes) => {
        if (err == null) {
          resolve(bytes)
        } else {
          reject(err)
        }
      })
    })
  }

  writeNow (bytes: Uint8Array, position: number): number {
    return fs.writeSync(this.#descriptor, bytes, 0, bytes.byteLength, position)
  }

  async truncate (length: number): Promise<void> {
    await settled(done => { fs.ftruncate(this.#descriptor, length, done) })
  }

  async sync (): Promise<void> {
    await settled(done => { fs.fdatasync(this.#descriptor, done) })
  }

  async size (): Promise<number> {
    return new Promise((resolve, reject) => {
      fs.fstat(this.#descriptor, (err, stats) => {
        if (err == null) {
          resolve(stats.size)
        } else {
          reject(err)
        }
      })
    })
  }

  async close (): Promise<void> {
    await settled(done => { fs.close(this.#descriptor, done) })
  }
}

async function settled (start: (done: (err: Error | null) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    start(err => {
      if (err == null) {
        resolve()
      } else {
        reject(err)
      }
    })
  })
}

/** The system's name for what went wrong */
export function errorCode (err: unknown): string | undefined {
  const code: unknown = (err as { code?: unknown } | null | undefined)?.code
  return typeof code === 'string' ? code : undefined
}

/** Fills the target as far as the file goes */
export async function readFully (file: CacheFile, target: Uint8Array, position: number): Promise<number> {
  let read = await file.read(target, position)

  while (read < target.byteLength) {
    const more = await file.read(target.subarray(read), position + read)
    if (more === 0) {
      break
    }
    read += more
  }
  return read
}

/** Everything, or an error; how much went in before it is in `progress` */
export async function writeFully (file: CacheFile, buffers: readonly Uint8Array[], position: number, progress?: { written: number }): Promise<void> {
  let rest = buffers
  let at = position

  while (rest.length > 0) {
    const wanted = rest.reduce((sum, buffer) => sum + buffer.byteLength, 0)
    if (wanted === 0) {
      return
    }
    const written = await file.write(rest, at)
    if (written === 0) {
      throw Object.assign(new Error('The disk takes no bytes'), { code: 'EIO' })
    }
    at += written
    if (progress != null) {
      progress.written += written
    }
    rest = written === wanted ? [] : after(rest, written)
  }
}

function after (buffers: readonly Uint8Array[], bytes: number): Uint8Array[] {
  const rest: Uint8Array[] = []
  let skip = bytes

  for (const buffer of buffers) {
    if (skip >= buffer.byteLength) {
      skip -= buffer.byteLength
    } else {
      rest.push(buffer.subarray(skip))
      skip = 0
    }
  }
  return rest
}

/** A whole file; undefined when there is none or it is longer than `maxBytes` */
export async function readWhole (files: CacheFiles, path: string, maxBytes: number): Promise<Uint8Array | undefined> {
  let file: CacheFile
  try {
    file = await files.open(path, 'read')
  } catch (err) {
    if (errorCode(err) === 'ENOENT') {
      return undefined
    }
    throw err
  }
  try {
    const size = await file.size()
    if (size > maxBytes) {
      return undefined
    }
    const bytes = new Uint8Array(Buffer.allocUnsafeSlow(size).buffer)
    return bytes.subarray(0, await readFully(file, bytes, 0))
  } finally {
    await file.close()
  }
}

/** Whole or not at all, also when the process ends in between; with `sync` when the power goes, too */
export async function writeWhole (files: CacheFiles, directory: string, name: string, bytes: Uint8Array, options: { sync?: boolean } = {}): Promise<void> {
  const beside = join(directory, `${name}${BESIDE}`)

  await files.remove(beside)
  const file = await files.open(beside, 'create')
  try {
    await writeFully(file, [bytes], 0)
    if (options.sync === true) {
      await file.sync()
    }
  } catch (err) {
    await file.close()
    await files.remove(beside)
    throw err
  }
  await file.close()
  await files.rename(beside, join(directory, name))
  if (options.sync === true) {
    await files.syncDirectory(directory)
  }
}

/** What half-made files end in; they are litter after a crash */
export const BESIDE = '.new'
