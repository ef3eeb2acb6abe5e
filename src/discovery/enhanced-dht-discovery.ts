import { raceSignal } from '../clock/race-signal.ts'
import { EntryKeeper } from '../keeper/entry-keeper.ts'
import { dhtSource } from './dht-source.ts'
import { BucketRefresh } from './kad/bucket-refresh.ts'
import { Libp2pKadClient } from './kad/kad-client-egress.ts'
import { kadKey } from './kad/kad-key.ts'
import { PeerTiming } from './kad/peer-timing.ts'
import { KadTable } from './kad/table.ts'
import { Walker } from './kad/walker.ts'
import { ProviderRecords, RECORDS_PREFIX } from './records/provider-records.ts'
import { RecordedSource } from './records/recorded-source.ts'
import type { BucketState } from './kad/bucket-schedule.ts'
import type { KadConnections } from './kad/kad-client-egress.ts'
import type { RecordedStats } from './records/recorded-source.ts'
import type { Clock, Random } from '../interface/clock.ts'
import type { ComponentLogger, Logger } from '../interface/logger.ts'
import type { BlockKey, ProviderSource } from '../interface/provider.ts'
import type { AddressPolicy } from '../provider/address.ts'
import type { Libp2pEvents, PeerId, PeerStore, Startable, TypedEventTarget } from '@libp2p/interface'
import type { Datastore } from 'interface-datastore'

export interface EnhancedDHTDiscoveryInit {
  /** Of the DHT, as kad-dht was given it. @default '/ipfs/kad/1.0.0' */
  readonly protocol?: string
  /** Which addresses may be dialled, and which share no failure domain. @default none that is private */
  readonly policy?: AddressPolicy
}

/** What libp2p gives its services, and how a lookup is disclosed */
export interface EnhancedDHTDiscoveryComponents {
  readonly peerId: PeerId
  readonly peerStore: Pick<PeerStore, 'all'>
  readonly connectionManager: KadConnections
  readonly events: Pick<TypedEventTarget<Libp2pEvents>, 'addEventListener' | 'removeEventListener'>
  readonly datastore?: Datastore
  readonly logger: ComponentLogger
  readonly clock: Clock
  readonly random: Random
  /** Whether an address may be dialled */
  readonly usable?: (address: string) => boolean
}

export interface DiscoveryStats {
  /** Peers of the DHT that are known */
  readonly peers: number
  /** Those of them, and of lookups, whose last word was silence */
  readonly silent: number
  readonly lookups: RecordedStats
  /** Answers remembered */
  readonly records: number
  /** Nearest first */
  readonly buckets: readonly BucketState[]
  readonly refreshes: { readonly walks: number, readonly failed: number }
}

/** Written this often, in ms: a crash loses a minute of what was found */
const SAVE_INTERVAL = 60_000
/** Loaded within this, in ms, or not at all */
const LOAD_TIMEOUT = 10_000
/** Milliseconds after the start in which a lookup waits for the first peer: a dial and its identify, some times over */
const JOINING = 10_000
/** Whom a refresh asks: each names twenty of the bucket, so eight of them know nearly all of it */
const REFRESH_WIDTH = 8

/**
 * Knows who has a block before anybody is asked for it, and keeps the map of the
 * DHT fresh. kad-dht stays its server and its table.
 */
export class EnhancedDHTDiscovery implements Startable {
  /** For content routing: who has a block, from memory if possible */
  readonly source: ProviderSource
  readonly #components: EnhancedDHTDiscoveryComponents
  readonly #log: Logger
  readonly #client: Libp2pKadClient
  readonly #table: KadTable
  readonly #timing = new PeerTiming()
  readonly #walker: Walker
  readonly #refresh: BucketRefresh
  readonly #records: ProviderRecords
  readonly #recorded: RecordedSource
  readonly #keeper?: EntryKeeper
  #isRunning = false
  #startedAt = 0
  #cancelSave: () => void = () => {}

