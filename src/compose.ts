import { unixfs } from '@helia/unixfs'
import { MemoryDatastore } from 'datastore-core'
import { processReadBudget } from './block/read-budget.ts'
import { blockVerifier } from './block/verify.ts'
import { systemRandom } from './clock/random.ts'
import { systemClock } from './clock/system-clock.ts'
import { checkOfOurNode } from './config/privacy-options.ts'
import { contentRoutingOptions } from './config/content-routing-options.ts'
import { servesNobody } from './discovery/announce/announce-error.ts'
import { askedPeersSource } from './discovery/asked-peers.ts'
import { connectedPeersSource } from './discovery/connected-peers.ts'
import { LookupBatches } from './discovery/lookup-batches.ts'
import { libp2pProviding, libp2pWithdrawing } from './discovery/libp2p-routing-egress.ts'
import { namedProvidersSource } from './discovery/named-providers.ts'
import { nodeMetrics } from './discovery/node-metrics.ts'
import { providing, withdrawing } from './discovery/provide-egress.ts'
import { delegatedRouter } from './discovery/routers/delegated-router.ts'
import { adoptedBrokerFetcher } from './exchange/broker/broker-egress.ts'
import { raceBrokers } from './exchange/broker/race-egress.ts'
import { absentBitswap } from './exchange/absent-bitswap.ts'
import { exchangeMetrics } from './exchange/exchange-metrics.ts'
import { httpBlockFetcher } from './exchange/http/http-fetcher.ts'
import { restartableTransport } from './exchange/http/restartable-transport.ts'
import { HolePunching } from './exchange/lease/hole-punching.ts'
import { PeerExchange } from './exchange/peer-exchange.ts'
import { SiblingFetcher } from './exchange/sibling/sibling-fetcher.ts'
import { TransferCounts } from './exchange/transfer-counts.ts'
import { createFilesystem } from './helia/filesystem.ts'
import { heliaSeams } from './helia/seams.ts'
import { withContentRouting } from './helia/with-content-routing.ts'
import { httpOrigin, toProvider } from './provider/provider.ts'
import { reputationBook } from './reputation/book.ts'
import { ReputationKeeper } from './reputation/keeper.ts'
import { heliaLookups, libp2pLookups } from './composed-lookups.ts'
import { nodeLedger } from './composed-ledger.ts'
import { lendLedger } from './lent-ledger.ts'
import { noNames } from './name-resolution.ts'
import { NodeAddresses } from './node-addresses.ts'
import { OwningManager } from './owning-manager.ts'
import { contentReader } from './unixfs/content-reader.ts'
import { stat } from './unixfs/entry.ts'
import { listDirectory } from './unixfs/list-directory.ts'
import { locate } from './unixfs/path.ts'
import { unroutedRequests } from './unrouted-requests.ts'
import { PRIVACY_PRESETS, modeStats, switchesOf } from './interface/privacy-preset.ts'
import type { BlockVerifier } from './block/verify.ts'
import type { AdoptedBrokerInit } from './exchange/broker/broker-egress.ts'
import type { ContentRoutingOptions } from './config/content-routing-options.ts'
import type { ConnectedLibp2p } from './discovery/connected-libp2p.ts'
import type { EnhancedDHTDiscovery } from './discovery/enhanced-dht-discovery.ts'
import type { Provides } from './discovery/provide-egress.ts'
import type { RecordFilter } from './discovery/routers/delegated-records.ts'
import type { BitswapFault } from './exchange/bitswap/network.ts'
import type { ExchangeLibp2p } from './exchange/peer-exchange.ts'
import type { TransportFactory } from './exchange/http/restartable-transport.ts'
import type { GetFilesystem } from './helia/filesystem.ts'
import type { HeliaContentRouting } from './helia/helia-routing.ts'
import type { LocalStore } from './interface/cache.ts'
import type { Clock, Random } from './interface/clock.ts'
import type { Disclosure, Ledger, Observer } from './interface/disclosure.ts'
import type { BlockFetcher } from './interface/fetcher.ts'
import type { ReadableLedger } from './interface/ledger.ts'
import type { ComponentLogger } from './interface/logger.ts'
import type { Metrics } from './interface/metrics.ts'
import type { Provider, ProviderHint, ProviderSource } from './interface/provider.ts'
import type { Purpose, Request } from './interface/request.ts'
import type { AddressPolicy } from './provider/address.ts'
import type { NameResolution } from './name-resolution.ts'
import type { AddressedLibp2p } from './node-addresses.ts'
import type { LedgerParts } from './composed-ledger.ts'
import type { ComposedLookups, LookupsContext } from './composed-lookups.ts'
import type { RoutableLibp2p } from './routable-libp2p.ts'
import type { ContentRoutingComponents, ContentRoutingManager } from './routing/manager.ts'
import type { Helia } from '@helia/interface'
import type { Datastore } from 'interface-datastore'
import type { CID } from 'multiformats/cid'

