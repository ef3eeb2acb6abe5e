import { BlockNotFoundWhileOfflineError, LoadBlockFailedError } from '@helia/utils'
import { anySignal } from 'any-signal'
import { CustomProgressEvent } from 'progress-events'
import { concat } from 'uint8arrays/concat'
import { raceSignal } from '../clock/race-signal.ts'
import { MAX_SESSION_HINTS } from '../routing/session.ts'
import { prefetchWindow } from '../routing/session-prefetch.ts'
import { NativeSession } from './native-session.ts'
import { readHints, retrieveOptions } from './read-options.ts'
import type { ContentRoutingReadOptions, HintParser, ReadOptions } from './read-options.ts'
import type { Logger } from '../interface/logger.ts'
import type { ProviderHint } from '../interface/provider.ts'
import type { ContentRouting, RetrievalSession, SessionOptions } from '../interface/routing.ts'
import type { Blocks, CreateSessionOptions, SessionBlockstore } from '@helia/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { Blockstore, InputPair, Pair } from 'interface-blockstore'
import type { CID } from 'multiformats/cid'

const RAW_CODE = 0x55

/** The node's side of a session: which way reads go at the moment */
export interface SessionHost {
  /** Content routing has the node */
  readonly active: boolean
  /** Changes whenever `active` does: the node's own sessions are bound to its brokers */
  readonly epoch: number
  /** Changes when the node restarts: sessions of content routing end with it */
  readonly generation: number
  /** A session as the node would have made it by itself; throws when its brokers know no sessions */
  nativeSession (root: CID, options?: CreateSessionOptions): SessionBlockstore
}

export interface SessionStoreComponents {
  readonly log: Logger
  readonly host: SessionHost
  /** Resolves when reads can be taken */
  running (): Promise<Pick<ContentRouting, 'createSession'>>
  parseHint: HintParser
  /** The user's store: no network, no lock */
  readonly store: Blockstore
  /** The store that announces what is put */
  readonly networked: Blocks
  announce (cid: CID): void
}

/** What `helia.blockstore.createSession` of a wrapped node understands beside Helia's own options */
export interface ContentRoutingSessionOptions extends CreateSessionOptions, ContentRoutingReadOptions, Pick<SessionOptions, 'prefetch'> {}

type Cleared = AbortSignal & { clear (): void }

/** With the signal of whoever reads, where the other one has that of the session in it, too */
type Read = ReadOptions & { reader?: AbortSignal }

/**
 * The session that a wrapped node gives out. Helia tells a session broker
 * neither the root nor what was found locally nor that the session was closed;
 * this one knows all three. When content routing is switched off it goes on
 * through a session of the node's own, and comes back when it is switched on.
 *
 * `minProviders` and `maxProviders` only mean something to the node's own
 * session: content routing asks as many as it needs. A signal given at creation
 * covers the creation, as in Helia.
 *
 * Prefetching is off unless the session was created with `prefetch`: those who follow
 * a path through a session must not fetch what lies beside it, and unchanged
 * `@helia/unixfs` asks for all blocks of a file by itself.
 */
export class RoutingSessionStore implements SessionBlockstore {
  readonly #components: SessionStoreComponents
  readonly #root: CID
  readonly #options: CreateSessionOptions & ReadOptions & Pick<SessionOptions, 'prefetch'>
  /** What comes ahead of the reader goes to the store by way of content routing, and so does what is read */
  readonly #prefetches: boolean
  readonly #native: NativeSession
  readonly #closed = new AbortController()
  readonly #peers: ProviderHint[]
  #session?: RetrievalSession
  #generation = 0

  constructor (components: SessionStoreComponents, root: CID, options: CreateSessionOptions & ReadOptions & Pick<SessionOptions, 'prefetch'> = {}) {
    options.signal?.throwIfAborted()
    this.#prefetches = prefetchWindow(options.prefetch) != null
    this.#components = components
    this.#root = root
    this.#options = { ...options, signal: undefined }
    this.#peers = readHints(options.providers, components.parseHint, components.log).slice(0, MAX_SESSION_HINTS)
    this.#native = new NativeSession(components, root, this.#options)
  }

