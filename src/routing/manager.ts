import { blockKey } from '../block/key.ts'
import { parseCID } from '../block/cid.ts'
import { ParsedHint } from '../provider/parsed-hint.ts'
import { BlockTooLargeError, NotFoundError, NotRunningError, OfflineError, RetrievalFailedError } from '../interface/errors.ts'
import { Announcer } from './announcer.ts'
import { eachCID } from './each-cid.ts'
import { readContent } from './content.ts'
import { Experience } from './experience.ts'
import { DagFeeds } from './feeds.ts'
import { describeProviders, routingFigures } from './figures.ts'
import { Flight } from './flight.ts'
import { Flights, flightId } from './flights.ts'
import { LocalCopies } from './local-copies.ts'
import { routingEnvironment } from './environment.ts'
import { routingMetrics } from './metrics.ts'
import { NegativeCache } from './negative-cache.ts'
import { checkRetrieveOptions, routingParams } from './params.ts'
import { OpenSessions } from './open-sessions.ts'
import { RoutingSession } from './session.ts'
import { SessionReads } from './session-reads.ts'
import { Stories } from './stories.ts'
import { tell } from './tell.ts'
import { missMessage } from './verdict.ts'
import type { ProviderGroup } from './provider-group.ts'
import type { ContentRoutingComponents } from './components.ts'
import type { RoutingEnvironment } from './environment.ts'
import type { RoutingFigures } from './figures.ts'
import type { ContentRoutingInit, RoutingParams } from './params.ts'
import type { AnnounceOptions } from '../interface/announce.ts'
import type { PrivacyMode } from '../interface/disclosure.ts'
import type { BlockKey, Provider, ProviderHint } from '../interface/provider.ts'
import type { Explanation } from './story.ts'
import type { Want } from '../interface/request.ts'
import type { ContentRoutingStats } from '../interface/stats.ts'
import type { ContentRouting, RetrievalSession, RetrieveContentOptions, RetrieveOptions, SessionOptions, WantedPart } from '../interface/routing.ts'
import type { CID } from 'multiformats/cid'

export type { ContentRoutingComponents } from './components.ts'
export type { ContentRoutingInit } from './params.ts'

/**
 * Selects providers and fetches blocks on a cache miss. Works over any set of
 * provider sources and block fetchers: on a Helia node, or on bare libp2p.
 */
export class ContentRoutingManager implements ContentRouting {
  readonly #components: ContentRoutingComponents
  readonly #params: RoutingParams
  readonly #env: RoutingEnvironment
  readonly #flights = new Flights()
  readonly #negative: NegativeCache
  readonly #stories: Stories
  readonly #sessions = new OpenSessions()
  readonly #feeds: DagFeeds
  readonly #announcer: Announcer
  readonly #experience: Experience
  readonly #copies?: LocalCopies
  #running = false
  #metered = false
  #sequence = 0

  constructor (components: ContentRoutingComponents, init: ContentRoutingInit = {}) {
    const params = routingParams(init)
    this.#components = components
    this.#params = params
    this.#negative = new NegativeCache(params.negative)
    this.#stories = new Stories(components.clock, params.stories)
    this.#env = routingEnvironment(components, params)
    this.#feeds = new DagFeeds(this.#env, components.ledger, {
      onBlock: (root, { cid, bytes }) => { this.#env.affinity.linkBlock(root, cid, bytes) },
      tell: (root, what, provider) => { this.#stories.tell(root, 'stream', what, provider) }
    })
    this.#experience = new Experience({ ...components, affinity: this.#env.affinity })
    this.#copies = components.store == null ? undefined : new LocalCopies(this.#env, components.store)
    this.#announcer = new Announcer({ clock: components.clock, ledger: components.ledger, log: this.#env.log, provide: components.provide, together: components.together, withdraw: components.withdraw, mayAnnounce: components.mayAnnounce })
  }

  get running (): boolean {
    return this.#running
  }

