import { anySignal } from 'any-signal'
import { blockKey } from '../block/key.ts'
import { eachUntil } from '../clock/each-until.ts'
import { withOwnSignal } from '../clock/own-signal.ts'
import { BoundRequest } from './bound-request.ts'
import { KeptTables } from './kept-tables.ts'
import { merged } from './merged.ts'
import { namedOnce } from './named-once.ts'
import { ProviderRecords } from './records/provider-records.ts'
import { RecordedSource } from './records/recorded-source.ts'
import { RoutersFailedError } from './router-lookup.ts'
import { onlyTrusted } from './trusted-routers.ts'
import type { NodeDiscovery } from './node-discovery.ts'
import type { WatchedRouters } from './watched-routers.ts'
import type { Clock, Random } from '../interface/clock.ts'
import type { ComponentLogger, Logger } from '../interface/logger.ts'
import type { BlockKey, Provider, ProviderSource } from '../interface/provider.ts'
import type { Request } from '../interface/request.ts'
import type { LookupsStats } from '../interface/stats.ts'
import type { Datastore } from 'interface-datastore'
import type { CID } from 'multiformats/cid'

export interface NodeLookupsComponents {
  readonly clock: Clock
  readonly random: Random
  readonly logger: ComponentLogger
  readonly datastore?: Datastore
  /** All routers of the node as one source, by its original function */
  readonly routers: ProviderSource
  /** Those of last resort, where they are known one by one */
  readonly fallback?: { readonly source: ProviderSource, isThere (): boolean }
  /** The node's own DHT, if it has one. May throw while there is no node. */
  discovery (): NodeDiscovery | undefined
  /** For a lookup that belongs to no retrieval */
  request (cid: CID): Request
  /** The same source, for retrievals: with the addresses that work. The DHT's has them by itself. @default as it is */
  addressed? (source: ProviderSource): ProviderSource
  /** The routers one by one, watched while the node is ours */
  readonly watched?: readonly WatchedRouters[]
}

export interface NodeLookupsInit {
  /** `false`: retrievals ask only the DHT; whoever else looks up is answered by all. @default true */
  readonly retrievals?: boolean
  /** Whether a lookup of others throws when routers failed and nobody was found, as libp2p does. @default false */
  readonly loud?: boolean
}

export interface ForeignLookupOptions {
  readonly signal?: AbortSignal
  /** `false`: what is remembered is forgotten first */
  readonly useCache?: boolean
}

/** Disjoint from what discovery in a DHT keeps in the same datastore */
const PREFIX = '/portolan/discovery/routers/v1'

/**
 * Milliseconds for one lookup of all routers of a node. A walk of kad-dht in the
 * public network takes up to half a minute; what has not ended after twice that
 * hangs, and must not keep those who come later from asking again.
 */
const LIMIT = 60_000

/** Milliseconds after which routers of last resort are asked although others have not ended: whoever can answer quickly has by then */
const HOLD = 2_000

/**
 * Who has a block, according to the routers that a node has by itself: one
 * lookup for whoever asks, be it a retrieval, a broker or the user, and none
 * while the last answer is fresh.
 */
export class NodeLookups {
  readonly #components: NodeLookupsComponents
  readonly #log: Logger
  readonly #records: ProviderRecords
  readonly #recorded: RecordedSource
  readonly #answered: ProviderSource
  readonly #kept: KeptTables
  readonly #dht: ProviderSource
  /** For retrievals */
  readonly #routers: ProviderSource
  readonly #lastResort?: ProviderSource
  readonly #init: NodeLookupsInit
  #loaded = false
  #cancelDisclosing: () => void = () => {}

