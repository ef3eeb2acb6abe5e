import { ControlError, askNode } from './control-egress.ts'
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
    yield * this.#lines<ListedBlock>(await this.#ask('ls', 'GET', options), options)
  }

  async * verify (options: Options): AsyncGenerator<Checked> {
    yield * this.#lines<Checked>(await this.#ask('verify', 'POST', options), options)
  }

  async gc (options: WorkOptions): Promise<Collected> {
    return await this.#work<Collected>(await this.#ask('gc', 'POST', options), options)
  }

  async clear ({ authored, ...options }: WorkOptions & { authored: boolean }): Promise<Cleared> {
    return await this.#work<Cleared>(await this.#ask('clear', 'POST', options, { authored: String(authored) }), options)
  }

  /** How far it is, told line by line; the last one is what came of it */
  async #work<T> (response: Response, { signal, onProgress }: WorkOptions): Promise<T> {
    const lines = this.#lines<CacheProgress, T>(response, { signal })

    for (let line = await lines.next(); ; line = await lines.next()) {
      if (line.done === true) {
        return line.value
      }
      onProgress?.(line.value)
    }
  }

  async #ask (action: string, method: 'GET' | 'POST', { signal }: Options, query: Record<string, string> = {}): Promise<Response> {
    const response = await askNode(this.#node, `/api/cache/${action}`, query, ownNodeDisclosure(signal), { signal, method })
    if (response == null) {
      throw new NodeGoneError(this.#node)
    }
    return response
  }

  /** A line of JSON each; the last one says that it was the last, and perhaps what came of it */
  async * #lines<T, R = unknown> (response: Response, { signal }: Options): AsyncGenerator<T, R> {
    const decoder = new TextDecoder()
    let rest = ''
    try {
      for await (const chunk of (response.body ?? []) as unknown as AsyncIterable<Uint8Array>) {
        const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n')
        rest = lines.pop() ?? ''
        for (const line of lines) {
          const { done, ...value } = JSON.parse(line) as { done?: boolean }
          if (done === true) {
            return value as R
          }
          yield value as T
        }
      }
    } catch (err) {
      signal.throwIfAborted()
      throw err instanceof SyntaxError || err instanceof TypeError ? new ControlError(502, `the node broke off: ${err.message}`) : err
    }
    throw new ControlError(502, 'the node broke off in the middle of its answer; its log says why')
  }
}
