import { peerIdFromString } from '@libp2p/peer-id'
import { anySignal } from 'any-signal'
import { raceSignal } from '../../clock/race-signal.ts'
import { FIRST_UNRESERVED_PORT } from '../../provider/address.ts'
import { failureDomains } from '../../provider/domains.ts'
import { addressEndpoint, withoutPeer } from '../../provider/endpoint.ts'
import { parseHost } from '../../provider/host.ts'
import { peerOfProvider } from '../../provider/identity.ts'
import { isNamed } from '../../provider/named-source.ts'
import { MAX_ADDRESSES } from '../../provider/provider.ts'
import { ownRequests } from '../own-requests.ts'
import { ADDRESSES_PREFIX, AddressBook } from './address-book.ts'
import { Prober } from './prober.ts'
import { PRIVACY_PRESETS } from '../../interface/privacy-preset.ts'
import type { PeerLookup } from './peer-lookup.ts'
import type { ProbeConnections } from './probe-egress.ts'
import type { Discloses } from '../kad/walker.ts'
import type { KeptTableInit } from '../kept-tables.ts'
import type { Clock, Random } from '../../interface/clock.ts'
import type { Disclosure, Ledger, PrivacyMode } from '../../interface/disclosure.ts'
import type { ComponentLogger, Logger } from '../../interface/logger.ts'
import type { Provider, Route } from '../../interface/provider.ts'
import type { Request } from '../../interface/request.ts'
import type { AddressesStats } from '../../interface/stats.ts'
import type { AddressPolicy } from '../../provider/address.ts'
import type { Libp2pEvents, PeerStore, TypedEventTarget } from '@libp2p/interface'

/** The part of a libp2p node that is used here */
export interface AddressedNode {
  readonly events: Pick<TypedEventTarget<Libp2pEvents>, 'addEventListener' | 'removeEventListener'>
  readonly connections: ProbeConnections
  readonly peerStore: Pick<PeerStore, 'get'>
}

export interface ProviderAddressesComponents {
  readonly clock: Clock
  readonly random: Random
  readonly logger: ComponentLogger
  readonly policy: AddressPolicy
  /** May throw or return undefined while there is none */
  node (): AddressedNode | undefined
  /** Where it is written down whom a probe tells. @default nowhere */
  readonly ledger?: Ledger
  /** For the disclosure of probes. @default one of its own */
  readonly request?: Discloses
  /** Whether this node has a transport for an address. @default it may have */
  dialable? (address: string): boolean
  /** What of an address may be dialled, with names resolved and checked. @default addresses with an IP address in them */
  check? (address: string, peer: string, options: { signal: AbortSignal, discloseName (): Disclosure }): Promise<readonly string[]>
  /** Whether somebody is about to use a connection to the peer */
  inUse? (peer: string): boolean
  /** Who is asked for the addresses of a peer that has none. @default nobody */
  readonly lookup?: PeerLookup
}

/** Who asks the providers, and knows more about it: what is left out stays as it was */
export type AddressesUser = Pick<ProviderAddressesComponents, 'request' | 'dialable' | 'check' | 'inUse'>

/** Milliseconds for the addresses of one peer */
const SEEK_TIMEOUT = 10_000

/** What a completed provider is made from: as long as both stay the same, so does it */
interface Completed {
  readonly version: number
  readonly until: number
  readonly provider: Provider
}

/** Milliseconds for which the order of addresses is not looked at again: reads name the same few providers for each block */
const ORDER_HOLDS = 10_000

/**
 * Where providers are: what ordinary connections and failures say, and what a few
 * probes find out. Every provider that is handed out passes through here.
 */
export class ProviderAddresses {
  readonly #components: ProviderAddressesComponents
  readonly #book = new AddressBook()
  readonly #prober: Prober
  readonly #log: Logger
  readonly #completed = new WeakMap<Provider, Completed>()
  readonly #heard = new WeakSet<Provider>()
  readonly #counts = { refused: 0, sought: 0, found: 0 }
  #user: AddressesUser = {}
  #watched: AddressedNode['events'] | undefined
  #running: AbortController | undefined

