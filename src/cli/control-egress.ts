import type { ControlRecord } from './control-file.ts'
import type { Disclosure } from '../interface/disclosure.ts'

/** The node did not do what it was asked; the message is its own */
export class ControlError extends Error {
  static override name = 'ControlError'
  override name = 'ControlError'
  readonly status: number

  constructor (status: number, message: string) {
    super(message)
    this.status = status
  }
}

export interface RunningNode {
  readonly record: ControlRecord
  readonly token: string
}

/**
 * Asks the control endpoint of this user's running node. Nobody else hears of
 * it: the record and the token lie in the user's own store directory.
 *
 * @returns undefined when nobody answers there: the node is gone, or was killed
 */
export async function askNode (node: RunningNode, path: string, query: Record<string, string>, disclosure: Disclosure, options: { signal: AbortSignal }): Promise<Response | undefined> {
  const url = new URL(path, node.record.url)
  url.search = new URLSearchParams(query).toString()
  let response: Response

  try {
    response = await fetch(url, { headers: { authorization: `Bearer ${node.token}` }, redirect: 'error', signal: options.signal })
    disclosure.sent()
  } catch (err) {
    disclosure.unknown()
    options.signal.throwIfAborted()
    const code = (err as { cause?: { code?: string } }).cause?.code
    if (code === 'ECONNREFUSED' || code === 'ECONNRESET' || code === 'UND_ERR_SOCKET') {
      return undefined
    }
    throw err
  }
  // another program has the port by now, or another node: ours would know its token
  if (response.status === 401 || response.status === 403) {
    await response.body?.cancel()
    return undefined
  }
  if (!response.ok) {
    throw new ControlError(response.status, (await response.text()).trim())
  }
  return response
}