export type { ContentRoutingOptions, RouterOption } from './config/content-routing-options.ts'
export type { TransportFactory } from './exchange/http/restartable-transport.ts'
export type { Filesystem, FilesystemInit, FilesystemNode, GetFilesystem } from './helia/filesystem.ts'

export interface SourceContext {
  readonly clock: Clock
  readonly policy: AddressPolicy
  /** Those over the peers that a node is connected to: may throw or return undefined while there is none */
  connected (getLibp2p: () => ConnectedLibp2p | undefined): readonly ProviderSource[]
}

export interface CompositionParts {
  readonly logger: ComponentLogger
  readonly transport: TransportFactory
  /**
   * A libp2p node to exchange blocks over while content routing runs, or `later`:
   * there may be one, and whoever composes starts `exchange` with it. @default none
   */
  readonly peers?: ExchangeLibp2p | 'later'
  /** @default names are not resolved, only IP addresses of peers are dialled */
  readonly names?: NameResolution
  /** What of that which routers know can be used: they are asked for no more. @default everything */
  readonly usable?: RecordFilter
  /** The libp2p node whose connections say where providers are; may throw or return undefined while there is none. @default none */
  node? (): AddressedLibp2p | undefined
  /** Makes what looks up through the node's own routers: read live, started and stopped with content routing */
  lookups? (context: LookupsContext): ComposedLookups
  /** Makes the sources of providers, under the policy that the options give */
  sources? (context: SourceContext): readonly ProviderSource[]
  readonly provide?: ContentRoutingComponents['provide']
  readonly together?: ContentRoutingComponents['together']
  readonly withdraw?: ContentRoutingComponents['withdraw']
  /** The raw store, never `helia.blockstore` */
  readonly store?: LocalStore
  readonly datastore?: Datastore
  readonly metrics?: Metrics
  readonly clock?: Clock
  readonly random?: Random
  readonly ledger?: LedgerParts['ledger']
  /** Lookups that leave together, where the mode says so: shared with the node's discovery, by whoever composes all of the node. @default those of the options */
  readonly batches?: LookupBatches
  /** Shared with whoever else hashes. @default one made from the options */
  readonly verifier?: BlockVerifier
}

export interface Composition {
  readonly routing: OwningManager
  /** Read live by `routing`: add fetchers to it */
  readonly fetchers: BlockFetcher[]
  /** Absent where there are no peers, or somebody else's bitswap is used */
  readonly exchange?: PeerExchange
  readonly policy: AddressPolicy
  readonly verifier: BlockVerifier
  readonly clock: Clock
  readonly ledger: Ledger
  readonly transfers: TransferCounts
  readonly fleet?: SiblingFetcher
  parseHint (hint: ProviderHint, source: string): Provider
  /** A request for what no retrieval is behind */
  unrouted (cid: CID, purpose: Purpose): Request
}

/** What a peer does on purpose, and not because it is slow */
const HOSTILE: ReadonlySet<BitswapFault> = new Set<BitswapFault>(['malformed', 'unsolicited', 'flood', 'excess'])

/**
 * Puts content routing together from what a platform or a node brings along.
 * Runs in browsers too: what is Node's own comes in through `parts`.
 */
