import { unixfs } from '@helia/unixfs'
import { MemoryDatastore } from 'datastore-core'
import { blockKey } from './block/key.ts'
import { blockVerifier } from './block/verify.ts'
import { systemRandom } from './clock/random.ts'
import { systemClock } from './clock/system-clock.ts'
import { contentRoutingOptions } from './config/content-routing-options.ts'
import { connectedPeersSource } from './discovery/connected-peers.ts'
import { heliaRoutingSource } from './discovery/helia-routing-egress.ts'
import { libp2pProviding, libp2pRoutingSource } from './discovery/libp2p-routing-egress.ts'
import { namedProvidersSource } from './discovery/named-providers.ts'
import { providing } from './discovery/provide-egress.ts'
import { adoptedBrokerFetcher } from './exchange/broker/broker-egress.ts'
import { raceBrokers } from './exchange/broker/race-egress.ts'
import { httpBlockFetcher } from './exchange/http/http-fetcher.ts'
import { restartableTransport } from './exchange/http/restartable-transport.ts'
import { createFilesystem } from './helia/filesystem.ts'
import { heliaSeams } from './helia/seams.ts'
import { withContentRouting } from './helia/with-content-routing.ts'
import { nullLedger } from './privacy/null-ledger.ts'
import { toProvider } from './provider/provider.ts'
import { reputationBook } from './reputation/book.ts'
import { ReputationKeeper } from './reputation/keeper.ts'
import { ContentRoutingManager } from './routing/manager.ts'
import { RoutingRequest } from './routing/request.ts'
import { contentReader } from './unixfs/content-reader.ts'
import { stat } from './unixfs/entry.ts'
import { listDirectory } from './unixfs/list-directory.ts'
import { locate } from './unixfs/path.ts'
import { processReadBudget } from './unixfs/read-budget.ts'
import type { BlockVerifier } from './block/verify.ts'
import type { AdoptedBrokerInit } from './exchange/broker/broker-egress.ts'
import type { ContentRoutingOptions } from './config/content-routing-options.ts'
import type { ConnectedLibp2p } from './discovery/connected-peers.ts'
import type { HasContentRouting } from './discovery/libp2p-routing-egress.ts'
import type { Provides } from './discovery/provide-egress.ts'
import type { RestartableTransport, TransportFactory } from './exchange/http/restartable-transport.ts'
import type { GetFilesystem } from './helia/filesystem.ts'
import type { HeliaContentRouting } from './helia/helia-routing.ts'
import type { LocalStore } from './interface/cache.ts'
import type { Clock, Random } from './interface/clock.ts'
import type { Disclosure, Ledger, Observer } from './interface/disclosure.ts'
import type { BlockFetcher } from './interface/fetcher.ts'
import type { ComponentLogger } from './interface/logger.ts'
import type { Metrics } from './interface/metrics.ts'
import type { Provider, ProviderHint, ProviderSource } from './interface/provider.ts'
import type { Purpose } from './interface/request.ts'
import type { AddressPolicy } from './provider/address.ts'
import type { ContentRoutingComponents } from './routing/manager.ts'
import type { Helia } from '@helia/interface'
import type { Datastore } from 'interface-datastore'
import type { CID } from 'multiformats/cid'

export type { ContentRoutingOptions } from './config/content-routing-options.ts'
export type { TransportFactory } from './exchange/http/restartable-transport.ts'
export type { Filesystem, FilesystemInit, FilesystemNode, GetFilesystem } from './helia/filesystem.ts'

export interface CompositionParts {
  readonly logger: ComponentLogger
  readonly transport: TransportFactory
  /** Makes the sources of providers, under the policy that the options give */
  sources? (context: { clock: Clock, policy: AddressPolicy }): readonly ProviderSource[]
  readonly provide?: ContentRoutingComponents['provide']
  /** The raw store, never `helia.blockstore` */
  readonly store?: LocalStore
  readonly datastore?: Datastore
  readonly metrics?: Metrics
  readonly clock?: Clock
  readonly random?: Random
  readonly ledger?: Ledger
  /** Shared with whoever else hashes. @default one made from the options */
  readonly verifier?: BlockVerifier
}

export interface Composition {
  readonly routing: ContentRoutingManager
  /** Read live by `routing`: add fetchers to it */
  readonly fetchers: BlockFetcher[]
  readonly policy: AddressPolicy
  readonly verifier: BlockVerifier
  readonly clock: Clock
  readonly ledger: Ledger
  parseHint (hint: ProviderHint, source: string): Provider
}

/** What belongs to no retrieval is ended by nobody's leaving */
const NEVER = new AbortController().signal

/** Content routing with the transport that it owns: pools open with it and do not survive its stop */
class OwningManager extends ContentRoutingManager {
  readonly #transport: RestartableTransport

  constructor (transport: RestartableTransport, ...args: ConstructorParameters<typeof ContentRoutingManager>) {
    super(...args)
    this.#transport = transport
  }

  override async start (): Promise<void> {
    this.#transport.open()
    await super.start()
  }

  override async stop (): Promise<void> {
    try {
      await super.stop()
    } finally {
      await this.#transport.close()
    }
  }
}

/**
 * Puts content routing together from what a platform or a node brings along.
 * Runs in browsers too: what is Node's own comes in through `parts`.
 */
