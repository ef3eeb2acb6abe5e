import { anySignal } from 'any-signal'
import { parseCID } from '../block/cid.ts'
import { processReadBudget } from '../block/read-budget.ts'
import { AdaptiveWindow } from '../block/read-window.ts'
import { NotRunningError } from '../interface/errors.ts'
import { ParsedHint } from '../provider/parsed-hint.ts'
import { prefetchWindow, SessionPrefetch } from './session-prefetch.ts'
import type { ContentRoutingComponents } from './components.ts'
import type { Provider, ProviderHint, ProviderId } from '../interface/provider.ts'
import type { RetrievalSession, RetrieveOptions, SessionOptions } from '../interface/routing.ts'
import type { CID } from 'multiformats/cid'

/** One for all sessions: every read of a file ends in a close, and an error's stack is dear */
const CLOSED = new NotRunningError('The session was closed')

/** Providers that may be named for one session: an application names a few, more are a leak and would all be asked before discovery */
export const MAX_SESSION_HINTS = 64

/** The share of a window that waits in a stream: 4 of 16 MiB, as of a file */
const STREAMED = 0.25

/** With less than the usual leaf a stream would stand still more than it runs */
const LEAST_STREAMED = 262_144

/** A whole step: every read that waits for a slot goes first, retries too */
const BEHIND_READS = 1

/** The least priority there is */
const LEAST_PRIORITY = -1e6

export interface SessionInit {
  readonly id: string
  readonly root: CID
  readonly options: SessionOptions
  readonly components: Pick<ContentRoutingComponents, 'clock' | 'store'>
  retrieve (cid: CID, options: RetrieveOptions): Promise<Uint8Array>
  stored (): Promise<void>
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
  readonly #prefetch?: SessionPrefetch

  constructor (init: SessionInit) {
    this.#init = init
    this.root = init.root

    for (const hint of init.options.providers ?? []) {
      this.addProvider(hint)
    }

    const window = prefetchWindow(init.options.prefetch)

    if (window != null && init.options.offline !== true) {
      this.#prefetch = this.#openPrefetch(window)
    }
  }

  get closed (): boolean {
    return this.#controller.signal.aborted
  }

  async retrieve (cid: CID, options: RetrieveOptions = {}): Promise<Uint8Array> {
    this.#controller.signal.throwIfAborted()
    const prefetch = this.#prefetchFor(options)

    if (prefetch == null) {
      return this.#retrieve(cid, options)
    }

    const wanted = parseCID(cid)
    const waiting = prefetch.asked(wanted, options.signal)
    const fits = waiting != null && waiting.byteLength <= (options.maxBlockSize ?? Infinity) && options.store !== true
    const bytes = fits ? waiting : await this.#retrieve(wanted, { part: prefetch.part(wanted), ...options })

    prefetch.read(wanted, bytes)
    return bytes
  }

  addProvider (hint: ProviderHint): void {
    const provider = this.#init.parseHint(hint)

    if (this.#hints.size < MAX_SESSION_HINTS || this.#hints.has(provider.id)) {
      this.#hints.set(provider.id, new ParsedHint(hint, provider))
    }
  }

  seen (cid: CID, bytes: Uint8Array, { signal }: { signal?: AbortSignal } = {}): void {
    if (!this.closed) {
      this.#init.seen(cid, bytes)
      this.#prefetch?.asked(cid, signal)
      this.#prefetch?.read(cid, bytes)
    }
  }

  async stored (): Promise<void> {
    await this.#init.stored()
  }

  close (): void {
    if (!this.closed) {
      this.#controller.abort(CLOSED)
      this.#prefetch?.close()
      this.#init.onClose()
    }
  }

  async #retrieve (cid: CID, options: RetrieveOptions): Promise<Uint8Array> {
    const { signal, ...rest } = options
    const { signal: _, providers: __, prefetch: ___, ...defaults } = this.#init.options
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

  /** None for reads that are not of the session's kind: nobody may learn of their links under other rules than theirs */
  #prefetchFor ({ offline, mode, purpose }: RetrieveOptions): SessionPrefetch | undefined {
    return offline === true || purpose === 'prefetch' || (mode != null && mode !== this.#init.options.mode) ? undefined : this.#prefetch
  }

  #openPrefetch (window: number): SessionPrefetch {
    const { components: { clock, store }, options, retrieve } = this.#init
    const { priority = 0 } = options
    const streamed = Math.floor(window * STREAMED)

    return new SessionPrefetch({
      window: new AdaptiveWindow({ clock, max: window - streamed }),
      budget: processReadBudget,
      keeps: options.store === false || store == null,
      has: async (cid, signal) => await store?.has(cid, { signal }) ?? false,
      whole: streamed < LEAST_STREAMED ? undefined : { cid: this.root, from: 0, to: Infinity, whole: true, window: streamed },
      fetch: async (cid, { signal, needed, part }) => retrieve(cid, {
        client: this.#init.id,
        ...pick(options),
        signal,
        needed,
        part,
        purpose: 'prefetch',
        priority: Math.max(LEAST_PRIORITY, priority - BEHIND_READS),
        providers: [...this.#hints.values()]
      })
    })
  }
}

/** What prefetches have of their session: not its progress, and never leave to ask again where nobody had it */
function pick ({ timeout, mode, client, maxBlockSize, store }: SessionOptions): RetrieveOptions {
  return Object.fromEntries(Object.entries({ timeout, mode, client, maxBlockSize, store }).filter(([, value]) => value != null))
}