export function composeContentRouting (parts: CompositionParts, init: ContentRoutingOptions = {}): Composition {
  const { clock = systemClock, random = systemRandom, datastore, logger } = parts
  const { routing, policy, operators, siblings, routers, relays, bitswap, askConnected } = contentRoutingOptions(init)
  const recorded = nodeLedger({ ...parts, clock, random }, init.ledger, siblings)
  const { ledger } = recorded
  const verifier = parts.verifier ?? blockVerifier({ maxBlockSize: init.maxBlockSize, allowSha1: init.allowSha1 })
  checkOfOurNode(parts.batches == null ? routing.privacy : undefined)
  const { turn } = parts.batches ?? new LookupBatches({ clock, random }, switchesOf(routing.mode ?? 'open', routing.privacy))
  const transport = restartableTransport(() => parts.transport({ policy, clock }))
  const reputation = reputationBook({ clock, random })
  const transfers = new TransferCounts()
  const named = new Set([...operators, ...siblings].map(({ id }) => id))
  const own = new Set([...[...operators, ...siblings].flatMap(httpOrigin).map(address => new URL(address).origin), ...routers.filter(({ own }) => own).map(({ url }) => new URL(url).origin)])
  const { pinned = false, ...names } = parts.names ?? noNames
  const addresses: NodeAddresses | undefined = parts.node == null
    ? undefined
    : new NodeAddresses({ clock, random, logger, ledger, mode: routing.mode, policy, datastore, names, pinned, getLibp2p: parts.node, inUse: peer => exchange?.wantsFrom(peer) === true })
  const punching = parts.node == null ? undefined : new HolePunching(parts.node, logger)
  const exchange: PeerExchange | undefined = parts.peers == null || bitswap !== 'own'
    ? undefined
    : new PeerExchange({
      ...names,
      policy,
      clock,
      random,
      logger,
      verifier,
      store: parts.store,
      disclose: (peer, cid) => unrouted(cid, 'serve').disclose({ observer: `p2p:${peer}`, form: 'cid', transport: 'bitswap', audience: 'one' }),
      named: peer => named.has(`p2p:${peer}`),
      // a single read that wants nothing made direct, on a node that does so, goes through no relay
      relay: peer => relays.has(peer) && punching?.active !== true,
      onDialled: addresses?.onDialled,
      onFault: ({ peer, fault }) => {
        if (HOSTILE.has(fault)) {
          reputation.record(`p2p:${peer}`, { provider: `p2p:${peer}`, transport: 'bitswap' }, 'invalid', {}, clock.now())
        }
      }
    }, { serve: init.serve, leases: { ...init.leases, pinsNames: pinned } })
  const unrouted = unroutedRequests({ clock, ledger }, routing.mode)
  const http = httpBlockFetcher({ transport, policy, clock, own: origin => own.has(origin) })
  const peers = exchange ?? (bitswap === 'off' ? absentBitswap : undefined)
  const fleet = siblings.length === 0
    ? undefined
    : new SiblingFetcher({ siblings, http: httpBlockFetcher({ transport, policy, clock, name: 'sibling', onlyIfCached: true, own: () => true }), bitswap: peers })
  const spared = (fetcher: BlockFetcher): BlockFetcher => fleet == null ? fetcher : fleet.sparing(fetcher)
  const fetchers: BlockFetcher[] = [spared(http), ...fleet == null ? [] : [fleet], ...peers == null ? [] : [spared(peers)]].map(fetcher => transfers.count(addresses?.learningFrom(fetcher) ?? fetcher))
  const connected: SourceContext['connected'] = getLibp2p => {
    if (exchange == null || askConnected === 0) {
      return [connectedPeersSource(getLibp2p, { logger, policy })]
    }

    const asked = askedPeersSource(getLibp2p, {
      logger,
      clock,
      policy,
      ask: async (peer, want, attempt) => exchange.ask(peer, want, attempt),
      chosen: peer => named.has(`p2p:${peer}`),
      avoided: peer => {
        const { selectable, breaker } = reputation.view(`p2p:${peer}`, { provider: `p2p:${peer}`, transport: 'bitswap' }, clock.now())
        return !selectable || breaker !== 'closed' || siblings.some(({ id }) => id === `p2p:${peer}`)
      }
    }, askConnected)
    return [asked, connectedPeersSource(getLibp2p, { logger, policy, denied: asked.denied })]
  }
  const parseHint = (hint: ProviderHint, source: string): Provider => toProvider(hint, { source, policy })

  const delegated = routers.map(router => delegatedRouter({ ...router, filter: parts.usable })({ transport, clock, random, logger, policy, turn }))

  const lookups = parts.lookups?.({ clock, random, logger, policy, datastore, trusted: new Set(init.trustedRouters), turn, request: cid => unrouted(cid, 'read'), addressed: source => addresses?.addressed(source) ?? source })
  const sources = [...operators.length > 0 ? [namedProvidersSource(operators)] : [], ...delegated]
  const more = parts.sources?.({ clock, policy, connected }) ?? []

  const { mode = 'open' } = routing
  const manager = new OwningManager({ mode: modeStats(mode, routing.privacy), punching: PRIVACY_PRESETS[mode].holePunching ? undefined : punching, ledger: recorded, transport, transfers, exchange, lookups, addresses, routers: delegated, libp2p: typeof parts.peers === 'object' ? parts.peers : undefined }, {
    logger,
    clock,
    random,
    verifier,
    ledger,
    reputation,
    keeper: datastore == null ? undefined : new ReputationKeeper({ book: reputation, datastore, logger, clock }),
    get sources () { return [...sources, ...lookups?.sources ?? [], ...more] },
    fetchers,
    addressed: addresses?.complete,
    store: parts.store,
    datastore,
    volatile: datastore instanceof MemoryDatastore,
    metrics: parts.metrics,
    reader: contentReader({ clock, budget: processReadBudget }),
    provide: parts.provide,
    together: parts.together,
    withdraw: parts.withdraw,
    // whether another bitswap serves is not ours to say
    mayAnnounce: () => {
      if (exchange?.servesNobody === true) {
        throw servesNobody()
      }
    },
    parseHint
  }, routing)

  if (parts.metrics != null) {
    exchangeMetrics(parts.metrics, () => manager.exchangeStats())
    nodeMetrics(parts.metrics, { addresses: () => addresses?.stats(), lookups: () => lookups?.stats() })
  }

  return { routing: manager, fetchers, exchange, policy, verifier, clock, ledger, parseHint, unrouted, transfers, fleet }
}

