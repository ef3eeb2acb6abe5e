import { ControlError, askNode } from './control-egress.ts'
import { ownNodeDisclosure } from './own-request.ts'
import { DirectoryError, targetText } from './reader.ts'
import type { RunningNode } from './control-egress.ts'
import type { Explained, OpenFile, ReadOptions, Reader, Target } from './reader.ts'

/** The node that answered a moment ago does not any more */
export class NodeGoneError extends Error {
  static override name = 'NodeGoneError'
  override name = 'NodeGoneError'

  constructor ({ record }: RunningNode) {
    super(`nobody answers at ${record.url} any more: the node has just stopped; try again`)
  }
}

/** Reads through the node that `portolan serve` runs on the same store, once that has shown who it is */
export class RemoteReader implements Reader {
  readonly #node: RunningNode

  constructor (node: RunningNode) {
    this.#node = node
  }

  async open (target: Target, { signal }: ReadOptions): Promise<OpenFile> {
    let response: Response
    try {
      response = await this.#ask('/api/get', target, signal)
    } catch (err) {
      throw err instanceof ControlError && err.status === 409 ? new DirectoryError(target, entriesOf(err.message)) : err
    }
    const length = response.headers.get('content-length')
    return { size: length == null ? undefined : Number(length), bytes: this.#body(response, target, signal) }
  }

  async explain (target: Target, { signal, privacy: asksWho = false }: ReadOptions & { privacy?: boolean }): Promise<Explained> {
    const response = await this.#ask('/api/explain', target, signal, asksWho ? { privacy: '1' } : {})
    const { text, story, privacy, error } = await response.json() as Omit<Explained, 'error'> & { error?: { message: string } }
    return { text, story, privacy, error: error?.message }
  }

  async close (): Promise<void> {}

  async #ask (path: string, target: Target, signal: AbortSignal, query: Record<string, string> = {}): Promise<Response> {
    const response = await askNode(this.#node, path, { cid: targetText(target), ...query }, ownNodeDisclosure(signal), { signal })
    if (response == null) {
      throw new NodeGoneError(this.#node)
    }
    return response
  }

  async * #body (response: Response, target: Target, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    if (response.body == null) {
      return
    }
    try {
      yield * response.body as unknown as AsyncIterable<Uint8Array>
    } catch (err) {
      signal.throwIfAborted()
      // the node breaks the connection when a block is not to be had, since the answer had begun
      throw new Error(`the node broke off in the middle of ${targetText(target)}; its log says why`, { cause: err })
    }
  }
}

function entriesOf (json: string): string[] {
  const { entries } = JSON.parse(json) as { entries?: unknown }
  return Array.isArray(entries) ? entries.map(String) : []
}
