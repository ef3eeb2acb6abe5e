import { askNode } from './control-egress.ts'
import { nodeLines, nodeWork } from './node-lines.ts'
import { ownNodeDisclosure } from './own-request.ts'
import { NodeGoneError } from './remote-reader.ts'
import type { RunningNode } from './control-egress.ts'
import type { BlockCache, CacheHealth, CacheKind, CacheProgress, CacheStats, CacheVerifyProgress } from '../interface/cache.ts'

export interface ListedBlock {
  readonly cid: string
  readonly size: number
  readonly kind: CacheKind
}

export interface Checked extends Omit<CacheVerifyProgress, 'damaged'> {
  readonly damaged: readonly string[]
}

export type ReportedStats = CacheStats & { health: CacheHealth }

interface Options {
  readonly signal: AbortSignal
}

interface WorkOptions extends Options {
  readonly onProgress?: (progress: CacheProgress) => void
}

export interface Collected {
  readonly evicted: number
  readonly freedBytes: number
}

export interface Cleared {
  readonly removed: number
  readonly freedBytes: number
}

/** What `portolan cache` does, wherever the cache is open */
export interface CacheTools {
  stats (options: Options): Promise<ReportedStats>
  ls (options: Options): AsyncIterable<ListedBlock>
  verify (options: Options): AsyncIterable<Checked>
  gc (options: WorkOptions): Promise<Collected>
  clear (options: WorkOptions & { authored: boolean }): Promise<Cleared>
}

/** A cache that this process has open */
export class OpenCache implements CacheTools {
  readonly #cache: BlockCache

  constructor (cache: BlockCache) {
    this.#cache = cache
  }

  async stats (): Promise<ReportedStats> {
    return { ...this.#cache.stats(), health: this.#cache.health() }
  }

  async * ls (options: Options): AsyncGenerator<ListedBlock> {
    for await (const { cid, size, kind } of this.#cache.ls(options)) {
      yield { cid: cid.toString(), size, kind }
    }
  }

  async * verify (options: Options): AsyncGenerator<Checked> {
    for await (const progress of this.#cache.verify(options)) {
      yield { ...progress, damaged: progress.damaged.map(String) }
    }
  }

  async gc ({ signal, onProgress }: WorkOptions): Promise<Collected> {
    return await this.#cache.gc({ signal, onProgress: ({ detail }) => { onProgress?.(detail) } })
  }

  async clear ({ signal, onProgress, authored }: WorkOptions & { authored: boolean }): Promise<Cleared> {
    return await this.#cache.clear({ signal, authored, onProgress: ({ detail }) => { onProgress?.(detail) } })
  }
}

/** A cache that the running node has open: nobody else may touch its directory */
export class RemoteCache implements CacheTools {
  readonly #node: RunningNode

  constructor (node: RunningNode) {
    this.#node = node
  }

  async stats (options: Options): Promise<ReportedStats> {
    return await (await this.#ask('stats', 'GET', options)).json() as ReportedStats
  }

  async * ls (options: Options): AsyncGenerator<ListedBlock> {
    yield * nodeLines<ListedBlock>(await this.#ask('ls', 'GET', options), options)
  }

  async * verify (options: Options): AsyncGenerator<Checked> {
    yield * nodeLines<Checked>(await this.#ask('verify', 'POST', options), options)
  }

  async gc (options: WorkOptions): Promise<Collected> {
    return await nodeWork<CacheProgress, Collected>(await this.#ask('gc', 'POST', options), options)
  }

  async clear ({ authored, ...options }: WorkOptions & { authored: boolean }): Promise<Cleared> {
    return await nodeWork<CacheProgress, Cleared>(await this.#ask('clear', 'POST', options, { authored: String(authored) }), options)
  }

  async #ask (action: string, method: 'GET' | 'POST', { signal }: Options, query: Record<string, string> = {}): Promise<Response> {
    const response = await askNode(this.#node, `/api/cache/${action}`, query, ownNodeDisclosure(signal), { signal, method })
    if (response == null) {
      throw new NodeGoneError(this.#node)
    }
    return response
  }
}
