import { resolve } from 'node:path'
import { withLibp2pLight } from '@helia/libp2p'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { createHeliaLight } from 'helia'
import { blockVerifier } from './block/verify.ts'
import { cacheMetrics } from './cache/cache-metrics.ts'
import { endsInSha256, nativeSha256 } from './cache/native-sha256.ts'
import { cacheParams } from './cache/params.ts'
import { systemRandom } from './clock/random.ts'
import { systemClock } from './clock/system-clock.ts'
import { LookupBatches } from './discovery/lookup-batches.ts'
import { heliaMixin } from './compose.ts'
import { discoveryMetrics } from './discovery/discovery-metrics.ts'
import { announceInit } from './config/announce-option.ts'
import { CONTENT_ROUTING_OPTIONS, contentRoutingOptions } from './config/content-routing-options.ts'
import { loadIdentity } from './config/identity.ts'
import { libp2pOptions } from './config/libp2p-options.ts'
import { directoryStore, memoryStore } from './config/store.ts'
import { systemResolve } from './exchange/http/dial-egress.ts'
import { undiciTransport } from './exchange/http/undici-egress.ts'
import { systemResolveText } from './exchange/lease/dns-egress.ts'
import { InvalidOptionError } from './interface/errors.ts'
import { isReadableLedger } from './interface/ledger.ts'
import { checkOptionNames } from './interface/option-names.ts'
import { switchesOf } from './interface/privacy-preset.ts'
import { toListenProblem } from './listen-problem.ts'
import { NodePrivacy } from './node-privacy.ts'
import { privacyMetrics } from './privacy/privacy-metrics.ts'
import { collectorMetrics } from './privacy/collector/collector-metrics.ts'
import { composedLedger } from './config/ledger-option.ts'
import { unroutedRequests } from './unrouted-requests.ts'
import type { BlockVerifier } from './block/verify.ts'
import type { SharedTierFactory } from './cache/shared/shared-tier.ts'
import type { AnnounceOption } from './config/announce-option.ts'
import type { ContentRoutingOptions } from './config/content-routing-options.ts'
import type { ComposedLedger } from './config/ledger-option.ts'
import type { Libp2pInit } from './config/libp2p-options.ts'
import type { NodeStore } from './config/store.ts'
import type { EnhancedDHTDiscovery } from './discovery/enhanced-dht-discovery.ts'
import type { RecordFilter } from './discovery/routers/delegated-records.ts'
import type { HeliaContentRouting } from './helia/helia-routing.ts'
import type { BlockCache, LocalStore } from './interface/cache.ts'
import type { DisclosureLedger } from './privacy/ledger/disclosure-ledger.ts'
import type { Helia } from '@helia/interface'
import type { HeliaWithLibp2p } from '@helia/libp2p'
import type { ComponentLogger, Libp2p, Metrics, ServiceMap } from '@libp2p/interface'

/** The options of a whole node: those of content routing, of libp2p, and where things are kept */
export interface PortolanInit extends Omit<ContentRoutingOptions, 'enabled' | 'trustedBrokers' | 'trustedRouters' | 'relays' | 'bitswap'>, Libp2pInit, AnnounceOption {
  /** `off`: blocks are not exchanged with peers. @default 'own' */
  bitswap?: 'own' | 'off'
  /**
   * Directory for blocks, records and the identity, or `memory` for a node that
   * leaves nothing behind, and that keeps whatever was read as long as it runs.
   *
   * @default 'memory'
   */
  store?: string
  /** What the blocks in the directory may take, in bytes: what is put stays, what was fetched makes room. @default 10 GiB, or half of what is free there if that is less */
  maxBytes?: number
  /** Blocks of the directory that are kept in memory besides, overhead included, in bytes. @default 64 MiB */
  memoryBytes?: number
  /** `maxShare`, in (0, 1]: of the room for fetched blocks of the directory, what one client (`client` of a read) may take up. @default no client has less than all */
  shares?: { readonly maxShare: number }
  /** A second level of the cache, shared with other nodes: `redisTier({ url })`. Only with a directory. @default none */
  sharedCache?: SharedTierFactory
  /** `false`: call `start()` yourself. @default true */
  start?: boolean
  logger?: ComponentLogger
  /** Where figures go: of content routing, the cache, discovery, and what the privacy report says (`privacy_risk_score`, …). @default nowhere */
  metrics?: Metrics
}

/** Beside those of content routing */
const OWN = Object.keys({
  store: true, maxBytes: true, memoryBytes: true, shares: true, sharedCache: true, listen: true, maxConnections: true, bootstrap: true, dhtProtocol: true, dhtServer: true, announce: true, start: true, logger: true, metrics: true
} satisfies Record<Exclude<keyof PortolanInit, keyof ContentRoutingOptions>, true>)