  constructor (components: EnhancedDHTDiscoveryComponents, init: EnhancedDHTDiscoveryInit = {}) {
    const { clock, random, logger, datastore, usable } = components
    const self = components.peerId.toString()
    this.#components = components
    this.#log = logger.forComponent('portolan:discovery')
    this.#client = new Libp2pKadClient({ ...components, self }, { protocol: init.protocol, usable })
    this.#table = new KadTable({ ...components, self }, { usable })
    const walking = { clock, client: this.#client, table: this.#table, timing: this.#timing }
    this.#walker = new Walker(walking)
    this.#refresh = new BucketRefresh({ clock, random, logger, self, table: this.#table, timing: this.#timing, walker: new Walker(walking, { k: REFRESH_WIDTH, concurrency: REFRESH_WIDTH }) })
    this.#records = new ProviderRecords(clock)
    this.#keeper = datastore == null ? undefined : new EntryKeeper({ table: this.#records, datastore, logger, clock }, { prefix: RECORDS_PREFIX, name: 'discovery:records' })
    this.#recorded = new RecordedSource({
      records: this.#records,
      clock,
      logger,
      source: dhtSource({
        logger,
        policy: init.policy,
        joined: async signal => this.#joined(signal),
        walk: (cid, options) => {
          this.#refresh.walked(kadKey(cid.multihash.bytes))
          return this.#walker.findProviders(cid, options)
        }
      })
    })
    this.source = this.#recorded
  }

  isStarted (): boolean {
    return this.#isRunning
  }

  async start (): Promise<void> {
    if (this.#isRunning) {
      return
    }
    this.#isRunning = true
    this.#startedAt = this.#components.clock.now()
    this.#components.events.addEventListener('peer:connect', this.#onConnect)
    this.#client.start()
    this.#refresh.start()
    await Promise.all([
      this.#bounded('read the peers of the DHT', async signal => this.#table.start({ signal })),
      this.#bounded('load what was found before', async signal => this.#keeper?.load({ signal }))
    ])
    if (this.#isRunning) {
      this.#saveLater()
    }
  }

  async stop (): Promise<void> {
    if (!this.#isRunning) {
      return
    }
    this.#isRunning = false
    this.#components.events.removeEventListener('peer:connect', this.#onConnect)
    this.#cancelSave()
    this.#refresh.stop()
    this.#recorded.stop()
    this.#client.stop()
    this.#table.stop()
    // bounded by itself
    await this.#keeper?.save()
  }

  /** Somebody said that who has it has changed */
  forget (key: BlockKey): void {
    this.#records.forget(key)
  }

  stats (): DiscoveryStats {
    const { buckets, ...refreshes } = this.#refresh.stats()
    return { peers: this.#table.size, silent: this.#timing.silent, lookups: this.#recorded.stats(), records: this.#records.size, buckets, refreshes }
  }

  /** Whoever can be connected to is not gone */
  readonly #onConnect = ({ detail }: CustomEvent<PeerId>): void => {
    this.#timing.connected(detail.toString())
  }

  async #joined (signal: AbortSignal): Promise<boolean> {
    const { clock, events } = this.#components
    const left = this.#startedAt + JOINING - clock.now()

    if (this.#table.size > 0 || left <= 0 || !this.#isRunning) {
      return this.#table.size > 0 && this.#isRunning
    }
    const { promise, resolve } = Promise.withResolvers<void>()
    const onUpdate = (): void => {
      if (this.#table.size > 0) {
        resolve()
      }
    }
    const onAbort = (): void => { resolve() }
    const cancel = clock.schedule(left, resolve)

    events.addEventListener('peer:update', onUpdate)
    signal.addEventListener('abort', onAbort)
    try {
      await promise
    } finally {
      cancel()
      events.removeEventListener('peer:update', onUpdate)
      signal.removeEventListener('abort', onAbort)
    }
    return this.#table.size > 0 && !signal.aborted
  }

  #saveLater (): void {
    const { clock, random } = this.#components
    this.#cancelSave = clock.schedule(SAVE_INTERVAL * (0.75 + random.next() / 2), () => {
      void this.#keeper?.save().finally(() => {
        if (this.#isRunning) {
          this.#saveLater()
        }
      })
    })
  }

  /** Worth having, never worth failing or waiting for */
  async #bounded (what: string, work: (signal: AbortSignal) => Promise<void>): Promise<void> {
    using timeout = this.#components.clock.timeout(LOAD_TIMEOUT)

    try {
      await raceSignal(work(timeout.signal), timeout.signal)
    } catch (err) {
      this.#log.error('could not %s - %e', what, err)
    }
  }
}
