import { addressedSource } from './discovery/addresses/addressed-source.ts'
import { libp2pPeerLookup } from './discovery/addresses/peer-routing-egress.ts'
import { ProviderAddresses } from './discovery/addresses/provider-addresses.ts'
import { KeptTables } from './discovery/kept-tables.ts'
import { discoveryOf } from './discovery/node-discovery.ts'
import { deliveringFetcher } from './exchange/delivering-fetcher.ts'
import { AddressGuard } from './exchange/lease/address-guard.ts'
import { dialableAddresses } from './exchange/lease/dialable-addresses.ts'
import { RoutingRequest } from './routing/request.ts'
import type { AddressesUser } from './discovery/addresses/provider-addresses.ts'
import type { HasPeerRouting } from './discovery/addresses/peer-routing-egress.ts'
import type { AddressGuardComponents } from './exchange/lease/address-guard.ts'
import type { DialContext } from './exchange/lease/lease-egress.ts'
import type { Clock, Random } from './interface/clock.ts'
import type { Ledger, PrivacyMode } from './interface/disclosure.ts'
import type { BlockFetcher } from './interface/fetcher.ts'
import type { ComponentLogger } from './interface/logger.ts'
import type { Provider, ProviderSource } from './interface/provider.ts'
import type { AddressesStats } from './interface/stats.ts'
import type { AddressPolicy } from './provider/address.ts'
import type { Libp2p } from '@libp2p/interface'
import type { Datastore } from 'interface-datastore'

/** The part of a libp2p node whose connections say where providers are */
export interface AddressedLibp2p extends Pick<Libp2p, 'addEventListener' | 'removeEventListener' | 'getConnections' | 'dial'>, HasPeerRouting {
  readonly peerStore: Pick<Libp2p['peerStore'], 'get'>
  readonly services?: object
}

export interface NodeAddressesComponents {
  readonly clock: Clock
  readonly random: Random
  readonly logger: ComponentLogger
  readonly ledger: Ledger
  /** @default 'open' */
  readonly mode?: PrivacyMode
  readonly policy: AddressPolicy
  readonly datastore?: Datastore
  /** May throw or return undefined while there is none */
  getLibp2p (): AddressedLibp2p | undefined
  readonly names: Pick<AddressGuardComponents, 'resolve' | 'resolveText'>
  /** The node's transports connect to what was resolved and checked */
  readonly pinned: boolean
  inUse (peer: string): boolean
}

const NEVER = new AbortController().signal

/** Where providers are, for content routing over a node: one book, that of the node's discovery where it has one */
export class NodeAddresses {
  readonly #own: ProviderAddresses
  readonly #kept: KeptTables
  readonly #elsewhere: () => ProviderAddresses | undefined
  readonly #user: AddressesUser
  #started: ProviderAddresses | undefined
  #leave: () => void = () => {}

  constructor ({ clock, random, logger, ledger, mode = 'open', policy, datastore, getLibp2p, names, pinned, inUse }: NodeAddressesComponents) {
    const log = logger.forComponent('portolan:discovery:addresses')
    this.#elsewhere = () => {
      try {
        return discoveryOf(getLibp2p()?.services)?.addresses
      } catch (err) {
        // withLibp2p's getter throws until the node has started
        log.trace('no libp2p node - %e', err)
        return undefined
      }
    }
    this.#user = {
      ...dialableAddresses(new AddressGuard({ policy, clock, ...names }), { pinsNames: pinned }),
      inUse,
      request: new RoutingRequest({ ledger, clock }, { id: 'addresses', purpose: 'probe', mode, signal: NEVER, deadline: () => Infinity, priority: () => 0 })
    }
    this.#own = new ProviderAddresses({
      clock,
      random,
      logger,
      policy,
      ...this.#user,
      node: () => {
        const libp2p = getLibp2p()
        return libp2p == null ? undefined : { events: libp2p, connections: libp2p, peerStore: libp2p.peerStore }
      },
      lookup: libp2pPeerLookup(getLibp2p)
    })
    this.#kept = new KeptTables({ clock, random, logger, datastore }, [this.#own.kept])
  }

  async start (): Promise<void> {
    if (this.#started == null) {
      this.#started = this.#elsewhere() ?? this.#own

      if (this.#started === this.#own) {
        await this.#kept.load()
        this.#own.start()
        this.#kept.start()
      } else {
        this.#leave = this.#started.usedBy(this.#user)
      }
    }
  }

  async stop (): Promise<void> {
    const started = this.#started
    this.#started = undefined
    this.#leave()

    if (started === this.#own) {
      this.#own.stop()
      await this.#kept.stop()
    }
  }

  stats (): AddressesStats {
    return this.#current.stats()
  }

  /** As a provider is asked: at the addresses that work */
  readonly complete = (provider: Provider, mode: PrivacyMode): Provider => this.#current.complete(provider, mode)

  readonly onDialled: NonNullable<DialContext['onDialled']> = (peer, address, result) => { this.#current.dialled(peer, address, result) }

  /** Whom it names without an address is looked for */
  addressed (source: ProviderSource): ProviderSource {
    return addressedSource(source, () => this.#started)
  }

  /** Who delivers by it is there */
  learningFrom (fetcher: BlockFetcher): BlockFetcher {
    return deliveringFetcher(fetcher, (route, { mode }) => { this.#current.delivered(route, mode) })
  }

  get #current (): ProviderAddresses {
    return this.#started ?? this.#own
  }
}
