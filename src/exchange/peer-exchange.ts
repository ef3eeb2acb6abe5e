import { FetchError } from '../interface/errors.ts'
import { PRIVACY_PRESETS } from '../interface/privacy-preset.ts'
import { needsBitswap } from './absent-bitswap.ts'
import { bitswapFetcher } from './bitswap/bitswap-fetcher.ts'
import { Libp2pBitswapNetwork } from './bitswap/libp2p-network.ts'
import { networkAnswers } from './bitswap/server/network-answers.ts'
import { BitswapServer } from './bitswap/server/server.ts'
import { countedNetwork, noWireCounts } from './counted-network.ts'
import { AddressGuard } from './lease/address-guard.ts'
import { bestConnection } from './lease/leased-peer.ts'
import { connectionLeases } from './lease/leases.ts'
import type { BitswapFetcher } from './bitswap/bitswap-fetcher.ts'
import type { BitswapLibp2p } from './bitswap/libp2p-network.ts'
import type { BitswapFaultEvent } from './bitswap/network.ts'
import type { NetworkAnswers } from './bitswap/server/network-answers.ts'
import type { ServePolicy } from './bitswap/server/policy.ts'
import type { WireCounts } from './counted-network.ts'
import type { AddressGuardComponents } from './lease/address-guard.ts'
import type { ConnectionLeases } from './lease/lease.ts'
import type { DialContext } from './lease/lease-egress.ts'
import type { RelayRule } from './lease/relays.ts'
import type { ConnectionLeasesInit, LeaseStats, LeasedLibp2p } from './lease/leases.ts'
import type { BlockVerifier } from '../block/verify.ts'
import type { LocalStore } from '../interface/cache.ts'
import type { Random } from '../interface/clock.ts'
import type { Disclosure } from '../interface/disclosure.ts'
import type { BlockFetcher } from '../interface/fetcher.ts'
import type { ComponentLogger, Logger } from '../interface/logger.ts'
import type { Provider, Route } from '../interface/provider.ts'
import type { Attempt, Want } from '../interface/request.ts'
import type { PeerExchangeStats } from '../interface/stats.ts'
import type { CID } from 'multiformats/cid'

/** The part of a libp2p node that blocks are exchanged over */
export interface ExchangeLibp2p extends BitswapLibp2p, LeasedLibp2p {}

export interface PeerExchangeComponents extends AddressGuardComponents {
  readonly random: Random
  readonly logger: ComponentLogger
  readonly verifier: BlockVerifier
  /** The raw store. Without one nobody is served. */
  readonly store?: LocalStore
  /** An answer about this CID is about to be sent to this peer: purpose `serve` */
  readonly disclose: (peer: string, cid: CID) => Disclosure
  /** Whether the operator named this peer */
  readonly named: (peer: string) => boolean
  /** Whether the operator named this relay: in mode `strict` no peer is reached through another. @default none was */
  readonly relay?: RelayRule
  /** A peer did what no honest one does */
  readonly onFault: (event: BitswapFaultEvent) => void
  /** A peer was dialled for a read: whether it was there */
  readonly onDialled?: DialContext['onDialled']
}

export interface PeerExchangeInit {
  /** Who may be served. @default nobody; everybody, where another bitswap is replaced that did so */
  readonly serve?: ServePolicy
  readonly leases?: ConnectionLeasesInit
}

export interface PeerExchangeStart {
  /** Where the protocols are mounted. @default the node itself */
  readonly mount?: BitswapLibp2p
  /** Ours stands for a bitswap that was mounted and serving. @default false */
  readonly replaces?: boolean
}

interface Run {
  readonly libp2p: ExchangeLibp2p
  readonly network: Libp2pBitswapNetwork
  readonly fetcher: BitswapFetcher
  readonly leases: ConnectionLeases & LeaseStats
  readonly answers: NetworkAnswers
  detach (): void
}

