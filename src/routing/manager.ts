import { LRUCache } from 'lru-cache'
import { blockKey } from '../block/key.ts'
import { parseCID } from '../block/cid.ts'
import { linksOf } from '../block/links.ts'
import { withOwnSignal } from '../clock/own-signal.ts'
import { raceSignal } from '../clock/race-signal.ts'
import { BlockTooLargeError, NotFoundError, NotRunningError, OfflineError } from '../interface/errors.ts'
import { Affinity } from './affinity.ts'
import { Announcer } from './announcer.ts'
import { Flight } from './flight.ts'
import { HedgeBudget } from './hedge-budget.ts'
import { LatencyWindow } from './latency-window.ts'
import { readLocal } from './local-read.ts'
import { routingMetrics } from './metrics.ts'
import { NegativeCache } from './negative-cache.ts'
import { checkRetrieveOptions, routingParams } from './params.ts'
import { RoutingSession } from './session.ts'
import { AttemptSlots } from './slots.ts'
import { RoutingStats } from './stats.ts'
import { Explanation } from './story.ts'
import { Timeline } from './timeline.ts'
import { CustomProgressEvent } from 'progress-events'
import type { Provide } from './announcer.ts'
import type { RoutingEnvironment } from './environment.ts'
import type { ContentRoutingInit, RoutingParams } from './params.ts'
import type { RoutingSnapshot } from './stats.ts'
import type { BlockVerifier } from '../block/verify.ts'
import type { LocalStore } from '../interface/cache.ts'
import type { Clock, Random } from '../interface/clock.ts'
import type { Ledger, PrivacyMode } from '../interface/disclosure.ts'
import type { BlockFetcher } from '../interface/fetcher.ts'
import type { ComponentLogger } from '../interface/logger.ts'
import type { Metrics } from '../interface/metrics.ts'
import type { BlockKey, Provider, ProviderHint, ProviderId, ProviderSource } from '../interface/provider.ts'
import type { ReputationBook } from '../interface/reputation.ts'
import type { Want } from '../interface/request.ts'
import type { ContentRouting, RetrievalSession, RetrieveContentOptions, RetrieveOptions } from '../interface/routing.ts'
import type { ContentReader } from '../interface/unixfs.ts'
import type { Datastore } from 'interface-datastore'
import type { CID } from 'multiformats/cid'

export type { ContentRoutingInit } from './params.ts'

export interface ContentRoutingComponents {
  readonly logger: ComponentLogger
  readonly clock: Clock
  readonly random: Random
  readonly verifier: BlockVerifier
  readonly ledger: Ledger
  readonly reputation: ReputationBook & { describe? (id: ProviderId): unknown, ids? (): Iterable<ProviderId> }
  /** Keeps what was learnt about providers: loaded on start, saved on a tick and on stop */
  readonly keeper?: { load (options?: { signal?: AbortSignal }): Promise<void>, save (): Promise<void> }
  /** Both are read at each retrieval: the composition may add and remove */
  readonly sources: readonly ProviderSource[]
  readonly fetchers: readonly BlockFetcher[]
  /** The raw store, never `helia.blockstore` */
  readonly store?: LocalStore
  /** For the deliverers of each root */
  readonly datastore?: Datastore
  /** True when the datastore forgets with the process */
  readonly volatile?: boolean
  readonly metrics?: Metrics
  readonly reader?: ContentReader
  readonly provide?: Provide
  parseHint (hint: ProviderHint, source: string): Provider
}

/** A store that takes longer, in ms, is passed by: the network may be faster, and the read must end */
const STORE_TIMEOUT = 5_000

/** What was learnt is loaded and saved within this, in ms, or not at all */
const DATASTORE_TIMEOUT = 10_000

const PRIVACY_MODES: readonly PrivacyMode[] = ['open', 'balanced', 'strict']

/** What was learnt is written this often, in ms: a crash loses a minute of experience */
const SAVE_INTERVAL = 60_000

