import { constants } from 'node:fs'
import { open } from 'node:fs/promises'

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
      throw new Error(`it has ${info.size} bytes, and at most ${maxBytes} are read`)
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