/** Those of content routing that are for nodes which have more than this one */
const UNTOLD: readonly string[] = Object.keys({
  enabled: true, trustedBrokers: true, trustedRouters: true, relays: true
} satisfies Record<Exclude<keyof ContentRoutingOptions, keyof PortolanInit>, true>)

/** A node put together by `createPortolan` */
export interface Portolan extends AsyncDisposable {
  readonly helia: HeliaWithLibp2p<ServiceMap> & { contentRouting: HeliaContentRouting }
  /** There once the node has started */
  readonly libp2p: Libp2p
  readonly contentRouting: HeliaContentRouting
  /** Who learnt what, who is connected, and what follows from both */
  readonly privacy: Pick<NodePrivacy, 'ledger' | 'collector' | 'analyze'>
  /** Lookups in the DHT, and what they found: while the node runs, where peers to join one through (`bootstrap`) were named or it is a server of one (`dhtServer`) */
  readonly discovery?: EnhancedDHTDiscovery
  /** The raw store under Helia */
  readonly store: LocalStore
  /** The same, where the blocks are in a directory; absent in memory. Open while the node runs */
  readonly cache?: BlockCache
  readonly verifier: BlockVerifier
  /** Everybody whom the configuration names, and so everybody who may be contacted without a request that names more */
  readonly contacts: readonly string[]
  readonly status: Helia['status']
  /** Idempotent; also after `stop` */
  start (): Promise<void>
  /** Idempotent: waits until everything is closed and nothing of the node is left in the process */
  stop (): Promise<void>
}

/** What a node that speaks bitswap can make use of: its transports are TCP and WebSockets; DHT records say nothing of what a peer speaks */
const OVER_TCP_OR_HTTP: RecordFilter = {
  addresses: ['tcp', 'dnsaddr', 'http', 'https', 'unknown'],
  protocols: ['transport-bitswap', 'transport-ipfs-gateway-http', 'unknown']
}

/** And one that does not */
const OVER_HTTP: RecordFilter = { addresses: ['http', 'https'], protocols: ['transport-ipfs-gateway-http', 'unknown'] }

class Node implements Portolan {
  readonly privacy: NodePrivacy
  readonly helia: Portolan['helia']
  readonly verifier: BlockVerifier
  readonly contacts: readonly string[]
  readonly #storage: NodeStore
  /** Absent where it is somebody else's, or none */
  readonly #ledger?: DisclosureLedger
  readonly #libp2p: ReturnType<typeof libp2pOptions>
  #turn: Promise<void> = Promise.resolve()