/** Sessions of one manager that are open at once; the oldest is closed beyond that */
const MAX_SESSIONS = 10_000

export interface ContentRoutingStats extends RoutingSnapshot {
  readonly providers: readonly unknown[]
  readonly reputation: { readonly size: number, readonly kept: 'datastore' | 'memory' }
  readonly inFlight: { readonly flights: number, readonly attempts: number, readonly queued: number, readonly sessions: number }
  readonly announced: { readonly done: number, readonly failed: number, readonly pending: number }
}

/**
 * Selects providers and fetches blocks on a cache miss. Works over any set of
 * provider sources and block fetchers: on a Helia node, or on bare libp2p.
 */
export class ContentRoutingManager implements ContentRouting {
  readonly #components: ContentRoutingComponents
  readonly #params: RoutingParams
  readonly #env: RoutingEnvironment
  readonly #flights = new Map<string, Flight>()
  readonly #negative: NegativeCache
  readonly #stories: LRUCache<BlockKey, Timeline>
  readonly #sessions: LRUCache<string, RoutingSession>
  readonly #announcer: Announcer
  readonly #writes = new WeakMap<Uint8Array, Promise<void>>()
  /** Delivered and not yet in the store: whoever asks now gets these bytes */
  readonly #storing = new Map<BlockKey, Uint8Array>()
  #running = false
  #sequence = 0
  #cancelTick: () => void = () => {}

