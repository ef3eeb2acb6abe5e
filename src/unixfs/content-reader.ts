import { withOwnSignal } from '../clock/own-signal.ts'
import { locate } from './path.ts'
import { readUntil } from './read-file.ts'
import type { ReadFileOptions } from './read-file.ts'
import type { ContentReader } from '../interface/unixfs.ts'

/** The same for every file that it reads */
export type ContentReaderInit = Pick<ReadFileOptions, 'window' | 'windowBlocks' | 'budget' | 'clock'>

/**
 * Reads files by CID or path. A path that ends at a directory is `not-a-file`:
 * which index to show for it is the gateway's business.
 *
 * @example
 * ```ts
 * const read = contentReader()
 *
 * for await (const bytes of read('/ipfs/bafy…/readme.md', load)) {
 *   console.info(bytes)
 * }
 * ```
 */
export function contentReader (init: ContentReaderInit = {}): ContentReader {
  return (target, load, { offset, length, window = init.window, signal: outer } = {}) => withOwnSignal(async function * (signal) {
    const { cid, size } = await locate(target, load, { signal })

    yield * readUntil(signal, cid, load, { ...init, offset, length, window, dagSize: size })
  }, outer)
}
