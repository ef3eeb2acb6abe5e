import { dirname } from 'node:path'
import { CacheLockedError } from '../../../../src/interface/errors.ts'
import type { CacheFile, CacheFiles, OpenMode } from '../../../../src/cache/disk/files.ts'

export type FileOperation = 'open' | 'list' | 'size' | 'makeDirectory' | 'rename' | 'remove' | 'syncDirectory' | 'lock' | 'read' | 'write' | 'truncate' | 'sync' | 'close'

interface Inode {
  bytes: Buffer
  /** What a loss of power would leave */
  synced: Buffer
}

export function systemError (code: string): Error {
  return Object.assign(new Error(`${code}: made by the test`), { code })
}

const CHANGES: ReadonlySet<FileOperation> = new Set(['open', 'rename', 'remove', 'write', 'truncate', 'sync', 'makeDirectory'])

/** Files in memory, which can be copied at any moment as a crash would leave them, and fail as told */
export class MemoryFiles implements CacheFiles {
  readonly inodes = new Map<string, Inode>()
  readonly directories = new Set<string>(['/'])
  readonly #locks = new Set<string>()
  readonly calls: FileOperation[] = []
  /** Called before whatever changes something */
  onChange?: () => void
  /** An error to throw, or how many bytes of a write or read go through, or what to wait for */
  fault?: (operation: FileOperation, path: string, bytes: number) => Error | number | Promise<void> | undefined
  openFiles = 0
  /** Writes that were made in the turn in which they were asked for */
  promptWrites = 0
  promptReads = 0

  /**
   * As a process that is killed now would leave it; with `power` as a machine would
   *
   * @param options.shared - what no file operation changes is there once, for tests of many images that overwrite nothing themselves
   */
  image (options: { power?: boolean, shared?: boolean } = {}): MemoryFiles {
    const copy = new MemoryFiles()
    for (const [path, { bytes, synced }] of this.inodes) {
      const kept = options.power === true ? synced : bytes
      const mine = options.shared === true ? kept : Buffer.from(kept)
      copy.inodes.set(path, { bytes: mine, synced: mine })
    }
    this.directories.forEach(path => copy.directories.add(path))
    return copy
  }

  paths (end: string): string[] {
    return [...this.inodes.keys()].filter(path => path.endsWith(end)).sort()
  }

  async open (path: string, mode: OpenMode): Promise<CacheFile> {
    await this.#enter('open', path, 0)
    let inode = this.inodes.get(path)
    if (mode === 'create') {
      if (inode != null) {
        throw systemError('EEXIST')
      }
      if (!this.directories.has(dirname(path))) {
        throw systemError('ENOENT')
      }
      this.inodes.set(path, inode = { bytes: Buffer.alloc(0), synced: Buffer.alloc(0) })
    }
    if (inode == null) {
      throw systemError('ENOENT')
    }
    this.openFiles++
    return this.#file(path, inode)
  }

  async list (path: string): Promise<string[]> {
    await this.#enter('list', path, 0)
    if (this.inodes.has(path)) {
      throw systemError('ENOTDIR')
    }
    if (!this.directories.has(path)) {
      throw systemError('ENOENT')
    }
    return [...this.inodes.keys(), ...this.directories].filter(each => each !== path && dirname(each) === path).map(each => each.slice(path === '/' ? 1 : path.length + 1))
  }

  async size (path: string): Promise<number> {
    await this.#enter('size', path, 0)
    const inode = this.inodes.get(path)
    if (inode == null) {
      throw systemError('ENOENT')
    }
    return inode.bytes.byteLength
  }

  async makeDirectory (path: string): Promise<void> {
    await this.#enter('makeDirectory', path, 0)
    for (let at = path; at !== '/'; at = dirname(at)) {
      this.directories.add(at)
    }
  }