  async * get (cid: CID, options: ReadOptions = {}): AsyncGenerator<Uint8Array> {
    const signal = this.#signal(options)

    try {
      if (this.#isNative(options)) {
        this.#leave()
        yield * this.#native.get(cid, { ...options, signal })
      } else {
        const read = { ...options, signal, reader: options.signal }
        yield await this.#local(cid, read) ?? await this.#fetch(cid, read)
      }
    } finally {
      signal.clear()
    }
  }

  async * getMany (cids: Iterable<CID> | AsyncIterable<CID>, options: ReadOptions = {}): AsyncGenerator<Pair> {
    for await (const cid of cids) {
      const chunks: Uint8Array[] = []
      for await (const chunk of this.get(cid, options)) {
        chunks.push(chunk)
      }
      yield { cid, bytes: (function * () { yield * chunks })() }
    }
  }

  async has (cid: CID, options: ReadOptions = {}): Promise<boolean> {
    return this.#during(options, async options => this.#components.networked.has(cid, options))
  }

  async put (cid: CID, bytes: Parameters<Blockstore['put']>[1], options: ReadOptions = {}): Promise<CID> {
    return this.#during(options, async options => this.#components.networked.put(cid, bytes, options))
  }

  async * putMany (blocks: Iterable<InputPair> | AsyncIterable<InputPair>, options: ReadOptions = {}): AsyncGenerator<CID> {
    yield * this.#through(options, options => this.#components.networked.putMany(blocks, options))
  }

  async delete (cid: CID, options: ReadOptions = {}): Promise<void> {
    await this.#during(options, async options => this.#components.networked.delete(cid, options))
  }

  async * deleteMany (cids: Iterable<CID> | AsyncIterable<CID>, options: ReadOptions = {}): AsyncGenerator<CID> {
    yield * this.#through(options, options => this.#components.networked.deleteMany(cids, options))
  }

  async * getAll (options: ReadOptions = {}): AsyncGenerator<Pair> {
    yield * this.#through(options, options => this.#components.networked.getAll(options))
  }

