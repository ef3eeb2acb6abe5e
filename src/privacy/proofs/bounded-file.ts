import { constants } from 'node:fs'
import { open } from 'node:fs/promises'

/** What is wrong with a file, or with the directory that it is in, in words; what else the system said, as it said it */
const PROBLEMS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'what should be a directory is a file',
  EISDIR: 'it is a directory',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the disk is full',
  EDQUOT: 'the quota is used up',
  EMFILE: 'too many files are open',
  ENAMETOOLONG: 'the name is too long',
  ELOOP: 'its links lead in a circle',
  ENXIO: 'it is not a file',
  EIO: 'the disk fails',
  ERR_INVALID_ARG_VALUE: 'this is no name of a file'
}

export function fileProblem (err: unknown): string {
  const { code = '', message } = err as NodeJS.ErrnoException
  return PROBLEMS[code] ?? message
}

/** There are more bytes than are read */
export class FileTooLargeError extends Error {
  static override name = 'FileTooLargeError'
  override name = 'FileTooLargeError'
}

/**
 * The bytes of a file of at most so many. Whatever else is there (a pipe, a
 * device, a file that grows) is not read to its end.
 */
export async function readBoundedFile (path: string, maxBytes: number, options: { signal?: AbortSignal } = {}): Promise<Uint8Array> {
  // without blocking: to open a pipe would wait for its writer, and no signal ends that
  const file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0))

  try {
    const info = await file.stat()
    if (!info.isFile()) {
      throw new Error('it is not a file')
    }
    if (info.size > maxBytes) {
      throw new FileTooLargeError(`it has ${info.size} bytes, and at most ${maxBytes} are read`)
    }
    const bytes = new Uint8Array(info.size)
    let length = 0

    while (length < bytes.byteLength) {
      options.signal?.throwIfAborted()
      const { bytesRead } = await file.read(bytes, length)
      if (bytesRead === 0) {
        break
      }
      length += bytesRead
    }
    return bytes.subarray(0, length)
  } finally {
    await file.close()
  }
}