  async rename (from: string, to: string): Promise<void> {
    await this.#enter('rename', from, 0)
    const inode = this.inodes.get(from)
    if (inode == null) {
      throw systemError('ENOENT')
    }
    this.inodes.delete(from)
    this.inodes.set(to, inode)
  }

  async remove (path: string): Promise<void> {
    await this.#enter('remove', path, 0)
    this.inodes.delete(path)
  }

  async syncDirectory (path: string): Promise<void> {
    await this.#enter('syncDirectory', path, 0)
  }

  async lock (path: string): Promise<() => Promise<void>> {
    await this.#enter('lock', path, 0)
    if (this.#locks.has(path)) {
      throw new CacheLockedError(`${path} is locked`)
    }
    this.#locks.add(path)
    return async () => { this.#locks.delete(path) }
  }

  /** @returns how many bytes go through */
  async #enter (operation: FileOperation, path: string, bytes: number): Promise<number> {
    // never in the turn in which it was asked for
    await Promise.resolve()
    this.calls.push(operation)
    if (CHANGES.has(operation)) {
      this.onChange?.()
    }
    const fault = this.fault?.(operation, path, bytes)
    if (fault instanceof Error) {
      throw fault
    }
    if (typeof fault === 'number') {
      return fault
    }
    await fault
    return bytes
  }

  #file (path: string, inode: Inode): CacheFile {
    let closed = false
    return {
      read: async (target, position) => {
        if (closed) {
          throw systemError('EBADF')
        }
        const most = await this.#enter('read', path, target.byteLength)
        return position >= inode.bytes.byteLength ? 0 : inode.bytes.copy(target, 0, position, position + Math.min(most, target.byteLength))
      },
      readNow: (target, position) => {
        this.calls.push('read')
        const fault = this.fault?.('read', path, target.byteLength)
        if (fault instanceof Error || fault instanceof Promise) {
          throw fault instanceof Error ? fault : systemError('EAGAIN')
        }
        this.promptReads++
        return position >= inode.bytes.byteLength ? 0 : inode.bytes.copy(target, 0, position, position + Math.min(fault ?? Infinity, target.byteLength))
      },
      write: async (buffers, position) => {
        // what is written is what was there when it was asked for, or a test would not see a buffer that is used again too early
        const all = Buffer.concat(buffers)
        const bytes = all.subarray(0, await this.#enter('write', path, all.byteLength))
        const half = Math.floor(bytes.byteLength / 2)

        put(inode, bytes.subarray(0, half), position)
        this.onChange?.()
        put(inode, bytes.subarray(half), position + half)
        return bytes.byteLength
      },
      writeNow: (given, position) => {
        this.calls.push('write')
        this.onChange?.()
        const fault = this.fault?.('write', path, given.byteLength)
        if (fault instanceof Error || fault instanceof Promise) {
          throw fault instanceof Error ? fault : systemError('EAGAIN')
        }
        const bytes = Buffer.from(given.subarray(0, fault ?? given.byteLength))
        const half = Math.floor(bytes.byteLength / 2)

        put(inode, bytes.subarray(0, half), position)
        this.onChange?.()
        put(inode, bytes.subarray(half), position + half)
        this.promptWrites++
        return bytes.byteLength
      },
      truncate: async length => {
        await this.#enter('truncate', path, 0)
        inode.bytes = Buffer.from(inode.bytes.subarray(0, length))
      },
      sync: async () => {
        await this.#enter('sync', path, 0)
        inode.synced = inode.bytes
      },
      size: async () => {
        await this.#enter('size', path, 0)
        return inode.bytes.byteLength
      },
      close: async () => {
        closed = true
        await this.#enter('close', path, 0)
        this.openFiles--
      }
    }
  }
}

/** Into a new buffer: images may have the old one */
function put (inode: Inode, bytes: Buffer, position: number): void {
  const next = Buffer.alloc(Math.max(inode.bytes.byteLength, position + bytes.byteLength))
  inode.bytes.copy(next)
  bytes.copy(next, position)
  inode.bytes = next
}