  async addPeer (peer: CID | Multiaddr | Multiaddr[], options: { signal?: AbortSignal } = {}): Promise<void> {
    const signal = this.#signal(options)

    try {
      for (const hint of readHints([peer], this.#components.parseHint, this.#components.log)) {
        if (this.#peers.length < MAX_SESSION_HINTS) {
          this.#peers.push(hint)
        }
        this.#session?.addProvider(hint)
      }
      await this.#native.addPeer(peer, { signal })
    } finally {
      signal.clear()
    }
  }

  close (): void {
    if (this.#closed.signal.aborted) {
      return
    }
    this.#closed.abort(new DOMException(`The session for ${this.#root} was closed`, 'AbortError'))
    this.#session?.close()
    this.#native.close()
  }

  async #fetch (cid: CID, options: Read): Promise<Uint8Array> {
    if (this.#isOffline(options)) {
      throw new BlockNotFoundWhileOfflineError(`${cid} is not in the blockstore and the session is offline, so it was not fetched`)
    }

    options.onProgress?.(new CustomProgressEvent('blocks:get:providers:get', cid))
    let bytes: Uint8Array

    try {
      const session = await this.#retrieval(options.signal)
      const hints = readHints(options.providers, this.#components.parseHint, this.#components.log)
      const read = retrieveOptions({ ...this.#options, ...options }, hints)
      bytes = await raceSignal(session.retrieve(cid, this.#prefetches ? { ...read, store: true, signal: options.reader } : read), options.signal)
    } catch (err) {
      // what a session of the node's own throws: callers branch on its name
      throw new LoadBlockFailedError([err as Error], `Failed to load block for ${cid} - ${(err as Error).message}`)
    }

    await this.#store(cid, bytes, options)
    return bytes
  }

  /** Content routing was switched off: what it wanted ahead is wanted no more */
  #leave (): void {
    if (this.#prefetches && !this.#components.host.active) {
      this.#session?.close()
      this.#session = undefined
    }
  }

  /** The block from the user's store; one that was evicted between `has` and `get` is fetched like any other */
  async #local (cid: CID, options: Read): Promise<Uint8Array | undefined> {
    const { store } = this.#components
    const { signal, onProgress } = options

    if (!await store.has(cid, { signal })) {
      return undefined
    }
    onProgress?.(new CustomProgressEvent('blocks:get:blockstore:get', cid))

    let bytes: Uint8Array
    try {
      bytes = await whole(store.get(cid, { signal }))
    } catch (err) {
      if ((err as Error).name === 'NotFoundError') {
        this.#components.log('%c was evicted while it was read', cid)
        return undefined
      }
      throw err
    }

    // a raw leaf has no links to tell about, but tells where the reader is
    if ((this.#prefetches || cid.code !== RAW_CODE) && !this.#isOffline(options)) {
      const session = this.#current()
      if (session == null) {
        await this.#tell(cid, bytes, options)
      } else {
        session.seen(cid, bytes, { signal: options.reader })
      }
    }
    return bytes
  }

  /** A store that is full or broken costs the reader nothing but the next fetch */
  async #store (cid: CID, bytes: Uint8Array, options: ReadOptions): Promise<void> {
    const { signal, onProgress } = options
    onProgress?.(new CustomProgressEvent('blocks:get:blockstore:put', cid))

    try {
      if (!this.#prefetches || !await this.#components.store.has(cid, { signal })) {
        await this.#components.store.put(cid, bytes, { signal })
      }
    } catch (err) {
      signal?.throwIfAborted()
      this.#components.log.error('could not store %c - %e', cid, err)
      return
    }
    onProgress?.(new CustomProgressEvent('blocks:get:providers:notify', cid))
    this.#components.announce(cid)
  }

  /** What was found locally has links that content routing should know; the read does not depend on it */
  async #tell (cid: CID, bytes: Uint8Array, { signal, reader }: Read): Promise<void> {
    try {
      (await this.#retrieval(signal)).seen(cid, bytes, { signal: reader })
    } catch (err) {
      signal?.throwIfAborted()
      this.#components.log.error('could not tell the session about %c - %e', cid, err)
    }
  }

  async #retrieval (signal: AbortSignal | undefined): Promise<RetrievalSession> {
    const routing = await raceSignal(this.#components.running(), signal)
    const current = this.#current()
    if (current != null) {
      return current
    }
    this.#session?.close()
    const options = retrieveOptions(this.#options, this.#peers)
    this.#session = routing.createSession(this.#root, this.#prefetches ? { ...options, store: true, prefetch: this.#options.prefetch } : options)
    this.#generation = this.#components.host.generation
    return this.#session
  }

  /** One session of content routing for as long as the node does not restart */
  #current (): RetrievalSession | undefined {
    return this.#generation === this.#components.host.generation ? this.#session : undefined
  }

  #isNative (options: ReadOptions): boolean {
    const { contentRouting = this.#options.contentRouting } = options
    return contentRouting === false || !this.#components.host.active
  }

  #isOffline (options: ReadOptions): boolean {
    return this.#options.offline === true || options.offline === true
  }

  #signal (options: { signal?: AbortSignal }): Cleared {
    this.#closed.signal.throwIfAborted()
    options.signal?.throwIfAborted()
    return anySignal([this.#closed.signal, options.signal])
  }

  async #during<T> (options: ReadOptions, act: (options: ReadOptions) => Promise<T>): Promise<T> {
    const signal = this.#signal(options)
    try {
      return await act({ ...options, signal })
    } finally {
      signal.clear()
    }
  }

  async * #through<T> (options: ReadOptions, act: (options: ReadOptions) => Iterable<T> | AsyncIterable<T>): AsyncGenerator<T> {
    const signal = this.#signal(options)
    try {
      yield * act({ ...options, signal })
    } finally {
      signal.clear()
    }
  }
}

/** Stores give a block in one piece, as a rule */
async function whole (chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  for await (const chunk of chunks) {
    parts.push(chunk)
  }
  return parts.length === 1 && parts[0] != null ? parts[0] : concat(parts)
}