  constructor (init: PortolanInit) {
    checkOptionNames('createPortolan', init, [...OWN, ...CONTENT_ROUTING_OPTIONS.filter(name => !UNTOLD.includes(name))], { untold: UNTOLD })
    const { store = 'memory', maxBytes, memoryBytes, shares, sharedCache, start, announce, listen, bootstrap, dhtProtocol, dhtServer, maxConnections, logger, metrics, ledger: option, mode = 'balanced', ...routing } = init

    if (typeof store !== 'string' || store === '') {
      throw new InvalidOptionError(`store must be a directory or "memory", got ${JSON.stringify(store)}`)
    }
    if (store === 'memory' && sharedCache != null) {
      throw new InvalidOptionError('a shared cache (sharedCache) is a level of the cache in a directory, and this node keeps its blocks in memory: name a directory (store), or leave sharedCache out')
    }
    // checked here, before anything is opened
    const { operators, siblings, routers, policy: addresses } = contentRoutingOptions({ ...routing, mode })
    const switches = switchesOf(mode, routing.privacy)
    const batches = new LookupBatches({ clock: systemClock, random: systemRandom }, switches)
    const { ledger, own }: ComposedLedger = composedLedger(option, {
      logger: logger ?? { forComponent: name => this.helia.logger.forComponent(name) },
      datastore: () => this.#storage.directory == null ? undefined : this.#storage.datastore
    })
    this.#ledger = own
    this.privacy = new NodePrivacy({
      ledger: isReadableLedger(ledger) ? ledger : undefined,
      named: [...[...operators, ...siblings].map(({ id }) => id), ...routers.map(({ url }) => `router:${new URL(url).host}`)],
      node: { kind: 'portolan', mode, switches: switches(mode), own: new Set(routers.flatMap(({ url, own }) => own ? [`router:${new URL(url).host}`] : [])) }
    })
    const request = unroutedRequests({ clock: systemClock, ledger }, mode, 'announce')
    this.#libp2p = libp2pOptions({ listen, bootstrap, dhtProtocol, dhtServer, maxConnections }, {
      policy: addresses,
      ledger,
      mode,
      switches,
      batches,
      announce: { ...announceInit({ ...init, store }, () => this.helia), request: cid => request(cid, 'announce'), has: async (cid, options) => this.store.has(cid, options) }
    })
    cacheParams({ maxBytes, memoryBytes, shares })
    this.verifier = blockVerifier({ maxBlockSize: init.maxBlockSize, allowSha1: init.allowSha1, sha256: nativeSha256, endsInSha256 })
    this.#storage = store === 'memory'
      ? memoryStore()
      : directoryStore(resolve(store), {
        maxBytes,
        memoryBytes,
        shares,
        logger,
        verifier: this.verifier,
        shared: sharedCache,
        request: unroutedRequests({ clock: systemClock, ledger }, mode, 'cache')
      })
    this.contacts = [...[...operators, ...siblings].map(({ id, addresses }) => addresses[0] ?? id), ...routers.map(({ url }) => url), ...bootstrap ?? [], ...sharedCache?.location == null ? [] : [sharedCache.location]]

    const { blockstore, datastore } = this.#storage
    const mixin = heliaMixin(({ policy, clock }) => undiciTransport({ policy, clock }), {
      verifier: this.verifier,
      ledger,
      names: { resolve: systemResolve, resolveText: systemResolveText, pinned: true },
      usable: init.bitswap === 'off' ? OVER_HTTP : OVER_TCP_OR_HTTP,
      discovery: () => this.discovery,
      batches
    })
    const light = createHeliaLight({ blockstore, datastore, logger, metrics, hashers: this.verifier.hashers() })
    this.helia = mixin(withLibp2pLight(light, Object.assign(this.#libp2p, { metrics: collectorMetrics() })), { ...routing, mode })
    this.cache?.attachPins(async cid => this.helia.pins.isPinned(cid))

    if (metrics != null && this.cache != null) {
      cacheMetrics(metrics, this.cache)
    }
    if (metrics != null) {
      privacyMetrics(metrics, { analyzer: this.privacy, logger })
    }
    if (metrics != null && 'discovery' in (this.#libp2p.services ?? {})) {
      discoveryMetrics(metrics, () => this.discovery?.stats())
    }
  }

  get libp2p (): Libp2p {
    return this.helia.libp2p
  }

  get contentRouting (): HeliaContentRouting {
    return this.helia.contentRouting
  }

  get discovery (): EnhancedDHTDiscovery | undefined {
    return this.helia.status === 'started' ? this.helia.libp2p.services.discovery as unknown as EnhancedDHTDiscovery | undefined : undefined
  }

  get store (): LocalStore {
    return this.#storage.blockstore as unknown as LocalStore
  }

  get cache (): BlockCache | undefined {
    return this.#storage.cache
  }

  get status (): Helia['status'] {
    return this.helia.status
  }

  async start (): Promise<void> {
    await this.#next(async () => {
      if (this.helia.status === 'started') {
        return
      }
      await this.#storage.open()
      try {
        await this.#ledger?.start()
        const { directory } = this.#storage
        this.#libp2p.privateKey ??= directory == null ? await generateKeyPair('Ed25519') : await loadIdentity(directory)
        await this.helia.start()
        this.privacy.watch(this.libp2p)
      } catch (err) {
        await this.#close()
        throw toListenProblem(err, this.#libp2p.addresses.listen)
      }
    })
  }

  async stop (): Promise<void> {
    await this.#next(async () => {
      if (this.helia.status !== 'stopped') {
        await this.#close()
      }
    })
  }

  async [Symbol.asyncDispose] (): Promise<void> {
    await this.stop()
  }

  /** One start or stop at a time, in the order of the calls */
  async #next (step: () => Promise<void>): Promise<void> {
    const turn = this.#turn.then(step, step)
    this.#turn = turn.then(() => {}, () => {})
    await turn
  }

  async #close (): Promise<void> {
    try {
      await this.helia.stop()
    } finally {
      await this.#ledger?.stop()
      await this.#storage.close()
    }
  }
}

/**
 * Composes a whole node for Node.js: libp2p, Helia, a store on disk and content
 * routing in mode `balanced`. It has one identity that outlives restarts, and it
 * contacts nobody who was not named.
 *
 * @example
 * ```ts
 * const node = await createPortolan({ store: './store', providers: ['https://gateway.example'] })
 *
 * for await (const bytes of node.contentRouting.retrieveContent('/ipfs/bafy…/readme.md')) {
 *   process.stdout.write(bytes)
 * }
 * await node.stop()
 * ```
 */
export async function createPortolan (init: PortolanInit = {}): Promise<Portolan> {
  const node = new Node(init)

  if (init.start !== false) {
    await node.start()
  }
  return node
}