  constructor (components: NodeLookupsComponents, init: NodeLookupsInit = {}) {
    const { clock, logger, routers, fallback, addressed = source => source } = components
    this.#components = components
    this.#init = init
    this.#log = logger.forComponent('portolan:discovery:lookups')
    this.#records = new ProviderRecords(clock)
    this.#recorded = new RecordedSource({ source: limited(routers, clock), records: this.#records, clock, logger })
    this.#answered = partly(this.#recorded, limited(routers, clock))
    this.#kept = new KeptTables(components, [{ table: this.#records, prefix: PREFIX, name: `discovery:${routers.name}` }])
    this.#dht = {
      name: 'dht',
      later: true,
      settled: (provider, outcome) => { this.discovery?.source.settled?.(provider, outcome) },
      find: (want, request) => this.discovery?.source.find(want, request) ?? nobody()
    }
    this.#routers = addressed(this.#answered)
    this.#lastResort = fallback == null ? undefined : addressed(fallback.source)
  }

  /** What retrievals ask: read it at each */
  get sources (): readonly ProviderSource[] {
    const dht = this.discovery == null ? [] : [this.#dht]
    const lastResort = this.#lastResort == null || this.#fallback.length === 0 ? [] : [this.#lastResort]
    return this.#init.retrievals === false ? dht : [this.#routers, ...dht, ...lastResort]
  }

  get #own (): readonly ProviderSource[] {
    return this.discovery == null ? [this.#answered] : [this.#answered, this.#dht]
  }

  get #fallback (): readonly ProviderSource[] {
    const { fallback } = this.#components
    return fallback?.isThere() === true ? [fallback.source] : []
  }

  /** The DHT that is asked beside the routers, and so not by them */
  get discovery (): NodeDiscovery | undefined {
    try {
      return this.#components.discovery()
    } catch (err) {
      // withLibp2p's getter throws until the node has started
      this.#log.trace('no libp2p node - %e', err)
      return undefined
    }
  }

  /** Of the lookups of the node's routers */
  stats (): LookupsStats {
    const { lookups, hits, stale, joined, staleOnError } = this.#recorded.stats()
    return { lookups, hits, stale, joined, staleOnError, records: this.#records.size, kept: this.#kept.stats() }
  }

  /** The node's lookups are answered here from now on */
  take (): void {
    this.release()
    this.#components.watched?.forEach(routers => { routers.start() })
    this.#cancelDisclosing = this.discovery?.discloseWith?.(this.#components.request) ?? (() => {})
  }

  /** And as before from now on; those that are under way end as they began */
  release (): void {
    this.#cancelDisclosing()
    this.#cancelDisclosing = () => {}
    this.#components.watched?.forEach(routers => { routers.stop() })
  }

  /** Never rejects */
  async start (): Promise<void> {
    // what is in memory outlives a stop: reading it again is of no use
    if (!this.#loaded) {
      this.#loaded = true
      await this.#kept.load()
    }
    this.#kept.start()
  }

  async stop (): Promise<void> {
    this.release()
    this.#recorded.stop()
    await this.#kept.stop()
  }

  /** Somebody said that who has it has changed */
  forget (key: BlockKey): void {
    this.#records.forget(key)
    this.discovery?.forget?.(key)
  }

  /**
   * Everybody whom these routers find, for somebody who does not retrieve through
   * us. A provider is named again only with addresses when it had none.
   */
  find (cid: CID, options: ForeignLookupOptions = {}): AsyncGenerator<Provider, void, undefined> {
    return withOwnSignal(signal => this.#find(cid, options, signal))
  }

  async * #find (cid: CID, { signal: theirs, useCache }: ForeignLookupOptions, own: AbortSignal): AsyncGenerator<Provider, void, undefined> {
    const { clock, request } = this.#components
    const want = { cid, key: blockKey(cid) }
    const over = new AbortController()
    const signal = anySignal([own, theirs, over.signal])
    const bound = new BoundRequest(request(cid), { signal, deadline: clock.now() + LIMIT })
    const isNews = namedOnce()
    let named = 0
    const errors: Error[] = []

    if (useCache === false) {
      this.forget(want.key)
    }
    const first = this.#own
    const turn = lastTurn(first.length, async () => clock.sleep(HOLD, { signal }))
    const streams = [
      ...first.map(source => turn.before(source.find(want, bound))),
      ...this.#fallback.map(source => turn.after(() => source.find(want, bound), signal))
    ]

    try {
      for await (const provider of merged(streams, (index, error) => {
        this.#log.error('%s failed for %c - %e', first[index]?.name ?? 'a router of last resort', cid, error)
        // of the original function, which would have thrown it too
        if (first[index] === this.#answered) {
          errors.push(error)
        }
      })) {
        if (isNews(provider)) {
          named++
          yield provider
        }
      }
    } finally {
      over.abort()
      signal.clear()
    }

    const [error] = errors
    if (error != null && theirs?.aborted !== true && (!(error instanceof RoutersFailedError) || (this.#init.loud === true && named === 0))) {
      throw error
    }
  }
}

/** Who comes last waits until all others have ended, or have had their time */
function lastTurn (count: number, hold: () => Promise<void>): {
  before (stream: AsyncIterable<Provider>): AsyncGenerator<Provider, void, undefined>
  after (stream: () => AsyncIterable<Provider>, signal: AbortSignal): AsyncGenerator<Provider, void, undefined>
} {
  const ended = Promise.withResolvers<void>()
  let left = count

  return {
    async * before (stream) {
      try {
        yield * stream
      } finally {
        if (--left === 0) {
          ended.resolve()
        }
      }
    },

    async * after (stream, signal) {
      // ends with the lookup: what it rejects with is the abort
      await Promise.race([ended.promise, hold().catch(() => {})])
      if (!signal.aborted) {
        yield * stream()
      }
    }
  }
}

async function * nobody (): AsyncGenerator<Provider, void, undefined> {}

/** What a few of the routers say is no answer of all: it is neither remembered for the other modes nor taken from what others said */
function partly (recorded: RecordedSource, few: ProviderSource): ProviderSource {
  return {
    name: recorded.name,
    later: recorded.later,
    settled: (provider, outcome) => { recorded.settled(provider, outcome) },
    find: (want, request) => onlyTrusted(request.mode) ? few.find(want, request) : recorded.find(want, request)
  }
}

/** What has not ended after a while has failed, whomever it named before */
function limited (source: ProviderSource, clock: Clock): ProviderSource {
  return {
    name: source.name,
    async * find (want, request) {
      using timeout = clock.timeout(LIMIT)
      const signal = anySignal([request.signal, timeout.signal])
      const bound = new BoundRequest(request, { signal, deadline: Math.min(request.deadline, clock.now() + LIMIT) })

      try {
        yield * eachUntil(source.find(want, bound), signal)
      } catch (err) {
        if (!signal.aborted) {
          throw err
        }
      } finally {
        signal.clear()
      }
      if (timeout.signal.aborted && !request.signal.aborted) {
        throw new RoutersFailedError([timeout.signal.reason], `no end after ${LIMIT / 1_000} s`)
      }
    }
  }
}
