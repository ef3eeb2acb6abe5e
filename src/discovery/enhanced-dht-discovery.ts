import { CID } from 'multiformats/cid'
import { blockKey } from '../block/key.ts'
import { systemRandom } from '../clock/random.ts'
import { systemClock } from '../clock/system-clock.ts'
import { presetOf } from '../interface/privacy-preset.ts'
import { addressPolicy } from '../provider/address.ts'
import { addressedSource } from './addresses/addressed-source.ts'
import { ProviderAddresses } from './addresses/provider-addresses.ts'
import { Announcements } from './announce/announcements.ts'
import { DHTAnswers } from './dht-answers.ts'
import { dhtSource } from './dht-source.ts'
import { discoveryMetrics } from './discovery-metrics.ts'
import { LookupBatches } from './lookup-batches.ts'
import { FirstPeer } from './join/first-peer.ts'
import { WayIn } from './join/way-in.ts'
import { allComponents } from './kad-routers.ts'
import { BucketRefresh } from './kad/bucket-refresh.ts'
import { networksUnder } from './kad/diverse.ts'
import { DEFAULT_KAD_PROTOCOL, Libp2pKadClient } from './kad/kad-client-egress.ts'
import { KeptTiming, TIMING_PREFIX } from './kad/kept-timing.ts'
import { NetworkSize } from './kad/network-size.ts'
import { PeerTiming } from './kad/peer-timing.ts'
import { KadTable } from './kad/table.ts'
import { Walker } from './kad/walker.ts'
import { WaryWalker } from './kad/wary-walker.ts'
import { KeptTables, LOAD_TIMEOUT } from './kept-tables.ts'
import { ProviderRecords, RECORDS_PREFIX } from './records/provider-records.ts'
import { RecordedSource } from './records/recorded-source.ts'
import { SeparateLookups } from './separate-lookups.ts'
import { usableOver } from './usable-address.ts'
import { WalkFigures } from './walk-figures.ts'
import type { DiscoveryAnnounceInit } from './announce/announcements.ts'
import type { DiscoveryStats } from './discovery-stats.ts'
import type { CreateLookupNode } from './kad/lookup-identity.ts'
import type { KadConnections } from './kad/kad-client-egress.ts'
import type { Discloses } from './kad/walker.ts'
import type { AnnounceOptions, AnnounceResult, AnnouncesMany } from '../interface/announce.ts'
import type { Clock, Random } from '../interface/clock.ts'
import type { Ledger } from '../interface/disclosure.ts'
import type { ComponentLogger } from '../interface/logger.ts'
import type { Metrics } from '../interface/metrics.ts'
import type { SwitchesOf } from '../interface/privacy-preset.ts'
import type { BlockKey, ProviderSource } from '../interface/provider.ts'
import type { Request } from '../interface/request.ts'
import type { AddressPolicy } from '../provider/address.ts'
import type { Libp2pEvents, PeerId, PeerStore, Startable, TypedEventTarget } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { Datastore } from 'interface-datastore'

export interface EnhancedDHTDiscoveryInit {
  /** Of the DHT, as kad-dht was given it. @default '/ipfs/kad/1.0.0' */
  readonly protocol?: string
  /** Which addresses may be dialled, and which share no failure domain. @default addressPolicy(), which allows none that is private */
  readonly policy?: AddressPolicy
  /**
   * Multiaddrs of peers to join through, each with its `/p2p/`: tried again as long
   * as nobody of the DHT is connected. @default those that the node's `@libp2p/bootstrap` was given
   */
  readonly bootstrap?: readonly string[]
  readonly announce?: DiscoveryAnnounceInit
  /** Which of its addresses the node announces. @default all that others can come to */
  readonly told?: (addresses: Multiaddr[]) => Multiaddr[]
  /** Where it is written down who is told of blocks that no content routing on the node asked for. @default nowhere */
  readonly ledger?: Ledger
  /** Lookups that leave together with others wait for them. @default none does but in mode `strict` */
  readonly batches?: LookupBatches
  /** What a mode means here. @default its preset */
  readonly switches?: SwitchesOf
  /**
   * Makes a libp2p node of which nobody knows whose it is, to look things up in mode
   * `strict`; it listens nowhere and is stopped when it has rested. Without it the
   * DHT is not asked in that mode.
   */
  readonly lookupNode?: CreateLookupNode
  /** @default the machine's */
  readonly clock?: Clock
  /** @default the machine's */
  readonly random?: Random
}

