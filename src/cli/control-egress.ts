import { isNonce, newNonce, sameToken, tokenProof } from '../gateway/control-token.ts'
import type { ControlRecord } from './control-file.ts'
import type { Clock } from '../interface/clock.ts'
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

/** A node on this machine answers in a millisecond, a busy one in a second; a stranger on its port may say nothing */
const HELLO_TIMEOUT = 3000
/** A proof has 60 bytes; a stranger may send as many as it likes */
const MAX_HELLO = 1024
/** An error with the longest story; more is no text for a terminal */
const MAX_ERROR = 262_144

/**
 * Whether the program at the address of a record is the node that wrote it: it
 * must show that it knows the token, which is not sent. The record may be of a
 * node that was killed, and anybody may have its port by now.
 */
export async function isOwnNode (node: RunningNode, disclosure: Disclosure, options: { signal: AbortSignal, clock: Clock }): Promise<boolean> {
  using timeout = options.clock.timeout(HELLO_TIMEOUT)
  const signal = AbortSignal.any([options.signal, timeout.signal])
  const nonce = newNonce()
  const url = new URL('/api/hello', node.record.url)
  url.search = new URLSearchParams({ nonce }).toString()

  try {
    const response = await fetch(url, { redirect: 'error', signal })
    disclosure.sent()
    const proof = proofIn(await textOf(response, MAX_HELLO))
    return response.ok && proof != null && sameToken(proof, tokenProof(node.token, node.record.url, nonce))
  } catch (err) {
    disclosure.unknown()
    options.signal.throwIfAborted()
    if (timeout.signal.aborted || err instanceof TypeError) {
      // nobody there, not HTTP, a redirect, or silence: whatever it is, it is not our node
      return false
    }
    throw err
  }
}

/**
 * Asks the control endpoint of this user's running node, which has shown that
 * it is that. Nobody else hears of it.
 *
 * @returns undefined when nobody answers there: the node has just gone
 */
export async function askNode (node: RunningNode, path: string, query: Record<string, string>, disclosure: Disclosure, { signal, method = 'GET' }: { signal: AbortSignal, method?: 'GET' | 'POST' }): Promise<Response | undefined> {
  const url = new URL(path, node.record.url)
  url.search = new URLSearchParams(query).toString()
  let response: Response

  try {
    response = await fetch(url, { method, headers: { authorization: `Bearer ${node.token}` }, redirect: 'error', signal })
    disclosure.sent()
  } catch (err) {
    disclosure.unknown()
    signal.throwIfAborted()
    const code = (err as { cause?: { code?: string } }).cause?.code
    if (code === 'ECONNREFUSED' || code === 'ECONNRESET' || code === 'UND_ERR_SOCKET') {
      return undefined
    }
    throw err
  }
  // another node by now: ours would know its token
  if (response.status === 401 || response.status === 403) {
    await response.body?.cancel()
    return undefined
  }
  if (!response.ok) {
    throw new ControlError(response.status, withoutStatus(response.status, (await textOf(response, MAX_ERROR)).trim()))
  }
  return response
}

/** What a browser is shown begins with the number; without a node the same message has none */
function withoutStatus (status: number, text: string): string {
  return text.startsWith(`${status} `) ? text.slice(`${status} `.length) : text
}

/** The first bytes of an answer, as text */
async function textOf (response: Response, max: number): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  let left = max

  for await (const chunk of (response.body ?? []) as unknown as AsyncIterable<Uint8Array>) {
    text += decoder.decode(chunk.subarray(0, left), { stream: true })
    left -= chunk.byteLength
    if (left <= 0) {
      break
    }
  }
  return text + decoder.decode()
}

function proofIn (text: string): string | undefined {
  try {
    const { proof } = JSON.parse(text) as { proof?: unknown }
    return typeof proof === 'string' && isNonce(proof) ? proof : undefined
  } catch (err) {
    if (err instanceof SyntaxError || err instanceof TypeError) {
      // another program answers there, in its own words
      return undefined
    }
    throw err
  }
}
