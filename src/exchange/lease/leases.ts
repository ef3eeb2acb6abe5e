import { peerIdFromString } from '@libp2p/peer-id'
import { raceSignal } from '../../clock/race-signal.ts'
import { FetchError } from '../../interface/errors.ts'
import { quote } from '../../interface/quote.ts'
import { peerOfText } from '../../provider/identity.ts'
import { printable } from '../http/printable.ts'
import { WANTS_PER_PEER } from '../wants-per-peer.ts'
import { Backoff } from './backoff.ts'
import { nameDisclosure } from './disclosed-names.ts'
import { DEFAULT_ADDRESS_TIMEOUT, DEFAULT_STAGGER, dialPeer } from './lease-egress.ts'
import { LeasedPeer } from './leased-peer.ts'
import { Protection } from './protection.ts'
import { overRelays } from './relays.ts'
import { ProvenAddresses } from './proven-addresses.ts'
import type { AddressGuard, CheckedAddresses, SkippedAddress } from './address-guard.ts'
import type { BackoffInit } from './backoff.ts'
import type { DialContext, Dialled } from './lease-egress.ts'
import type { ConnectionLeases, Lease, LeaseTarget } from './lease.ts'
import type { Clock, Random } from '../../interface/clock.ts'
import type { Disclosure } from '../../interface/disclosure.ts'
import type { ComponentLogger, Logger } from '../../interface/logger.ts'
import type { Libp2p } from '@libp2p/interface'

/** The part of a libp2p node that is used here */
export interface LeasedLibp2p extends Pick<Libp2p, 'peerId' | 'dial' | 'getConnections'> {
  readonly peerStore: Pick<Libp2p['peerStore'], 'get' | 'merge'>
}

export interface ConnectionLeasesComponents {
  /** Read at each use: a wrapped node has none before it has started */
  libp2p: () => LeasedLibp2p
  guard: AddressGuard
  clock: Clock
  random: Random
  logger: ComponentLogger
  onDialled?: DialContext['onDialled']
}

export interface ConnectionLeasesInit {
  /** Milliseconds for which a connection that nobody holds any more is kept. @default 30_000 */
  idleTimeout?: number
  /** Leases of one peer at a time, waiting ones included. @default 1024 */
  maxLeasesPerPeer?: number
  /** Peers with a lease at a time, or whose last one was released a moment ago. @default 256 */
  maxPeers?: number
  /** Peers that are dialled at a time. @default 64 */
  maxDials?: number
  /** Milliseconds before the next address of a peer is dialled beside one that has not answered. @default 250 */
  stagger?: number
  /** Milliseconds for one address of a peer. @default 5_000 */
  addressTimeout?: number
  /** Milliseconds for all addresses of a peer. @default 15_000 */
  dialTimeout?: number
  /**
   * Addresses of secure WebSockets may be dialled: the node's transport connects
   * to the IP address in them, as that of `libp2pOptions` does. libp2p's own
   * looks up the name of the certificate once more, and goes where that leads.
   *
   * @default false
   */
  pinsNames?: boolean
  backoff?: BackoffInit
}

/** Milliseconds: a reader that thinks between two files finds the connection still there; a dial costs about 4 round trips */
export const DEFAULT_IDLE_TIMEOUT = 30_000
/** One lease is one block that is waited for */
const DEFAULT_MAX_LEASES_PER_PEER = WANTS_PER_PEER
/** Below libp2p's 300 connections: who is protected from pruning must not be everybody */
export const DEFAULT_MAX_PEERS = 256
/** libp2p dials 100 at a time, for the DHT too */
export const DEFAULT_MAX_DIALS = 64
/** Milliseconds: three addresses in a row that say nothing, more than any read waits for one provider */
export const DEFAULT_DIAL_TIMEOUT = 15_000
/** Addresses of a peer that are looked at: a record of the public network has up to 30, most of which cannot be dialled here */
const MAX_READ = 32
/** Milliseconds for the peer store, which may be on a disk: it is looked at before the first dial */
const STORE_TIMEOUT = 250

/**
 * Connection leases over a libp2p node, whose connection manager stays the
 * pool underneath. A holder learns of the end of its connection by the
 * connection's own `close` event.
 *
 * An open connection is used at once, a direct one rather than a relayed one.
 * Limited ones (through relays that count bytes) are never leased: bitswap does
 * not run on them, and a block seldom fits.
 */
export function connectionLeases (components: ConnectionLeasesComponents, init: ConnectionLeasesInit = {}): ConnectionLeases & LeaseStats {
  return new Leases(components, init)
}

export interface LeaseStats {
  /** What is held now */
  readonly size: { readonly peers: number, readonly leases: number, readonly dials: number, readonly backingOff: number }
}

class Leases implements ConnectionLeases, LeaseStats {
  readonly #components: ConnectionLeasesComponents
  readonly #init: Required<Omit<ConnectionLeasesInit, 'backoff'>>
  readonly #log: Logger
  readonly #backoff: Backoff
  readonly #hosts = new Map<string, number>()
  readonly #peers = new Map<string, LeasedPeer>()
  readonly #protection: Protection
  readonly #proven = new ProvenAddresses()
  #running = false
  #cancelRenewal: () => void = () => {}