/** What libp2p gives its services */
export interface EnhancedDHTDiscoveryComponents {
  readonly peerId: PeerId
  readonly peerStore: Pick<PeerStore, 'all' | 'get'>
  readonly connectionManager: KadConnections
  readonly events: Pick<TypedEventTarget<Libp2pEvents>, 'addEventListener' | 'removeEventListener'>
  readonly addressManager: { getAddresses (): Multiaddr[] }
  readonly datastore?: Datastore
  readonly metrics?: Metrics
  readonly logger: ComponentLogger
  /** All that the node is made of: its kad-dht is found among them. @default nothing */
  services? (): Iterable<unknown>
}

/** Whom a refresh asks: each names twenty of the bucket, so eight of them know nearly all of it */
const REFRESH_WIDTH = 8

/**
 * A libp2p service beside kad-dht, in any order.
 *
 * @example
 *
 * ```ts
 * import { kadDHT } from '@libp2p/kad-dht'
 * import { enhancedDHTDiscovery } from 'portolan'
 *
 * const protocol = '/my-network/kad/1.0.0'
 * const services = { dht: kadDHT({ protocol }), discovery: enhancedDHTDiscovery({ protocol }) }
 * ```
 */
export function enhancedDHTDiscovery (init: EnhancedDHTDiscoveryInit = {}): (components: EnhancedDHTDiscoveryComponents) => EnhancedDHTDiscovery {
  // one by one: libp2p's components are a proxy that throws for what it does not have
  return components => {
    const { peerId, peerStore, connectionManager, events, addressManager, datastore, metrics, logger } = components
    return new EnhancedDHTDiscovery({ peerId, peerStore, connectionManager, events, addressManager, datastore, metrics, logger, services: () => allComponents(components) }, init)
  }
}

/**
 * Knows who has a block before anybody is asked for it, and keeps the map of the
 * DHT fresh. kad-dht stays its server and its table.
 */
export class EnhancedDHTDiscovery implements Startable, AnnouncesMany {
  /** For content routing: who has a block, from memory if possible */
  readonly source: ProviderSource
  /** Where providers are: whoever composes content routing over this node uses it too */
  readonly addresses: ProviderAddresses
  readonly #events: EnhancedDHTDiscoveryComponents['events']
  readonly #client: Libp2pKadClient
  readonly #table: KadTable
  readonly #timing = new PeerTiming()
  readonly #keptTiming: KeptTiming
  readonly #figures: WalkFigures
  readonly #walker: WaryWalker
  readonly #separate: SeparateLookups
  readonly #refresh: BucketRefresh
  readonly #records: ProviderRecords
  readonly #recorded: RecordedSource
  readonly #announcements: Announcements
  readonly #answers: DHTAnswers
  readonly #firstPeer: FirstPeer
  readonly #way: WayIn
  readonly #kept: KeptTables
  #isRunning = false

