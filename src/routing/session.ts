import { anySignal } from 'any-signal'
import { NotRunningError } from '../interface/errors.ts'
import { ParsedHint } from '../provider/parsed-hint.ts'
import type { Provider, ProviderHint, ProviderId } from '../interface/provider.ts'
import type { RetrievalSession, RetrieveOptions } from '../interface/routing.ts'
import type { CID } from 'multiformats/cid'

/** One for all sessions: every read of a file ends in a close, and an error's stack is dear */
const CLOSED = new NotRunningError('The session was closed')

/** Providers that may be named for one session: an application names a few, more are a leak and would all be asked before discovery */
export const MAX_SESSION_HINTS = 64

export interface SessionInit {
  readonly id: string
  readonly root: CID
  readonly options: RetrieveOptions
  retrieve (cid: CID, options: RetrieveOptions): Promise<Uint8Array>
  parseHint (hint: ProviderHint): Provider
  seen (cid: CID, bytes: Uint8Array): void
  onClose (): void
}

/**
 * Reads of one DAG. The providers live in the group of the root, which outlives
 * the session: nobody leaves it for losing a race or lacking a block.
 */
export class RoutingSession implements RetrievalSession {
  readonly root: CID
  readonly #init: SessionInit
  readonly #controller = new AbortController()
  /** By id: named once is enough. Read once, however many blocks are read. */
  readonly #hints = new Map<ProviderId, ParsedHint>()

  constructor (init: SessionInit) {
    this.#init = init
    this.root = init.root

    for (const hint of init.options.providers ?? []) {
      this.addProvider(hint)
    }
  }

  get closed (): boolean {
    return this.#controller.signal.aborted
  }

  async retrieve (cid: CID, options: RetrieveOptions = {}): Promise<Uint8Array> {
    this.#controller.signal.throwIfAborted()
    const { signal, ...rest } = options
    const { signal: _, providers: __, ...defaults } = this.#init.options
    const providers = [...this.#hints.values(), ...options.providers ?? []]
    const read = { client: this.#init.id, ...defaults, ...rest, ...(providers.length > 0 ? { providers } : {}) }

    if (signal == null) {
      return this.#init.retrieve(cid, { ...read, signal: this.#controller.signal })
    }

    // cleared, unlike AbortSignal.any: a long session would collect one listener per block
    const either = anySignal([signal, this.#controller.signal])

    try {
      return await this.#init.retrieve(cid, { ...read, signal: either })
    } finally {
      either.clear()
    }
  }

  addProvider (hint: ProviderHint): void {
    const provider = this.#init.parseHint(hint)

    if (this.#hints.size < MAX_SESSION_HINTS || this.#hints.has(provider.id)) {
      this.#hints.set(provider.id, new ParsedHint(hint, provider))
    }
  }

  seen (cid: CID, bytes: Uint8Array): void {
    if (!this.closed) {
      this.#init.seen(cid, bytes)
    }
  }

  close (): void {
    if (!this.closed) {
      this.#controller.abort(CLOSED)
      this.#init.onClose()
    }
  }
}