  constructor (components: ConnectionLeasesComponents, init: ConnectionLeasesInit) {
    this.#components = components
    this.#log = components.logger.forComponent('portolan:exchange:lease')
    this.#backoff = new Backoff(components, init.backoff)
    this.#protection = new Protection(() => components.libp2p().peerStore, components.clock, this.#log)
    this.#init = {
      idleTimeout: init.idleTimeout ?? DEFAULT_IDLE_TIMEOUT,
      maxLeasesPerPeer: init.maxLeasesPerPeer ?? DEFAULT_MAX_LEASES_PER_PEER,
      maxPeers: init.maxPeers ?? DEFAULT_MAX_PEERS,
      maxDials: init.maxDials ?? DEFAULT_MAX_DIALS,
      stagger: init.stagger ?? DEFAULT_STAGGER,
      addressTimeout: init.addressTimeout ?? DEFAULT_ADDRESS_TIMEOUT,
      dialTimeout: init.dialTimeout ?? DEFAULT_DIAL_TIMEOUT,
      pinsNames: init.pinsNames ?? false
    }
  }

  get size (): LeaseStats['size'] {
    const peers = [...this.#peers.values()]

    return {
      peers: peers.length,
      leases: peers.reduce((sum, { held }) => sum + held, 0),
      dials: peers.filter(({ dialling }) => dialling).length,
      backingOff: this.#backoff.size
    }
  }

  start (): void {
    if (!this.#running) {
      this.#running = true
      this.#renewLater()
    }
  }

  async stop (): Promise<void> {
    if (!this.#running) {
      return
    }
    this.#running = false
    this.#cancelRenewal()
    const peers = [...this.#peers.values()]
    this.#peers.clear()
    this.#backoff.clear()
    this.#proven.clear()
    await Promise.all(peers.map(async peer => peer.end()))
  }

  async acquire (target: LeaseTarget, { signal }: { signal: AbortSignal }): Promise<Lease> {
    const text = peerOfText(target.peer)

    if (!this.#running || signal.aborted) {
      throw this.#error('cancelled', target.peer, this.#running ? 'was not waited for' : 'was not reached: connection leases are not running', signal.reason)
    }
    if (text == null) {
      throw this.#error('unreachable', target.peer, 'is no peer id')
    }

    const peer = this.#peer(text)

    if (peer.users >= this.#init.maxLeasesPerPeer) {
      throw this.#error('overloaded', text, `has ${peer.users} leases on its connection already`)
    }

    return peer.acquire(target, signal)
  }

  proven (peer: string): boolean {
    return this.#proven.of(peer).length > 0
  }

  #peer (text: string): LeasedPeer {
    const known = this.#peers.get(text)

    if (known != null) {
      return known
    }
    if (this.#peers.size >= this.#init.maxPeers) {
      this.#makeRoom(text)
    }

    const libp2p = this.#components.libp2p()
    const id = peerIdFromString(text)

    if (id.equals(libp2p.peerId)) {
      throw this.#error('unreachable', text, 'is this node itself')
    }

    const { clock } = this.#components
    const peer: LeasedPeer = new LeasedPeer(id, {
      libp2p,
      clock,
      log: this.#log,
      protection: this.#protection,
      idleTimeout: this.#init.idleTimeout,
      dialTimeout: this.#init.dialTimeout,
      reach: async (target, signal) => this.#reach(libp2p, peer, target, signal),
      reached: address => { this.#proven.add(text, address) },
      ended: () => {
        if (this.#peers.get(text) === peer) {
          this.#peers.delete(text)
        }
      }
    })
    this.#peers.set(text, peer)
    return peer
  }

  /** The peer that nobody has used for longest gives way */
  #makeRoom (text: string): void {
    for (const [key, peer] of this.#peers) {
      if (peer.users === 0) {
        this.#peers.delete(key)
        peer.end().catch((error: unknown) => { this.#log('%s was not let go of in good order - %e', key, error) })
        return
      }
    }
    throw this.#error('overloaded', text, `was not dialled: connections to ${this.#peers.size} peers are held already`)
  }

  async #reach (libp2p: LeasedLibp2p, peer: LeasedPeer, target: LeaseTarget, signal: AbortSignal): Promise<Dialled> {
    const dials = this.size.dials

    if (dials > this.#init.maxDials) {
      throw this.#error('overloaded', peer.text, `was not dialled: ${dials - 1} dials are under way`)
    }

    const known = await this.#known(libp2p, peer, signal)
    const proven = this.#proven.of(peer.text)
    const first = await this.#checked([...new Set([...proven, ...target.addresses])], peer.text, target, signal)
    // hearsay waits for what is known to be the peer's own: eight silent addresses would take all the time that anybody has
    const dialable = [...first.dialable].sort((a, b) => Number(a.relayed) - Number(b.relayed) || Number(proven.includes(b.text)) - Number(proven.includes(a.text)))

    try {
      return await this.#race(libp2p, peer, { ...first, dialable }, target.disclosure, signal)
    } catch (error) {
      // the addresses we were told may be stale: those under which libp2p knows the peer are left. A router is not asked.
      const left = signal.aborted || (error as FetchError).outcome !== 'unreachable' ? [] : known
      const second = await this.#checked(left, peer.text, target, signal)
      const rest = second.dialable.filter(({ text }) => !dialable.some(tried => tried.text === text))

      if (rest.length === 0) {
        throw dialable.length > 0 ? error as Error : this.#nowhere(peer.text, [...first.skipped, ...second.skipped])
      }
      return this.#race(libp2p, peer, { dialable: rest, skipped: second.skipped }, target.disclosure, signal)
    }
  }

  async #race (libp2p: LeasedLibp2p, peer: LeasedPeer, { dialable, skipped }: CheckedAddresses, disclosure: Disclosure, signal: AbortSignal): Promise<Dialled> {
    if (dialable.length === 0) {
      throw this.#nowhere(peer.text, skipped)
    }

    const { clock, onDialled } = this.#components
    const { stagger, addressTimeout } = this.#init
    const context: DialContext = { libp2p, clock, backoff: this.#backoff, hosts: this.#hosts, stagger, addressTimeout, onDialled }
    return dialPeer(context, peer.id, dialable, signal, disclosure)
  }

  #nowhere (peer: string, skipped: readonly SkippedAddress[]): FetchError {
    const why = skipped.length === 0
      ? 'no address of it is known, and looking for one would tell others whom we are about to ask'
      // its name was said: what is to be done comes at the end, and long texts are cut
      : skipped.map(({ text, why }) => `${printable(text.endsWith(`/p2p/${peer}`) ? text.slice(0, -`/p2p/${peer}`.length) : text)}: ${why}`).join('; ')

    return this.#error('unreachable', peer, `cannot be reached: ${why}`, skipped.find(({ refusal }) => refusal != null)?.refusal)
  }

  /** What libp2p knows; what the peer has signed of that counts as its own */
  async #known (libp2p: LeasedLibp2p, peer: LeasedPeer, signal: AbortSignal): Promise<string[]> {
    using timeout = this.#components.clock.timeout(STORE_TIMEOUT)

    try {
      const either = AbortSignal.any([signal, timeout.signal])
      const { addresses } = await raceSignal(libp2p.peerStore.get(peer.id, { signal: either }), either)
      // anybody can put others in front of them, by a record in its name
      const own = addresses.filter(({ isCertified }) => isCertified)

      if (!this.proven(peer.text)) {
        own.forEach(({ multiaddr }) => { this.#proven.add(peer.text, multiaddr.toString()) })
      }
      return [...own, ...addresses.filter(({ isCertified }) => !isCertified)].map(({ multiaddr }) => multiaddr.toString())
    } catch (error) {
      signal.throwIfAborted()
      this.#log.trace('%s is not known - %e', peer.text, error)
      return []
    }
  }

  async #checked (texts: readonly string[], peer: string, { disclosure, relays }: LeaseTarget, signal: AbortSignal): Promise<CheckedAddresses> {
    const allowed = overRelays(texts, relays, text => text)
    const checked = await this.#components.guard.checked(allowed.slice(0, MAX_READ), peer, { signal, discloseName: () => nameDisclosure(disclosure) })
    // a name says where it leads only when it was resolved
    const dialable = overRelays(checked.dialable, relays, ({ text }) => text)
    const others = [...texts.filter(text => !allowed.includes(text)).slice(0, MAX_READ), ...checked.dialable.filter(address => !dialable.includes(address)).map(({ text }) => text)]
    const skipped = [...checked.skipped, ...others.map(text => ({ text, why: 'it leads through a relay that was not named, or hole punching (DCUtR) is on' }))]

    if (this.#init.pinsNames) {
      return { dialable, skipped }
    }

    const wrapped = dialable.filter(({ kind }) => kind === 'wss')
    return {
      dialable: dialable.filter(({ kind }) => kind !== 'wss'),
      skipped: [...skipped, ...wrapped.map(({ text }) => ({ text, why: 'this node would connect to whatever its name resolves to next' }))]
    }
  }

  /** One tick for all tags */
  #renewLater (): void {
    const { clock, random } = this.#components

    this.#cancelRenewal = clock.schedule(Protection.RENEWAL * (0.9 + random.next() / 5), () => {
      for (const peer of this.#peers.values()) {
        peer.renew()
      }
      this.#renewLater()
    })
  }

  #error (outcome: FetchError['outcome'], peer: string, why: string, cause?: unknown): FetchError {
    const id = `p2p:${quote(peer).slice(1, -1)}` as const
    return new FetchError(outcome, `${id} ${why}`, { provider: id, ...(cause == null ? {} : { cause }) })
  }
}