  constructor (components: EnhancedDHTDiscoveryComponents, init: EnhancedDHTDiscoveryInit = {}) {
    const { logger, datastore, metrics, events, peerId, peerStore, connectionManager, addressManager } = components
    const { clock = systemClock, random = systemRandom, policy = addressPolicy(), protocol, bootstrap, announce, switches = presetOf, lookupNode, told = all => all, ledger } = init
    const { turn } = init.batches ?? new LookupBatches({ clock, random }, switches)
    const self = peerId.toString()
    const usable = usableOver(policy)
    this.#events = events
    this.#figures = new WalkFigures(clock)
    this.#client = new Libp2pKadClient({ clock, logger, connectionManager, self }, { protocol, usable })
    this.#table = new KadTable({ logger, peerStore, events, self }, { usable })
    this.#way = new WayIn({ clock, random, logger, self, events, peerStore, connectionManager, policy, client: this.#client, table: this.#table }, { protocol, bootstrap, usable })
    this.#firstPeer = new FirstPeer({ clock, events, anybody: () => this.#way.anybody() })
    const joined = async (signal: AbortSignal): Promise<boolean> => this.#firstPeer.joined(signal)
    const { client } = this.#way
    // any walk begins with whom the table has, and refreshes the bucket that it goes through
    const begun: Pick<KadTable, 'nearest'> = {
      nearest: (key, count) => {
        this.#refresh.walked(key)
        return this.#table.nearest(key, count)
      }
    }
    const walking = { clock, client, table: begun, timing: this.#timing, networksOf: networksUnder(policy) }
    const walker = new Walker(walking)
    const regions = { clock, random, log: logger.forComponent('portolan:discovery:regions'), size: new NetworkSize() }
    this.#walker = new WaryWalker({ ...regions, client, walker })
    this.#separate = new SeparateLookups({ clock, logger, create: lookupNode, switches, turn, table: this.#table, walking: { ...walking, joined }, regions, walker: this.#walker }, { protocol, usable })
    const refresher = new Walker(walking, { k: REFRESH_WIDTH, concurrency: REFRESH_WIDTH })
    this.#refresh = new BucketRefresh({ clock, random, logger, self, table: this.#table, timing: this.#timing, walker: { findClosest: async (preimage, options) => this.#walker.findClosest(preimage, options, refresher) } })
    this.#answers = new DHTAnswers({
      clock,
      ledger,
      log: logger.forComponent('portolan:discovery:kad-dht'),
      services: () => components.services?.() ?? [],
      peerStore,
      self,
      source: () => this.source,
      onRecord: cid => { this.#records.renew(blockKey(cid)) }
    }, protocol ?? DEFAULT_KAD_PROTOCOL)
    this.#records = new ProviderRecords(clock)
    this.#recorded = new RecordedSource({
      records: this.#records,
      clock,
      logger,
      source: dhtSource({
        logger,
        policy,
        joined,
        expected: () => this.#isRunning && this.#way.expected(),
        stored: async (cid, signal) => this.#answers.routers.stored(cid, signal),
        turn,
        walk: (cid, options) => this.#figures.watch(options, seen => this.#separate.walkerFor(options.request).findProviders(cid, seen))
      })
    })
    this.addresses = new ProviderAddresses({ clock, random, logger, policy, ledger, lookup: this.#separate.peerLookup, node: () => ({ events, connections: connectionManager, peerStore }) })
    this.source = addressedSource(this.#recorded, () => this.addresses)
    this.#announcements = new Announcements({
      clock,
      ledger,
      random,
      log: logger.forComponent('portolan:discovery:announce'),
      client,
      walker: this.#walker,
      timing: this.#timing,
      self,
      policy,
      addresses: () => told(addressManager.getAddresses()),
      joined
    }, announce)
    this.#keptTiming = new KeptTiming(clock, this.#timing)
    this.#kept = new KeptTables({ clock, random, logger, datastore }, [
      { table: this.#keptTiming, prefix: TIMING_PREFIX, name: 'discovery:timing' },
      this.addresses.kept,
      { table: this.#records, prefix: RECORDS_PREFIX, name: 'discovery:records' },
      this.#way.kept,
      ...this.#announcements.tables.map(table => ({ ...table, timeout: LOAD_TIMEOUT }))
    ])

    if (metrics != null) {
      discoveryMetrics(metrics, () => this.stats())
    }
  }

  isStarted (): boolean {
    return this.#isRunning
  }

  async start (): Promise<void> {
    if (this.#isRunning) {
      return
    }
    this.#isRunning = true
    this.#answers.routers.start()
    this.#firstPeer.start()
    this.#events.addEventListener('peer:connect', this.#onConnect)
    this.#client.start()
    this.#separate.start()
    this.addresses.start()
    this.#refresh.start()
    this.#announcements.start()
    await Promise.all([
      this.#kept.bounded('read the peers of the DHT', async signal => this.#table.start({ signal })),
      this.#kept.load()
    ])
    if (this.#isRunning) {
      this.#announcements.restored()
      this.#kept.start()
      this.#way.start()
    }
  }

  async stop (): Promise<void> {
    if (!this.#isRunning) {
      return
    }
    this.#isRunning = false
    this.#answers.routers.stop()
    this.#events.removeEventListener('peer:connect', this.#onConnect)
    this.#firstPeer.stop()
    this.#way.stop()
    this.#refresh.stop()
    this.#recorded.stop()
    this.addresses.stop()
    const announced = this.#announcements.stop()
    this.#client.stop()
    this.#table.stop()
    await Promise.all([announced, this.#separate.stop()])
    this.#keptTiming.flush()
    await this.#kept.stop()
  }

  /**
   * What others look up through libp2p is disclosed by these requests, until the
   * returned function is called: content routing on this node does so while it runs.
   */
  discloseWith (request: (cid: CID) => Request): () => void {
    return this.#answers.discloseWith(request)
  }

  /** Somebody said that who has it has changed */
  forget (key: BlockKey): void {
    this.#records.forget(key)
  }

  /**
   * Tells the peers of the DHT nearest to each block that we have it. Many
   * together cost little more than one: they are announced region by region of
   * the keyspace. As long as they are stored they are announced again, every 22 h,
   * until `cancel`.
   *
   * Rejects with an `AnnounceRefusedError` when nobody would have anything of it,
   * and with an `AggregateError` of the blocks that no peer took, at the end.
   */
  async announce (cids: Iterable<CID> | AsyncIterable<CID>, options: AnnounceOptions & { request? (cid: CID): Discloses } = {}): Promise<AnnounceResult> {
    return this.#announcements.announce(this.#forgotten(cids), options)
  }

  /** These are not announced again; records that lie with others last for two days. @returns how many were announced */
  cancel (cids: Iterable<CID>): number {
    return this.#announcements.cancel(cids)
  }

  stats (): DiscoveryStats {
    const { buckets, ...refreshes } = this.#refresh.stats()
    return {
      peers: this.#table.size,
      silent: this.#timing.silent,
      lookups: this.#recorded.stats(),
      walks: this.#figures.stats(),
      ...this.#walker.stats(),
      records: this.#records.size,
      buckets,
      refreshes,
      kept: this.#keptStats(),
      announcements: this.#announcements.stats(),
      joining: this.#way.stats(),
      addresses: this.addresses.stats()
    }
  }

  #keptStats (): DiscoveryStats['kept'] {
    const { dropped, failedWrites } = this.#kept.stats()
    return { dropped: dropped + this.#keptTiming.passedOver, failedWrites }
  }

  /** Who has them is another from now on */
  async * #forgotten (cids: Iterable<CID> | AsyncIterable<CID>): AsyncGenerator<CID, void, undefined> {
    for await (const value of cids) {
      // what is none is refused further on
      const cid = CID.asCID(value)

      if (cid != null) {
        this.#records.forget(blockKey(cid))
      }
      yield value
    }
  }

  /** Whoever can be connected to is not gone */
  readonly #onConnect = ({ detail }: CustomEvent<PeerId>): void => {
    this.#timing.connected(detail.toString())
  }
}
