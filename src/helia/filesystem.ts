import { InvalidOptionError } from '../interface/errors.ts'
import { checkingNodes } from './checked-nodes.ts'
import { RoutedReads } from './routed-reads.ts'
import type { ContentRoutingReadOptions, ReadOptions } from './read-options.ts'
import type { RoutedReadsParts } from './routed-reads.ts'
import type { ComponentLogger } from '../interface/logger.ts'
import type { ContentRouting } from '../interface/routing.ts'
import type { AddFileOptions, CatOptions, UnixFS, UnixFSComponents } from '@helia/unixfs'
import type { CID } from 'multiformats/cid'

export interface FilesystemInit {
  /**
   * `true`: `cat`, `ls` and `stat` read through content routing, a window ahead
   * of the reader. `false`: everything is plain `@helia/unixfs`, and what the
   * node lacks is fetched by its own brokers. @default true
   */
  useContentRouting?: boolean
}

/** What `@helia/unixfs` can do, and text and JSON */
export interface Filesystem extends UnixFS {
  cat (cid: CID, options?: CatOptions & Omit<ContentRoutingReadOptions, 'contentRouting'>): AsyncIterable<Uint8Array>
  /** Adds a file that holds the text in UTF-8 */
  addString (text: string, options?: AddFileOptions): Promise<CID>
  /** Adds a file that holds the value as JSON text. For linked data use dag-json. */
  addJson (value: unknown, options?: AddFileOptions): Promise<CID>
}

/** The part of a node that a filesystem is made of */
export interface FilesystemNode extends UnixFSComponents {
  readonly logger: ComponentLogger
  readonly contentRouting?: Pick<ContentRouting, 'createSession'>
}

/**
 * A UnixFS over a wrapped node.
 *
 * @example
 * ```ts
 * const fs = getFilesystem(helia)
 * const cid = await fs.addString('hello')
 *
 * for await (const bytes of fs.cat(cid)) {
 *   console.info(bytes)
 * }
 * ```
 */
export type GetFilesystem = (helia: FilesystemNode, init?: FilesystemInit) => Filesystem

export function createFilesystem (parts: RoutedReadsParts): GetFilesystem {
  return (helia, { useContentRouting = true } = {}) => {
    if (typeof useContentRouting !== 'boolean') {
      throw new InvalidOptionError(`useContentRouting must be true or false, got ${String(useContentRouting)}`)
    }

    if (!useContentRouting) {
      const native = parts.unixfs({ blockstore: checkingNodes(pastContentRouting(helia.blockstore)) })
      return filesystem(native, native)
    }

    const { contentRouting } = helia

    if (contentRouting == null) {
      throw new InvalidOptionError('useContentRouting must be false for a node that is not wrapped: use withContentRouting first')
    }

    // Made once: a logger costs as much as a quarter of the read of a small block that is here already
    const log = helia.logger.forComponent('portolan:helia')

    return filesystem(parts.unixfs({ blockstore: checkingNodes(helia.blockstore) }), new RoutedReads(parts, helia, contentRouting, { forComponent: () => log }))
  }
}

/** The node's store, whose misses go to the node's own brokers */
function pastContentRouting (blockstore: UnixFSComponents['blockstore']): UnixFSComponents['blockstore'] {
  return {
    has: (cid, options) => blockstore.has(cid, options),
    put: (cid, bytes, options) => blockstore.put(cid, bytes, options),
    get: (cid, options) => {
      const past: ReadOptions = { ...options, contentRouting: false }
      return blockstore.get(cid, past)
    }
  }
}

function filesystem (fs: UnixFS, reads: Pick<UnixFS, 'cat' | 'ls' | 'stat'>): Filesystem {
  return {
    addAll: (source, options) => fs.addAll(source, options),
    addByteStream: async (bytes, options) => fs.addByteStream(bytes, options),
    addBytes: async (bytes, options) => fs.addBytes(bytes, options),
    addDirectory: async (directory, options) => fs.addDirectory(directory, options),
    addFile: async (file, options) => fs.addFile(file, options),
    addJson: async (value, options) => fs.addBytes(utf8(json(value)), options),
    addString: async (text, options) => fs.addBytes(utf8(text), options),
    cat: (cid, options) => reads.cat(cid, options),
    chmod: async (cid, mode, options) => fs.chmod(cid, mode, options),
    cp: async (source, target, name, options) => fs.cp(source, target, name, options),
    ls: (cid, options) => reads.ls(cid, options),
    mkdir: async (cid, name, options) => fs.mkdir(cid, name, options),
    rm: async (cid, path, options) => fs.rm(cid, path, options),
    stat: reads.stat.bind(reads),
    touch: async (cid, options) => fs.touch(cid, options)
  }
}

function utf8 (text: string): Uint8Array {
  if (typeof text !== 'string') {
    throw new InvalidOptionError(`text must be a string, got ${text === null ? 'null' : typeof text}`)
  }

  return new TextEncoder().encode(text)
}

function json (value: unknown): string {
  let text: string | undefined

  try {
    text = JSON.stringify(value)
  } catch (err) {
    // a circle, a BigInt, or what a toJSON throws
    throw new InvalidOptionError('value cannot be written as JSON', { cause: err })
  }

  if (text == null) {
    throw new InvalidOptionError(`value must be one that JSON has, got ${typeof value}`)
  }

  return text
}