/** Milliseconds that reads under way may still take when the protocol goes back to its owner: longer than a slow block, shorter than anybody waits for a switch */
const DRAIN_TIMEOUT = 10_000

/**
 * Blocks from and to peers while there is a libp2p node: client, server and the
 * connections under them, started and stopped any number of times.
 */
export class PeerExchange implements BlockFetcher {
  readonly name = 'bitswap'
  readonly transport = 'bitswap'
  readonly #components: PeerExchangeComponents
  readonly #init: PeerExchangeInit
  readonly #log: Logger
  readonly #counts: WireCounts = noWireCounts()
  readonly #server?: BitswapServer
  /** Fetches under way by peer */
  readonly #wanted = new Map<string, number>()
  #run?: Run
  #draining = false
  #drained: () => void = () => {}
  #turn: Promise<void> = Promise.resolve()

  constructor (components: PeerExchangeComponents, init: PeerExchangeInit = {}) {
    const { store, clock, logger, disclose } = components
    this.#components = components
    this.#init = init
    this.#log = logger.forComponent('portolan:exchange')
    this.#server = store == null
      ? undefined
      : new BitswapServer({
        store,
        clock,
        logger,
        disclose,
        transmit: async (peer, message, options) => this.#answers(peer).transmit(peer, message, options),
        chosen: peer => components.named(peer) || this.#dialled(peer)
      }, { policy: init.serve ?? 'none' })
  }

  /** The protocols are ours, and new blocks are asked for */
  get running (): boolean {
    return this.#run != null && !this.#draining
  }

  /** Monotonic milliseconds, on the clock that everything here goes by */
  now (): number {
    return this.#components.clock.now()
  }

  /** Whom anything is wanted from just now */
  wantsFrom (peer: string): boolean {
    return this.#wanted.has(peer)
  }

  /** Everybody may be served, so that whoever else answers gives nothing away */
  get servesEveryone (): boolean {
    return this.#server?.policy === 'everyone'
  }

