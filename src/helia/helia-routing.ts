import type { Lifecycle, RunnableContentRouting } from './lifecycle.ts'
import type { AnnounceOptions } from '../interface/announce.ts'
import type { Story } from '../interface/errors.ts'
import type { ReadableLedger } from '../interface/ledger.ts'
import type { ContentRouting, RetrievalSession, RetrieveContentOptions, RetrieveOptions, SessionOptions } from '../interface/routing.ts'
import type { ContentRoutingStats } from '../interface/stats.ts'
import type { CID } from 'multiformats/cid'

/** `helia.contentRouting` */
export interface HeliaContentRouting extends ContentRouting {
  /** Whether the node's reads go through content routing while it runs */
  readonly enabled: boolean
  /** Who learnt what; absent where nobody writes it down, or somebody else's ledger only can */
  readonly ledger?: ReadableLedger
  /** Takes over the node's reads again, open sessions included. Works at any time. */
  enable (): void
  /** Gives the node back as it was, open sessions included; reads in flight finish on the way they are on. Works at any time. */
  disable (): void
}

export interface HeliaRoutingComponents {
  readonly lifecycle: Lifecycle
  readonly routing: RunnableContentRouting
  readonly enabled: boolean
  switched (on: boolean): void
  /** Called before a read: brokers may have come while content routing did not have the node */
  adopt (): void
}

/** Content routing as the user of a wrapped node holds it: there at once, usable while the node runs, also when it is disabled */
export class HeliaRouting implements HeliaContentRouting {
  readonly #components: HeliaRoutingComponents
  #enabled: boolean

  constructor (components: HeliaRoutingComponents) {
    this.#components = components
    this.#enabled = components.enabled
  }

  get enabled (): boolean {
    return this.#enabled
  }

  get ledger (): ReadableLedger | undefined {
    return this.#components.routing.ledger
  }

  enable (): void {
    this.#enabled = true
    this.#components.switched(true)
  }

  disable (): void {
    this.#enabled = false
    this.#components.switched(false)
  }

  async retrieve (cid: CID, options?: RetrieveOptions): Promise<Uint8Array> {
    return (await this.#running()).retrieve(cid, options)
  }

  async * retrieveContent (target: CID | string, options?: RetrieveContentOptions): AsyncGenerator<Uint8Array, void, undefined> {
    yield * (await this.#running()).retrieveContent(target, options)
  }

  createSession (root: CID, options?: SessionOptions): RetrievalSession {
    const routing = this.#components.lifecycle.require()
    this.#components.adopt()
    return routing.createSession(root, options)
  }

  async announce (cids: CID | Iterable<CID> | AsyncIterable<CID>, options?: AnnounceOptions): Promise<void> {
    await (await this.#components.lifecycle.running()).announce(cids, options)
  }

  async cancel (cids: CID | Iterable<CID> | AsyncIterable<CID>, options?: { signal?: AbortSignal }): Promise<void> {
    await (await this.#components.lifecycle.running()).cancel(cids, options)
  }

  /** Also before start and after stop: what is remembered does not need the network */
  explain (cid: CID): Story | undefined {
    return this.#components.routing.explain(cid)
  }

  stats (): ContentRoutingStats {
    return this.#components.routing.stats()
  }

  async #running (): Promise<RunnableContentRouting> {
    const routing = await this.#components.lifecycle.running()
    this.#components.adopt()
    return routing
  }
}