  constructor (components: ProviderAddressesComponents) {
    const { clock, random, request = ownRequests(components, 'probe')(), check = async address => this.#isLiteral(address) ? [address] : [], inUse } = components
    this.#components = components
    this.#log = components.logger.forComponent('portolan:discovery:addresses')
    this.#prober = new Prober({
      book: this.#book,
      clock,
      random,
      log: this.#log,
      connections: () => this.#node()?.connections,
      disclose: peer => (this.#user.request ?? request).disclose({ observer: `p2p:${peer}`, form: 'none', transport: 'dial', audience: 'one' }),
      check: async (...args) => (this.#user.check ?? check)(...args),
      inUse: peer => (this.#user.inUse ?? inUse)?.(peer) === true
    })
  }

  /** Content routing uses it from now on, until the returned function is called */
  usedBy (user: AddressesUser): () => void {
    this.#user = user
    return () => { this.#user = this.#user === user ? {} : this.#user }
  }

  /** What outlives the process */
  get kept (): KeptTableInit {
    return { table: this.#book.kept(this.#components.clock), prefix: ADDRESSES_PREFIX, name: 'discovery:addresses' }
  }

  /** Follows the connections of the node, and tries addresses in the background */
  start (): void {
    if (this.#running != null) {
      return
    }
    this.#running = new AbortController()
    this.#prober.start()

    this.#watched = this.#node()?.events
    this.#watched?.addEventListener('connection:open', this.#onOpen)
    this.#watched?.addEventListener('peer:identify', this.#onIdentify)
  }

  /** What was learnt stays */
  stop (): void {
    this.#prober.stop()
    this.#running?.abort(new DOMException('Addresses are not looked after any more', 'AbortError'))
    this.#running = undefined
    this.#watched?.removeEventListener('connection:open', this.#onOpen)
    this.#watched?.removeEventListener('peer:identify', this.#onIdentify)
    this.#watched = undefined
  }

  stats (): AddressesStats {
    return { ...this.#book.counts(), ...this.#prober.stats(), ...this.#counts }
  }

  /**
   * The provider with the addresses that it is known to be at first, and without
   * those where it is not, as long as there is another. Takes no time, and asks nobody.
   */
  complete (provider: Provider, mode: PrivacyMode): Provider {
    const peer = peerOfProvider(provider.id)

    if (peer == null) {
      return provider
    }
    const now = this.#components.clock.now()
    const known = this.#completed.get(provider)

    if (known != null && known.until > now && known.version === this.#book.version(peer)) {
      return known.provider
    }
    const usable = provider.addresses.filter(isMultiaddr).filter(address => this.#isUsable(address))

    // what is said once is not news whenever it is looked at
    if (!this.#heard.has(provider)) {
      this.#book.told(peer, usable, now)
      this.#heard.add(provider)
    }
    // elsewhere who was merely named learns nothing of us before it is asked
    if (PRIVACY_PRESETS[mode].probes === 'anybody' || isNamed(provider.source)) {
      this.#book.worth(peer, 'named', now)
    }
    const completed = this.#ordered(provider, peer, usable, now)
    const entry = { version: this.#book.version(peer), until: now + ORDER_HOLDS, provider: completed }
    this.#completed.set(provider, entry)
    this.#completed.set(completed, entry)
    this.#heard.add(completed)
    return completed
  }

  /** The provider with addresses that others know of it; undefined when nobody does, and when they were asked a while ago. Never rejects. */
  async seek (provider: Provider, request: Request, outer: AbortSignal): Promise<Provider | undefined> {
    const { lookup, clock } = this.#components
    const peer = peerOfProvider(provider.id)
    const now = clock.now()

    if (peer == null || lookup == null || this.#running == null || request.signal.aborted) {
      return undefined
    }
    using timeout = clock.timeout(Math.min(SEEK_TIMEOUT, Math.max(0, request.deadline - now)))
    const signal = anySignal([request.signal, outer, timeout.signal, this.#running.signal])

    try {
      if (await this.#isKnown(peer, signal) || !this.#book.seek(peer, now)) {
        return undefined
      }
      this.#counts.sought++
      const addresses = (await lookup(peer, request, { signal })).filter(address => this.#isUsable(address)).slice(0, MAX_ADDRESSES)
      this.#book.told(peer, addresses, clock.now())
      this.#counts.found += Math.sign(addresses.length)
      return addresses.length === 0 ? undefined : this.complete(provider, request.mode)
    } catch (err) {
      this.#log('%s was not found - %e', peer, err)
      return undefined
    } finally {
      signal.clear()
    }
  }

  /** Somebody delivered */
  delivered ({ provider: id }: Route, mode: PrivacyMode): void {
    const peer = peerOfProvider(id)
    const now = this.#components.clock.now()

    this.#book.alive(now)

    if (peer == null) {
      return
    }
    if (this.#book.confirm(peer, now)) {
      this.#confirm(peer, now)
    }
    // it knows of us: a probe tells it nothing
    if (PRIVACY_PRESETS[mode].probes !== 'named' && this.#book.has(peer)) {
      this.#book.worth(peer, 'delivered', now)
    }
  }

  /** What came of a dial that somebody else made, for a read */
  dialled (peer: string, address: string, { reached, startedAt }: { readonly reached: boolean, readonly startedAt: number }): void {
    const { clock, random } = this.#components

    if (reached) {
      this.#book.reached(peer, address, clock.now())
    } else {
      this.#book.failed(peer, address, startedAt, clock.now(), random.next())
    }
  }

  #ordered (provider: Provider, peer: string, usable: readonly string[], now: number): Provider {
    const known = this.#book.addresses(peer, now).map(({ text }) => `${text}/p2p/${peer}`)
    // where all is of no use, the reader is told why
    const useless = provider.addresses.filter(address => isMultiaddr(address) && !usable.includes(address))
    const unplaced = usable.filter(address => this.#book.get(peer, address) == null)
    const ways = known.length > 0 ? [...known, ...unplaced] : [...unplaced, ...useless]
    const origins = provider.addresses.filter(address => !isMultiaddr(address))
    const addresses = [...new Set(isMultiaddr(provider.addresses[0] ?? '/') ? [...ways.slice(0, MAX_ADDRESSES - Math.min(4, origins.length)), ...origins] : [...origins, ...ways])].slice(0, MAX_ADDRESSES)

    if (addresses.length === provider.addresses.length && addresses.every((address, i) => address === provider.addresses[i])) {
      return provider
    }
    return { ...provider, addresses, domains: failureDomains(addresses, this.#components.policy) }
  }

  /** By which address is it connected? One that it came from is no place to find it at. */
  #confirm (peer: string, now: number): void {
    const outbound = this.#node()?.connections.getConnections(peerIdFromString(peer)).find(({ direction, limits, status }) => direction === 'outbound' && limits == null && status === 'open')
    const address = outbound?.remoteAddr.toString()

    if (address != null && this.#isUsable(address)) {
      this.#book.told(peer, [address], now, true)
      this.#book.reached(peer, address, now)
    }
  }

  /** To libp2p: it is connected, or its addresses are in the peer store, where whoever dials finds them */
  async #isKnown (peer: string, signal: AbortSignal): Promise<boolean> {
    const node = this.#node()
    const id = peerIdFromString(peer)

    if (node == null || node.connections.getConnections(id).length > 0) {
      return node != null
    }
    try {
      const { addresses } = await raceSignal(node.peerStore.get(id, { signal }), signal)
      return addresses.some(({ multiaddr }) => this.#isUsable(multiaddr.toString()))
    } catch (err) {
      signal.throwIfAborted()
      this.#log.trace('%s is not in the peer store - %e', peer, err)
      return false
    }
  }

  #node (): AddressedNode | undefined {
    try {
      return this.#components.node()
    } catch (err) {
      this.#log.trace('there is no node - %e', err)
      return undefined
    }
  }

  #isUsable (address: string): boolean {
    const { policy, dialable = this.#user.dialable } = this.#components
    const endpoint = addressEndpoint(address)
    const usable = endpoint != null && policy.allows(endpoint.host, endpoint.port ?? FIRST_UNRESERVED_PORT) && dialable?.(address) !== false
    this.#counts.refused += usable ? 0 : 1
    return usable
  }

  #isLiteral (address: string): boolean {
    return parseHost(addressEndpoint(address)?.host ?? '')?.ip != null && !address.includes('/sni/') && !address.includes('/p2p-circuit')
  }

  readonly #onOpen = ({ detail }: Libp2pEvents['connection:open']): void => {
    const { direction, remotePeer, remoteAddr, limits } = detail
    const now = this.#components.clock.now()

    // the far end of a connection that it opened is no place to find it at
    if (direction === 'outbound' && limits == null) {
      this.#book.reached(remotePeer.toString(), remoteAddr.toString(), now)
    } else {
      this.#book.alive(now)
    }
  }

  readonly #onIdentify = ({ detail }: Libp2pEvents['peer:identify']): void => {
    const peer = detail.peerId.toString()

    if (this.#book.has(peer)) {
      const { signedPeerRecord } = detail
      const addresses = (signedPeerRecord?.addresses ?? detail.listenAddrs).slice(0, 4 * MAX_ADDRESSES).map(address => withoutPeer(address.toString(), peer))
      this.#book.told(peer, addresses.filter(address => this.#isUsable(address)), this.#components.clock.now(), signedPeerRecord != null)
    }
  }
}

function isMultiaddr (address: string): boolean {
  return address.startsWith('/')
}