  /** Bitswap is ours, and answers nobody who wants a block */
  get servesNobody (): boolean {
    return this.running && (this.#server?.policy ?? this.#init.serve ?? 'none') === 'none'
  }

  routes (provider: Provider): readonly Route[] {
    return this.running ? this.#run?.fetcher.routes(provider) ?? [] : []
  }

  unusable (provider: Provider): string | undefined {
    return this.running || !needsBitswap(provider) ? undefined : 'bitswap is not running, which needs a node with libp2p'
  }

  proven (route: Route): boolean {
    return this.#run?.fetcher.proven?.(route) ?? true
  }

  async fetch (want: Want, route: Route, attempt: Attempt): Promise<Uint8Array> {
    const run = this.#run

    if (run == null) {
      throw new FetchError('cancelled', `${route.provider} was not asked: bitswap is not running`, { provider: route.provider })
    }

    return this.#wanting(route.provider.slice('p2p:'.length), async () => run.fetcher.fetch(want, route, attempt))
  }

  /**
   * Whether a peer that is connected has a block, by its own word; undefined where
   * it gives none. What it is told is disclosed.
   */
  async ask (peer: string, want: Want, attempt: Pick<Attempt, 'request' | 'signal'>): Promise<boolean | undefined> {
    const run = this.#run
    const connection = bestConnection(run?.libp2p.getConnections().filter(({ remotePeer }) => remotePeer.toString() === peer) ?? [])

    return run == null || connection == null || !this.running
      ? undefined
      : this.#wanting(peer, async () => run.fetcher.ask(want, { peer, connection }, attempt))
  }

  /** Mounts the protocols before it first waits for anything. Rejects when somebody else has them. */
  async start (libp2p: ExchangeLibp2p, { mount = libp2p, replaces = false }: PeerExchangeStart = {}): Promise<void> {
    if (this.#run != null) {
      this.#draining = false
      this.#drained()
      return
    }

    const { clock, random, logger, verifier, onFault, onDialled, relay = () => false } = this.#components
    const network = new Libp2pBitswapNetwork({ libp2p: mount, clock, logger }, { onFault })
    const counted = countedNetwork(network, this.#counts)
    const leases = connectionLeases({ libp2p: () => libp2p, guard: new AddressGuard(this.#components), clock, random, logger, onDialled }, this.#init.leases)
    const fetcher = bitswapFetcher({ network: counted, leases, verifier, clock, relays: mode => PRIVACY_PRESETS[mode].relays === 'any' ? undefined : relay })
    const answers = networkAnswers(counted)
    const server = this.#server
    const run: Run = { libp2p, network, fetcher, leases, answers, detach: server == null ? () => {} : answers.attach(server) }
    this.#run = run
    this.#draining = false
    leases.start()
    fetcher.start()
    server?.setPolicy(this.#init.serve ?? (replaces ? 'everyone' : 'none'))
    server?.start()

    try {
      await network.start()
    } catch (err) {
      await this.#end(run)
      throw err
    }
  }

  /** Asks for nothing new; resolves when what is under way has ended, or took too long, or `start` was called again */
  async drain (): Promise<void> {
    this.#draining = true

    if (this.#wanted.size > 0) {
      const { promise, resolve } = Promise.withResolvers<void>()
      const cancel = this.#components.clock.schedule(DRAIN_TIMEOUT, resolve)
      this.#drained = resolve
      await promise
      cancel()
    }
  }

  /** Fails what is under way and cancels it on the wire, unmounts the protocols, lets go of connections */
  async stop (): Promise<void> {
    const run = this.#run
    const turn = this.#turn.then(async () => {
      if (run != null && this.#run === run) {
        await this.#end(run)
      }
    })
    // whoever waits for it has the error
    this.#turn = turn.then(() => {}, () => {})
    this.#drained()
    await turn
  }

  /** A block can be read from the store now: whoever waits for it is answered. Cheap, and never throws. */
  arrived (cid: CID, size?: number): void {
    if (this.#run != null) {
      this.#server?.arrived(cid, size)
    }
  }

  stats (): PeerExchangeStats {
    const { peers = 0, leases = 0, dials = 0, backingOff = 0 } = this.#run?.leases.size ?? {}

    return {
      running: this.running,
      ...this.#counts,
      wantsOpen: this.#run?.fetcher.size.wants ?? 0,
      connections: { peers, leases, dials, backingOff },
      ...this.#server == null ? {} : { serving: this.#server.stats() }
    }
  }

  /** Until it is over, what comes from this peer is for us */
  async #wanting<T> (peer: string, work: () => Promise<T>): Promise<T> {
    this.#wanted.set(peer, (this.#wanted.get(peer) ?? 0) + 1)

    try {
      return await work()
    } finally {
      const left = (this.#wanted.get(peer) ?? 1) - 1

      if (left > 0) {
        this.#wanted.set(peer, left)
      } else {
        this.#wanted.delete(peer)

        if (this.#wanted.size === 0) {
          this.#drained()
        }
      }
    }
  }

  #answers (peer: string): NetworkAnswers {
    if (this.#run == null) {
      throw new FetchError('cancelled', `${peer} was not answered: bitswap is not running`, { provider: `p2p:${peer}` })
    }
    return this.#run.answers
  }

  #dialled (peer: string): boolean {
    return this.#run?.libp2p.getConnections().some(({ direction, remotePeer }) => direction === 'outbound' && remotePeer.toString() === peer) ?? false
  }

  async #end (run: Run): Promise<void> {
    const steps: Array<() => unknown> = [
      async () => run.fetcher.stop(),
      () => { this.#server?.stop() },
      () => { run.detach() },
      async () => run.network.stop(),
      async () => run.leases.stop()
    ]
    this.#run = undefined
    this.#draining = false

    for (const step of steps) {
      try {
        await step()
      } catch (err) {
        this.#log.error('bitswap did not stop cleanly - %e', err)
      }
    }
  }
}
