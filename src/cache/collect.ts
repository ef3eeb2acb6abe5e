import { BlockTooLargeError } from '../interface/errors.ts'
import type { CID } from 'multiformats/cid'

/** The bytes of a block that is put in pieces; ends as soon as there are more than a block may have */
export async function collect (cid: CID, chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>, maxBlockSize: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  let size = 0

  for await (const chunk of chunks) {
    size += chunk.byteLength
    if (size > maxBlockSize) {
      throw new BlockTooLargeError(`The block ${cid} has more than ${maxBlockSize} bytes`)
    }
    parts.push(chunk)
  }
  const whole = new Uint8Array(size)
  let offset = 0

  for (const part of parts) {
    whole.set(part, offset)
    offset += part.byteLength
  }
  return whole
}

/** Begins to read when it is read */
export async function * lazily (read: () => Iterable<Uint8Array> | AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield * read()
}