  constructor (components: ContentRoutingComponents, init: ContentRoutingInit = {}) {
    const params = routingParams(init)
    this.#components = components
    this.#params = params
    this.#negative = new NegativeCache(params.negative)
    this.#stories = new LRUCache({ max: params.stories })
    this.#sessions = new LRUCache({
      max: MAX_SESSIONS,
      dispose: (session, _id, reason) => {
        if (reason === 'evict') {
          session.close()
        }
      }
    })
    this.#env = {
      clock: components.clock,
      random: components.random,
      log: components.logger.forComponent('portolan:routing'),
      verifier: components.verifier,
      reputation: components.reputation,
      params,
      slots: new AttemptSlots(params.limits),
      hedges: new HedgeBudget(params.hedge),
      affinity: new Affinity(params.affinity),
      stats: new RoutingStats(),
      windows: { classes: [new LatencyWindow(), new LatencyWindow(), new LatencyWindow()], all: new LatencyWindow() },
      fetchers: () => components.fetchers,
      sources: () => components.sources,
      background: new Set()
    }
    this.#announcer = new Announcer({ clock: components.clock, ledger: components.ledger, log: this.#env.log, provide: components.provide })
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
    const { keeper, datastore, logger } = this.#components
    await this.#bounded('load what was learnt about providers', async signal => keeper?.load({ signal }))
    await this.#bounded('load who delivered what', async signal => {
      if (datastore != null) {
        await this.#env.affinity.load(datastore, logger, { signal })
      }
    })

    if (this.#components.metrics != null) {
      routingMetrics(this.#components.metrics, () => this.stats())
    }

    this.#tick()
  }

  async stop (): Promise<void> {
    if (!this.#running) {
      return
    }

    this.#running = false
    this.#cancelTick()
    this.#cancelTick = () => {}
    const why = new NotRunningError('Content routing was stopped')

    for (const session of [...this.#sessions.values()]) {
      session.close()
    }

    for (const flight of [...this.#flights.values()]) {
      flight.stop(why)
    }

    for (const end of [...this.#env.background]) {
      end()
    }

    await this.#announcer.stop()
    await this.#save()
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

    const { offset, length, ...rest } = options
    const open = (root: CID): RoutingSession => this.#session(root, rest)

    // a reader who leaves stops the transfers at once
    return withOwnSignal(async function * (signal) {
      let session: RoutingSession | undefined

      try {
        yield * reader(target, async (cid, load) => {
          session ??= open(cid)
          return session.retrieve(cid, { ...rest, signal: load?.signal ?? signal })
        }, { offset, length, signal })
      } finally {
        session?.close()
      }
    }, options.signal)
  }

  createSession (root: CID, options: RetrieveOptions = {}): RetrievalSession {
    return this.#session(parseCID(root), options)
  }

  /** Publishes that we have these blocks, and forgets that nobody had */
  async announce (cids: CID | Iterable<CID> | AsyncIterable<CID>, options: { signal?: AbortSignal } = {}): Promise<void> {
    if (!this.#running) {
      throw new NotRunningError('Content routing is not running: start the node first')
    }

    const list = isIterable(cids) ? cids : [parseCID(cids)]
    const available = (cid: CID): void => { this.available(cid) }
    await this.#announcer.announce((async function * () {
      for await (const cid of list) {
        available(parseCID(cid))
        yield cid
      }
    })(), this.#params.mode, options.signal)
  }

  /** Somebody has this block now (it was stored, or announced by a peer): a remembered miss no longer holds */
  available (cid: CID): void {
    const key = blockKey(cid)
    this.#negative.clear(key)

    for (const mode of PRIVACY_MODES) {
      const flight = this.#flights.get(flightId(mode, key))

      if (flight != null) {
        flight.announced = true
      }
    }
  }

  explain (cid: CID): Explanation | undefined {
    const timeline = this.#stories.get(blockKey(parseCID(cid)))
    return timeline == null ? undefined : new Explanation(timeline)
  }

  stats (): ContentRoutingStats {
    const { reputation, datastore, volatile } = this.#components
    const { slots } = this.#env
    return {
      ...this.#env.stats.snapshot(),
      providers: reputation.describe == null || reputation.ids == null
        ? []
        : [...reputation.ids()].slice(-100).map(id => reputation.describe?.(id)),
      reputation: { size: reputation.size, kept: datastore == null || volatile === true ? 'memory' : 'datastore' },
      inFlight: { flights: this.#flights.size, attempts: slots.inFlight, queued: slots.queued, sessions: this.#sessions.size },
      announced: { done: this.#announcer.announced, failed: this.#announcer.failed, pending: this.#announcer.pending }
    }
  }

  async #retrieve (target: CID, options: RetrieveOptions, root?: CID): Promise<Uint8Array> {
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
    const local = options.store === false ? undefined : this.#storing.get(key) ?? await this.#local(cid, key, options)

    if (local != null) {
      return local
    }

    if (options.offline === true) {
      throw new OfflineError(`${cid} is not in the local store and offline was asked for`)
    }

    if (!this.#running) {
      throw new NotRunningError('Content routing is not running: start the node first')
    }

    const hints = (options.providers ?? []).map(hint => this.#components.parseHint(hint, 'hint'))
    const mode = options.mode ?? this.#params.mode
    const missed = options.skipNegativeCache === true ? undefined : this.#negative.get(key, mode, clock.now(), hints)

    if (missed != null) {
      stats.negativeHits++
      throw new NotFoundError([], `${cid}: nobody had it a moment ago (${missed.reason}); not asked again for ${Math.ceil((missed.until - clock.now()) / 1000)} s`, this.explain(cid))
    }

    return this.#join(cid, key, mode, hints, options, root)
  }

  async #join (cid: CID, key: BlockKey, mode: PrivacyMode, hints: readonly Provider[], options: RetrieveOptions, root?: CID): Promise<Uint8Array> {
    const { stats, clock } = this.#env
    const maxBytes = Math.max(options.maxBlockSize ?? 0, this.#env.verifier.maxBlockSize)
    const id = flightId(mode, key, maxBytes > this.#env.verifier.maxBlockSize ? maxBytes : undefined)
    let flight = this.#flights.get(id)
    const started = clock.now()

    if (flight == null) {
      stats.cacheMissesHandled++
      flight = this.#fly({ cid, key, maxBytes }, id, mode, root)
    } else {
      stats.coalesced++
    }

    const bytes = await flight.join({
      signal: options.signal,
      deadline: started + (options.timeout ?? this.#params.timeout),
      priority: options.priority ?? 0,
      client: options.client,
      hints,
      ...(options.onProgress == null ? {} : { onProgress: (phase, detail) => { this.#tell(options, cid, phase, detail) } })
    })
    stats.took(clock.now() - started)

    if (bytes.byteLength > (options.maxBlockSize ?? Infinity)) {
      throw new BlockTooLargeError(`${cid} has ${bytes.byteLength} bytes, this call accepts ${String(options.maxBlockSize)} (maxBlockSize)`)
    }

    if (options.store !== false) {
      await this.#put(cid, key, bytes)
    }

    return bytes
  }

  #fly (want: Want, id: string, mode: PrivacyMode, root?: CID): Flight {
    const { cid, key, maxBytes } = want
    const { affinity, stats } = this.#env
    const parent = affinity.parent(key)
    const group = root == null ? affinity.group(parent?.root ?? key, parent == null ? cid : undefined) : affinity.group(blockKey(root), root)
    const flight: Flight = new Flight({
      env: this.#env,
      ledger: this.#components.ledger,
      id: `r${++this.#sequence}`,
      want: { ...want, ...(parent?.size == null ? {} : { size: parent.size }) },
      mode,
      purpose: 'read',
      group,
      ...(group.root === key ? {} : { parent: { cid: root ?? group.cid, key: group.root, maxBytes } }),
      onDelivered: bytes => {
        stats.succeeded++
        this.#negative.clear(key)
        affinity.link(group.root, childrenOf(cid, bytes))
      },
      onMiss: (why, asked) => { this.#negative.add(key, mode, this.#env.clock.now(), why, asked) },
      onFailed: kind => {
        stats.notFound += kind === 'not-found' ? 1 : 0
        stats.failed += kind === 'failed' ? 1 : 0
        stats.aborted += kind === 'aborted' ? 1 : 0
      },
      onClosed: () => { this.#flights.delete(id) }
    })
    if (this.#components.store != null) {
      flight.timeline.add('cache', 'not in the local store')
    }

    this.#flights.set(id, flight)
    this.#stories.set(key, flight.timeline)
    return flight
  }

  /** The block from the raw store, when it is there and right; wrong bytes read as a miss */
  async #local (cid: CID, key: BlockKey, options: RetrieveOptions): Promise<Uint8Array | undefined> {
    const { store } = this.#components
    const { stats, clock, verifier, log } = this.#env

    if (store == null) {
      return undefined
    }

    try {
      using timeout = clock.timeout(Math.min(STORE_TIMEOUT, options.timeout ?? this.#params.timeout))
      const signal = options.signal == null ? timeout.signal : AbortSignal.any([options.signal, timeout.signal])
      const bytes = await raceSignal(readLocal(store, cid, signal), signal)

      if (bytes == null) {
        return undefined
      }

      await verifier.verify(cid, bytes, { maxBlockSize: options.maxBlockSize ?? verifier.maxBlockSize })
      stats.localHits++
      stats.localBytes += bytes.byteLength
      this.#tell(options, cid, 'cache', { bytes: bytes.byteLength })
      this.seen(cid, bytes)

      if (!this.#stories.has(key)) {
        const timeline = new Timeline(cid.toString(), clock)
        timeline.add('cache', `${bytes.byteLength} bytes from the local store, verified`)
        timeline.end('cached', 'nobody was asked')
        this.#stories.set(key, timeline)
      }

      return bytes
    } catch (err) {
      options.signal?.throwIfAborted()
      stats.corruptLocal++
      log.error('the local copy of %s is unusable, fetching it again - %e', cid, err)
      return undefined
    }
  }

  /** Callers that share the bytes share the write; a full or hanging disk costs the copy, not the read */
  async #put (cid: CID, key: BlockKey, bytes: Uint8Array): Promise<void> {
    const { store } = this.#components

    if (store == null) {
      return
    }

    let writing = this.#writes.get(bytes)

    if (writing == null) {
      this.#storing.set(key, bytes)
      writing = this.#write(store, cid, bytes).finally(() => { this.#storing.delete(key) })
      this.#writes.set(bytes, writing)
    }

    await writing
  }

  async #write (store: LocalStore, cid: CID, bytes: Uint8Array): Promise<void> {
    const { clock, stats, log } = this.#env
    using timeout = clock.timeout(STORE_TIMEOUT)

    try {
      const { signal } = timeout
      await raceSignal((async () => {
        await (store.admit == null ? store.put(cid, bytes, { signal }) : store.admit(cid, bytes, { origin: 'retrieval' }))
      })(), signal)
    } catch (err) {
      stats.storeFailures++
      log.error('could not store %s - %e', cid, err)
    }
  }

  /** A block of a DAG was read: its links belong to the same root */
  seen (cid: CID, bytes: Uint8Array, root?: CID): void {
    const { affinity } = this.#env
    const key = blockKey(cid)
    affinity.link(root == null ? affinity.parent(key)?.root ?? key : blockKey(root), childrenOf(cid, bytes))
  }

  #session (root: CID, options: RetrieveOptions): RoutingSession {
    checkRetrieveOptions(options)

    if (!this.#running && options.offline !== true) {
      throw new NotRunningError('Content routing is not running: start the node first')
    }

    const id = `s${++this.#sequence}`
    const session = new RoutingSession({
      id,
      root,
      options,
      retrieve: async (cid, sessionOptions) => this.#retrieve(cid, sessionOptions, root),
      parseHint: hint => this.#components.parseHint(hint, 'hint'),
      seen: (cid, bytes) => { this.seen(cid, bytes, root) },
      onClose: () => { this.#sessions.delete(id) }
    })
    this.#sessions.set(id, session)
    return session
  }

  /** A caller's callback that throws is the caller's affair: the flight is shared */
  #tell (options: RetrieveOptions, cid: CID, phase: string, detail: Record<string, unknown>): void {
    try {
      options.onProgress?.(new CustomProgressEvent(`portolan:retrieve:${phase}`, { cid, ...detail }))
    } catch (err) {
      this.#env.log.error('a progress callback threw - %e', err)
    }
  }

  #tick (): void {
    const { clock, random } = this.#env
    const cancel = clock.schedule(SAVE_INTERVAL * (0.75 + random.next() / 2), () => {
      void this.#save().finally(() => {
        // a stop, or a stop and a start, has taken over meanwhile
        if (this.#cancelTick === cancel) {
          this.#tick()
        }
      })
    })
    this.#cancelTick = cancel
  }

  async #save (): Promise<void> {
    const { keeper, datastore } = this.#components
    await this.#bounded('save what was learnt about providers', async () => keeper?.save())
    await this.#bounded('save who delivered what', async () => {
      if (datastore != null) {
        await this.#env.affinity.save(datastore)
      }
    })
  }

  /** Experience is worth having, not worth failing or waiting for */
  async #bounded (what: string, work: (signal: AbortSignal) => Promise<void>): Promise<void> {
    using timeout = this.#env.clock.timeout(DATASTORE_TIMEOUT)

    try {
      await raceSignal((async () => work(timeout.signal))(), timeout.signal)
    } catch (err) {
      this.#env.log.error('could not %s - %e', what, err)
    }
  }
}

/** One flight per block and mode; a caller that accepts larger blocks than usual has one of its own */
function flightId (mode: PrivacyMode, key: BlockKey, maxBytes?: number): string {
  return maxBytes == null ? `${mode} ${key}` : `${mode} ${key} ${maxBytes}`
}

function * childrenOf (cid: CID, bytes: Uint8Array): Generator<{ key: BlockKey, size?: number }> {
  for (const link of linksOf(cid, bytes)) {
    yield { key: blockKey(link.cid), size: link.size }
  }
}

function isIterable (value: unknown): value is Iterable<CID> | AsyncIterable<CID> {
  return value != null && typeof value === 'object' && (Symbol.iterator in value || Symbol.asyncIterator in value)
}