export function composeContentRouting (parts: CompositionParts, init: ContentRoutingOptions = {}): Composition {
  const { clock = systemClock, random = systemRandom, ledger = nullLedger, datastore, logger } = parts
  const { routing, policy, operators } = contentRoutingOptions(init)
  const verifier = parts.verifier ?? blockVerifier({ maxBlockSize: init.maxBlockSize, allowSha1: init.allowSha1 })
  const transport = restartableTransport(() => parts.transport({ policy, clock }))
  const reputation = reputationBook({ clock, random })
  const fetchers: BlockFetcher[] = [httpBlockFetcher({ transport, policy, clock })]
  const parseHint = (hint: ProviderHint, source: string): Provider => toProvider(hint, { source, policy })

  const manager = new OwningManager(transport, {
    logger,
    clock,
    random,
    verifier,
    ledger,
    reputation,
    keeper: datastore == null ? undefined : new ReputationKeeper({ book: reputation, datastore, logger, clock }),
    sources: [
      ...operators.length > 0 ? [namedProvidersSource(operators)] : [],
      ...parts.sources?.({ clock, policy }) ?? []
    ],
    fetchers,
    store: parts.store,
    datastore,
    volatile: datastore instanceof MemoryDatastore,
    metrics: parts.metrics,
    reader: contentReader({ clock, budget: processReadBudget }),
    provide: parts.provide,
    parseHint
  }, routing)

  return { routing: manager, fetchers, policy, verifier, clock, ledger, parseHint }
}

export type WrapHelia = <H extends Helia>(helia: H, init?: ContentRoutingOptions) => H & { contentRouting: HeliaContentRouting }

/** The Helia mixin over a platform's HTTP transport */
export function heliaMixin (transport: TransportFactory, platform: Pick<CompositionParts, 'clock' | 'random' | 'ledger' | 'verifier'> = {}): WrapHelia {
  return (helia, init = {}) => {
    const { logger, metrics } = helia
    const composition = composeContentRouting({
      ...platform,
      transport,
      logger,
      metrics,
      datastore: helia.datastore,
      store: heliaSeams(helia).store as LocalStore,
      provide: providing('helia', () => helia.routing as Provides),
      sources: ({ clock, policy }) => [
        heliaRoutingSource(() => helia.routing, { logger, clock, policy }),
        connectedPeersSource(() => (helia as { libp2p?: ConnectedLibp2p }).libp2p, { logger, policy })
      ]
    }, init)
    const { routing, fetchers, parseHint } = composition
    const http = fetchers[0]
    let unrouted = 0

    /** For what goes past retrieval: reads that ask not to be routed, and announcements */
    const disclose = (cid: CID, purpose: Purpose, observer: Observer): Disclosure => {
      return new RoutingRequest(composition, {
        id: `unrouted-${++unrouted}`,
        purpose,
        mode: 'open',
        signal: NEVER,
        key: blockKey(cid),
        deadline: () => Infinity,
        priority: () => 0
      }).disclose({ observer, form: 'cid', transport: 'foreign', audience: 'unbounded' })
    }

    return withContentRouting(helia, { enabled: init.enabled }, {
      routing,
      fetchers,
      parseHint,
      adopt: (broker, name) => adoptedBrokerFetcher(broker, {
        logger,
        discloseAnnounce: (cid, observer) => disclose(cid, 'announce', observer),
        reachable: provider => (http?.routes(provider).length ?? 0) > 0
      }, brokerInit(broker.name, name, init)),
      race: async (cid, brokers, options) => raceBrokers(cid, brokers, options, broker => disclose(cid, 'read', `broker:${broker.name}`))
    })
  }
}

/** Outside mode `open` a broker that nobody trusts is neither asked nor told */
function brokerInit (broker: string, name: string, { mode = 'open', trustedBrokers = [] }: ContentRoutingOptions): AdoptedBrokerInit {
  const trusted = trustedBrokers.includes(broker)
  return { name, trusted, announces: trusted || mode === 'open' }
}

/** A UnixFS over a wrapped node: its cache misses go through content routing, or past it */
export const getFilesystem: GetFilesystem = createFilesystem({
  unixfs,
  read: contentReader({ clock: systemClock, budget: processReadBudget }),
  list: (cid, load, options) => listDirectory(cid, load, { ...options, budget: processReadBudget }),
  stat,
  locate
})

/** The part of a libp2p node that content routing is composed from */
export interface RoutableLibp2p extends HasContentRouting, ConnectedLibp2p {
  readonly logger: ComponentLogger
  readonly metrics?: Metrics
}

export interface Libp2pCompositionParts extends Pick<CompositionParts, 'store' | 'datastore' | 'clock' | 'random' | 'ledger' | 'verifier'> {}

/**
 * Content routing on a libp2p node without Helia: start it after the node, stop
 * it before.
 */
export function libp2pComposer (transport: TransportFactory): (libp2p: RoutableLibp2p, init?: ContentRoutingOptions, parts?: Libp2pCompositionParts) => ContentRoutingManager {
  return (libp2p, init = {}, parts = {}) => composeContentRouting({
    ...parts,
    transport,
    logger: libp2p.logger,
    metrics: libp2p.metrics,
    provide: libp2pProviding(libp2p),
    sources: ({ clock, policy }) => [
      libp2pRoutingSource(libp2p, { logger: libp2p.logger, clock, policy }),
      connectedPeersSource(() => libp2p, { logger: libp2p.logger, policy })
    ]
  }, init).routing
}
