import { withOwnSignal } from '../clock/own-signal.ts'
import { locate } from './path.ts'
import { readFile } from './read-file.ts'
import type { ReadFileOptions } from './read-file.ts'
import type { ContentReader } from '../interface/unixfs.ts'

export type ContentReaderInit = Pick<ReadFileOptions, 'window' | 'windowBlocks'>

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
  return (target, load, { offset, length, signal: outer } = {}) => withOwnSignal(async function * (signal) {
    const { cid, size } = await locate(target, load, { signal })

    yield * readFile(cid, load, { ...init, offset, length, signal, dagSize: size })
  }, outer)
}
