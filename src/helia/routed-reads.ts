import { withOwnSignal } from '../clock/own-signal.ts'
import { raceSignal } from '../clock/race-signal.ts'
import { InvalidOptionError, UnixFSError } from '../interface/errors.ts'
import { eachHint, retrieveOptions } from './read-options.ts'
import type { ReadOptions } from './read-options.ts'
import type { ComponentLogger } from '../interface/logger.ts'
import type { ContentRouting } from '../interface/routing.ts'
import type { BlockLoader, ContentReader, DirectoryEntry, ListOptions, UnixFSEntry } from '../interface/unixfs.ts'
import type { LsOptions, StatOptions, UnixFS, UnixFSComponents } from '@helia/unixfs'
import type { UnixFSDirectoryEntry } from 'ipfs-unixfs-exporter'
import type { CID } from 'multiformats/cid'

/** What the composition root puts in */
export interface RoutedReadsParts {
  /** `unixfs` of `@helia/unixfs` */
  unixfs (components: UnixFSComponents): UnixFS
  read: ContentReader
  list (cid: CID, load: BlockLoader, options?: ListOptions): AsyncGenerator<DirectoryEntry, void, undefined>
  stat (cid: CID, load: BlockLoader, options?: { signal?: AbortSignal }): Promise<UnixFSEntry>
  /** Follows a path to the CID at its end */
  locate (target: CID | string, load: BlockLoader, options?: { signal?: AbortSignal }): Promise<{ cid: CID }>
}

/**
 * `cat`, `ls` and `stat` of a filesystem through content routing: each call has
 * a session for its root, closed when the call ends or its reader leaves.
 */
export class RoutedReads implements Pick<UnixFS, 'cat' | 'ls' | 'stat'> {
  readonly #parts: RoutedReadsParts
  readonly #node: UnixFSComponents
  readonly #routing: Pick<ContentRouting, 'createSession'>
  readonly #logger: ComponentLogger
  // the overloads of UnixFS, told once
  readonly stat: UnixFS['stat']

  constructor (parts: RoutedReadsParts, node: UnixFSComponents, routing: Pick<ContentRouting, 'createSession'>, logger: ComponentLogger) {
    this.#parts = parts
    this.#node = node
    this.#routing = routing
    this.#logger = logger
    this.stat = this.#stat.bind(this) as UnixFS['stat']
  }

  cat (cid: CID, options: Parameters<UnixFS['cat']>[1] = {}): AsyncGenerator<Uint8Array, void, undefined> {
    const { offset, length, path } = options

    return this.#streaming(cid, options, (load, signal) => this.#parts.read(target(cid, path), load, { offset, length, signal }))
  }

  ls (cid: CID, options: LsOptions = {}): AsyncGenerator<UnixFSDirectoryEntry, void, undefined> {
    return this.#streaming(cid, options, (load, signal) => this.#list(cid, load, { ...options, signal }))
  }

  async * #list (root: CID, load: BlockLoader, { path, offset = 0, length, signal }: LsOptions): AsyncGenerator<UnixFSDirectoryEntry, void, undefined> {
    if (!isCount(offset) || !isCount(length ?? 0)) {
      throw new InvalidOptionError(`offset and length must be whole numbers from 0, got ${offset} and ${length}`)
    }

    const { cid } = await this.#parts.locate(target(root, path), load, { signal })
    const limit = length == null ? undefined : Math.min(offset + length, Number.MAX_SAFE_INTEGER)
    let index = 0

    try {
      for await (const { name, cid: entry, size } of this.#parts.list(cid, load, { signal, limit })) {
        if (index++ >= offset) {
          yield { cid: entry, name, path: `${cid}/${name}`, size: BigInt(size ?? 0) }
        }
      }
    } catch (err) {
      if (!(err instanceof UnixFSError && err.code === 'not-a-directory')) {
        throw err
      }

      // As in @helia/unixfs: a file lists itself
      const { size } = await this.#parts.stat(cid, load, { signal })
      yield { cid, name: cid.toString(), path: cid.toString(), size: BigInt(size ?? 0) }
    }
  }

  async #stat (root: CID, options: StatOptions = {}): Promise<unknown> {
    const { load, close } = this.#open(root, options)

    try {
      const { cid } = await this.#parts.locate(target(root, options.path), load, { signal: options.signal })
      const fs = this.#parts.unixfs({ blockstore: readingFrom(load, this.#node.blockstore) })

      return await fs.stat(cid, { ...options, path: undefined })
    } finally {
      close()
    }
  }

  #streaming<T> (root: CID, options: ReadOptions, start: (load: BlockLoader, signal: AbortSignal) => AsyncGenerator<T, void, undefined>): AsyncGenerator<T, void, undefined> {
    const open = this.#open.bind(this)

    return withOwnSignal(async function * (signal) {
      const { load, stored, close } = open(root, options)

      try {
        yield * start(load, signal)
        await raceSignal(stored(), signal)
      } finally {
        close()
      }
    }, options.signal)
  }

  #open (root: CID, options: ReadOptions): { load: BlockLoader, stored (): Promise<void>, close (): void } {
    const { offline = false, signal: outer } = options
    const session = this.#routing.createSession(root, { ...retrieveOptions(options, []), offline, store: true })

    eachHint(options.providers, hint => { session.addProvider(hint) }, this.#logger.forComponent('portolan:helia'))

    return {
      load: async (cid, { signal = outer, purpose, needed, part } = {}) => raceSignal(session.retrieve(cid, { signal, purpose, needed, part }), signal),
      stored: async () => session.stored?.(),
      close: () => { session.close() }
    }
  }
}

function readingFrom (load: BlockLoader, blockstore: UnixFSComponents['blockstore']): UnixFSComponents['blockstore'] {
  return {
    has: (cid, options) => blockstore.has(cid, options),
    put: (cid, bytes, options) => blockstore.put(cid, bytes, options),
    async * get (cid, options) { yield await load(cid, { signal: options?.signal }) }
  }
}

function target (cid: CID, path?: string): CID | string {
  return path == null || path === '' ? cid : `${cid}/${path}`
}

function isCount (value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0
}