  async start (): Promise<void> {
    if (this.#running) {
      return
    }

    this.#running = true
    this.#announcer.start()
    this.#feeds.start()
    await this.#experience.start()

    if (this.#components.metrics != null && !this.#metered) {
      // registered once: a restart goes on counting
      this.#metered = true
      routingMetrics(this.#components.metrics, { now: () => this.#env.clock.now(), snapshot: () => this.#figures() })
    }
  }

  async stop (): Promise<void> {
    if (!this.#running) {
      return
    }

    this.#running = false
    const why = new NotRunningError('Content routing was stopped')
    this.#sessions.close()
    this.#feeds.stop()
    for (const flight of this.#flights.all()) {
      flight.stop(why)
    }
    for (const end of [...this.#env.background]) {
      end()
    }

    await this.#copies?.settled()
    await this.#announcer.stop()
    await this.#experience.stop()
  }

  async retrieve (target: CID, options: RetrieveOptions = {}): Promise<Uint8Array> {
    return this.#retrieve(target, options)
  }

  retrieveContent (target: CID | string, options: RetrieveContentOptions = {}): AsyncGenerator<Uint8Array, void, undefined> {
    const { reader } = this.#components
    checkRetrieveOptions(options)

    if (reader == null) {
      throw new NotRunningError('No content reader was composed: only single blocks can be retrieved')
    }

    return readContent(reader, (root, session) => this.#session(root, session), target, options)
  }

  createSession (root: CID, options: SessionOptions = {}): RetrievalSession {
    return this.#session(parseCID(root), options)
  }

  /** Publishes that we have these blocks, and forgets that nobody had */
  async announce (cids: CID | Iterable<CID> | AsyncIterable<CID>, options: AnnounceOptions = {}): Promise<void> {
    await this.#announcer.announce(eachCID(cids, cid => { this.available(cid) }), this.#params.mode, options)
  }

  /** What was announced is left to expire */
  async cancel (cids: CID | Iterable<CID> | AsyncIterable<CID>, options: { signal?: AbortSignal } = {}): Promise<void> {
    await this.#announcer.cancel(eachCID(cids, () => {}), options)
  }

  /** Somebody has this block now (it was stored, or announced by a peer): a remembered miss no longer holds */
  available (cid: CID): void {
    const key = blockKey(cid)
    this.#negative.clear(key)

    for (const flight of this.#flights.of(key)) {
      flight.announced = true
    }
  }

  explain (cid: CID): Explanation | undefined {
    return this.#stories.get(blockKey(parseCID(cid)))
  }

  stats (): ContentRoutingStats {
    return { ...this.#figures(), providers: describeProviders(this.#components.reputation) }
  }

  #figures (): RoutingFigures {
    return routingFigures(this.#components, this.#env, this.#announcer, { flights: this.#flights.size, sessions: this.#sessions.size })
  }

  async #retrieve (target: CID, options: RetrieveOptions, session?: SessionReads): Promise<Uint8Array> {
    checkRetrieveOptions(options)
    const cid = parseCID(target)
    const { verifier, clock, stats } = this.#env
    verifier.check(cid)
    const identity = verifier.identity(cid)

    if (identity != null) {
      return identity
    }

    options.signal?.throwIfAborted()
    const key = blockKey(cid)
    const deadline = clock.now() + (options.timeout ?? this.#params.timeout)
    const local = await this.#local(cid, key, options, session)
    if (local != null) {
      // of a whole DAG what is here was most often wanted ahead by the reader himself
      this.#feeds.here(options.part?.whole === true ? undefined : options.part, session?.id)
      return local
    }

    if (options.offline === true) {
      this.#copies?.missed(cid)
      throw new OfflineError(`${cid} is not in the local store and offline was asked for`)
    }

    if (!this.#running) {
      throw new NotRunningError('Content routing is not running: start the node first')
    }

    const hints = (options.providers ?? []).map(hint => this.#hint(hint))
    const mode = options.mode ?? this.#params.mode
    const missed = options.skipNegativeCache === true ? undefined : this.#negative.get(key, mode, clock.now(), [...hints, ...this.#env.affinity.published(options.publisher, mode)])
    if (missed != null) {
      stats.negativeHits++
      this.#copies?.missed(cid)
      throw new (missed.refused ? RetrievalFailedError : NotFoundError)([], missMessage(cid, 'nobody delivered it a moment ago', missed.reason, `; not asked again for ${Math.ceil((missed.until - clock.now()) / 1000)} s`), this.explain(cid))
    }

    const second = session?.missed(key) === true

    if (session != null && options.part != null && (options.part.whole !== true || second)) {
      this.#ahead(key, options.part, mode, hints, options, session)
    }

    return this.#join(cid, key, mode, hints, deadline, options, session)
  }

  /** A block of a file is not here: the rest of the file may come as one stream */
  #ahead (first: BlockKey, part: WantedPart, mode: PrivacyMode, hints: readonly Provider[], options: RetrieveOptions, { root, id }: SessionReads): void {
    this.#feeds.ahead({
      part,
      first,
      mode,
      reader: id,
      hints,
      group: this.#env.affinity.group(blockKey(root), root),
      priority: options.priority ?? 0,
      maxBytes: Math.max(options.maxBlockSize ?? 0, this.#env.verifier.maxBlockSize)
    })
  }

  async #join (cid: CID, key: BlockKey, mode: PrivacyMode, hints: readonly Provider[], deadline: number, options: RetrieveOptions, session?: SessionReads): Promise<Uint8Array> {
    const { stats, clock } = this.#env
    const maxBytes = Math.max(options.maxBlockSize ?? 0, this.#env.verifier.maxBlockSize)
    const id = flightId(mode, key, maxBytes > this.#env.verifier.maxBlockSize ? maxBytes : undefined)
    let flight = this.#flights.get(id)
    const started = clock.now()
    const group = this.#env.affinity.reading(key, cid, session?.root, options.publisher)
    if (flight == null) {
      stats.cacheMissesHandled++
      flight = this.#fly({ cid, key, maxBytes }, id, mode, group, session?.root, options.part)
    } else {
      stats.coalesced++
    }

    const bytes = await flight.join({
      signal: options.signal,
      deadline,
      priority: options.priority ?? 0,
      client: options.client,
      purpose: options.purpose,
      needed: options.needed,
      hints,
      ...(options.onProgress == null ? {} : { onProgress: (phase, detail) => { tell(this.#env.log, options, cid, phase, detail) } })
    })
    stats.took(clock.now() - started)

    if (bytes.byteLength > (options.maxBlockSize ?? Infinity)) {
      throw new BlockTooLargeError(`${cid} has ${bytes.byteLength} bytes, this call accepts ${String(options.maxBlockSize)} (maxBlockSize)`)
    }

    if (options.store !== false) {
      await this.#copies?.write(cid, key, bytes, options.part == null || options.part.whole === true ? undefined : session?.id, options.client)
    }

    return bytes
  }

  #fly (want: Want, id: string, mode: PrivacyMode, group: ProviderGroup, root?: CID, part?: WantedPart): Flight {
    const { cid, key, maxBytes } = want
    const { affinity, stats } = this.#env
    const parent = affinity.parent(key)
    const flight: Flight = new Flight({
      env: this.#env,
      ledger: this.#components.ledger,
      id: `r${++this.#sequence}`,
      want: { ...want, ...(parent?.size == null ? {} : { size: parent.size }) },
      mode,
      group,
      feeding: signal => this.#feeds.wait(key, mode, part, signal),
      ...(group.root === key ? {} : { parent: { cid: root ?? group.cid, key: group.root, maxBytes } }),
      onDelivered: (bytes, provider) => {
        stats.succeeded++
        this.#negative.clear(key)
        affinity.delivered(group.root, cid, bytes, provider)
      },
      onMiss: (why, asked, refused) => { this.#negative.add(key, mode, this.#env.clock.now(), why, asked, refused) },
      onFailed: (kind, wasRead) => {
        if (wasRead) this.#copies?.missed(cid)
        stats[kind === 'not-found' ? 'notFound' : kind]++
      },
      onClosed: () => { this.#flights.delete(id) }
    })
    if (this.#copies != null) flight.timeline.add('cache', 'not in the local store')
    this.#flights.add(id, flight)
    this.#stories.add(key, flight.timeline)
    return flight
  }

  async #local (cid: CID, key: BlockKey, options: RetrieveOptions, session?: SessionReads): Promise<Uint8Array | undefined> {
    const { signal, maxBlockSize, timeout = this.#params.timeout, store, offline } = options
    let shared = false
    const bytes = await this.#copies?.read(cid, key, { signal, maxBlockSize, timeout, here: store, shared: offline !== true, again: session?.again(key), onShared: () => { shared = true } })

    if (bytes == null) {
      return undefined
    }

    tell(this.#env.log, options, cid, 'cache', { bytes: bytes.byteLength })
    this.seen(cid, bytes, session?.root)
    this.#stories.cached(cid, key, bytes.byteLength, shared)
    return bytes
  }

  /** A block of a DAG was read: its links belong to the same root */
  seen (cid: CID, bytes: Uint8Array, root?: CID): void {
    this.#env.affinity.linkBlock(root == null ? undefined : blockKey(root), cid, bytes)
  }

  #hint (hint: ProviderHint): Provider {
    return hint instanceof ParsedHint ? hint.provider : this.#components.parseHint(hint, 'hint')
  }

  #session (root: CID, options: SessionOptions): RoutingSession {
    checkRetrieveOptions(options)

    if (!this.#running && options.offline !== true) {
      throw new NotRunningError('Content routing is not running: start the node first')
    }

    const id = `s${++this.#sequence}`
    const reads = new SessionReads(root, id)
    const session = new RoutingSession({
      id,
      root,
      options,
      components: this.#components,
      retrieve: async (cid, sessionOptions) => this.#retrieve(cid, sessionOptions, reads),
      stored: async () => this.#copies?.settled(id),
      parseHint: hint => this.#hint(hint),
      seen: (cid, bytes) => { this.seen(cid, bytes, root) },
      onClose: () => {
        this.#sessions.delete(id)
        this.#feeds.leave(id)
      }
    })
    this.#sessions.add(id, session)
    return session
  }
}