export type WrapHelia = <H extends Helia>(helia: H, init?: ContentRoutingOptions) => H & { contentRouting: HeliaContentRouting }

export interface HeliaPlatform extends Pick<CompositionParts, 'names' | 'usable' | 'clock' | 'random' | 'ledger' | 'verifier' | 'batches'> {
  /**
   * The discovery of a node that has no other routers than libp2p's: asked in
   * their place, and told of what is announced. May throw while the node has not started.
   */
  readonly discovery?: () => Pick<EnhancedDHTDiscovery, 'source' | 'announce' | 'cancel'> | undefined
}

/** The Helia mixin over a platform's HTTP transport */
export function heliaMixin (transport: TransportFactory, { discovery, ...platform }: HeliaPlatform = {}): WrapHelia {
  return (helia, init = {}) => {
    const { logger, metrics } = helia
    const { store, cache } = heliaSeams(helia)
    let lookups: ReturnType<typeof heliaLookups> | undefined
    const composition = composeContentRouting({
      ...platform,
      transport,
      peers: 'later',
      logger,
      metrics,
      datastore: helia.datastore,
      store: cache ?? store as LocalStore,
      provide: providing('helia', () => helia.routing as Provides),
      withdraw: withdrawing(() => helia.routing as Provides),
      together: discovery,
      node: () => (helia as { libp2p?: AddressedLibp2p }).libp2p,
      lookups: context => (lookups = heliaLookups(helia, context, discovery)),
      sources: ({ connected }) => connected(() => (helia as { libp2p?: ConnectedLibp2p }).libp2p)
    }, init)
    const { routing, fetchers, parseHint, exchange, fleet, transfers, ledger } = composition
    lendLedger(cache, ledger)
    const http = fetchers[0]

    const disclose = (cid: CID, purpose: Purpose, observer: Observer): Disclosure => {
      return composition.unrouted(cid, purpose).disclose({ observer, form: 'cid', transport: 'foreign', audience: 'unbounded' })
    }

    return withContentRouting(helia, { enabled: init.enabled }, {
      routing,
      fetchers,
      parseHint,
      exchange,
      lookups,
      unaccounted: reason => routing.ledger?.pause(reason) ?? (() => {}),
      unasked: init.bitswap === 'off' ? ['bitswap'] : [],
      adopt: (broker, name) => transfers.count(adoptedBrokerFetcher(broker, {
        logger,
        discloseAnnounce: (cid, observer) => disclose(cid, 'announce', observer),
        // siblings are never asked in any other way
        reachable: provider => fleet?.has(provider) === true || (http?.routes(provider).length ?? 0) > 0
      }, brokerInit(broker.name, name, init))),
      race: async (cid, brokers, options) => raceBrokers(cid, brokers, options, broker => disclose(cid, 'read', `broker:${broker.name}`))
    })
  }
}

/** Where only trusted brokers are used, the others are neither asked nor told */
function brokerInit (broker: string, name: string, { mode = 'open', trustedBrokers = [] }: ContentRoutingOptions): AdoptedBrokerInit {
  const trusted = trustedBrokers.includes(broker)
  return { name, trusted, announces: trusted || PRIVACY_PRESETS[mode].brokers === 'all' }
}

/** A UnixFS over a wrapped node: its cache misses go through content routing, or past it */
export const getFilesystem: GetFilesystem = createFilesystem({
  unixfs,
  read: contentReader({ clock: systemClock, budget: processReadBudget }),
  list: (cid, load, options) => listDirectory(cid, load, { ...options, budget: processReadBudget }),
  stat,
  locate
})

export interface Libp2pCompositionParts extends Pick<CompositionParts, 'store' | 'datastore' | 'clock' | 'random' | 'ledger' | 'verifier'> {}

/**
 * Content routing on a libp2p node without Helia: start it after the node, stop
 * it before.
 */
export function libp2pComposer (transport: TransportFactory, platform: Pick<CompositionParts, 'names'> = {}): (libp2p: RoutableLibp2p, init?: ContentRoutingOptions, parts?: Libp2pCompositionParts) => ContentRoutingManager & { readonly ledger?: ReadableLedger } {
  return (libp2p, init = {}, parts = {}) => composeContentRouting({
    ...platform,
    ...parts,
    transport,
    peers: libp2p,
    logger: libp2p.logger,
    metrics: libp2p.metrics,
    provide: libp2pProviding(libp2p),
    withdraw: libp2pWithdrawing(libp2p),
    node: () => libp2p,
    lookups: context => libp2pLookups(libp2p, context),
    sources: ({ connected }) => connected(() => libp2p)
  }, init).routing
}
