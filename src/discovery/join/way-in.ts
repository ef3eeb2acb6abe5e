import { peerIdFromString } from '@libp2p/peer-id'
import { withoutPeer } from '../../provider/endpoint.ts'
import { DEFAULT_KAD_PROTOCOL } from '../kad/kad-client-egress.ts'
import { Joiner } from './joiner.ts'
import { namedPeers, taggedPeers } from './named-peers.ts'
import { RememberedPeers, rememberedPrefix } from './remembered-peers.ts'
import { rememberingClient } from './remembering-client.ts'
import type { JoiningStats } from './joiner.ts'
import type { KadClient, KadPeer } from '../kad/kad-client.ts'
import type { KadConnections } from '../kad/kad-client-egress.ts'
import type { Clock, Random } from '../../interface/clock.ts'
import type { ComponentLogger } from '../../interface/logger.ts'
import type { AddressPolicy } from '../../provider/address.ts'
import type { KeptTableInit } from '../kept-tables.ts'
import type { Libp2pEvents, PeerStore, PeerUpdate, TypedEventTarget } from '@libp2p/interface'

export interface WayInComponents {
  readonly clock: Clock
  readonly random: Random
  readonly logger: ComponentLogger
  readonly self: string
  readonly peerStore: Pick<PeerStore, 'all'>
  readonly connectionManager: Pick<KadConnections, 'getConnections'>
  readonly events: Pick<TypedEventTarget<Libp2pEvents>, 'addEventListener' | 'removeEventListener'>
  readonly policy: AddressPolicy
  readonly client: KadClient
  readonly table: Iterable<KadPeer> & { has (id: string): boolean }
}

export interface WayInInit {
  readonly protocol?: string
  readonly bootstrap?: readonly string[]
  usable (address: string): boolean
}

/** What leads into a DHT, and back into it */
export class WayIn {
  /** To be kept across restarts */
  readonly kept: KeptTableInit
  /** The client that remembers who answers */
  readonly client: KadClient
  readonly #components: WayInComponents
  readonly #remembered: RememberedPeers
  readonly #joiner: Joiner
  /** In the options: who is named by libp2p's own is known to its store */
  readonly #named: readonly KadPeer[]

  /** Throws an `InvalidOptionError` when the named peers make no sense */
  constructor (components: WayInComponents, { protocol = DEFAULT_KAD_PROTOCOL, bootstrap, usable }: WayInInit) {
    const { policy, client, peerStore, ...rest } = components
    const listed = bootstrap == null ? undefined : namedPeers(bootstrap)
    this.#components = components
    this.#named = listed ?? []
    this.#remembered = new RememberedPeers(rest.clock, { policy, usable })
    this.kept = { table: this.#remembered, prefix: rememberedPrefix(protocol), name: 'discovery:peers' }
    this.client = rememberingClient(client, this.#remembered, id => this.#reachedBy(id))
    this.#joiner = new Joiner({
      ...rest,
      client: this.client,
      remembered: this.#remembered,
      connected: () => this.#connected(),
      named: async signal => listed ?? taggedPeers(peerStore, signal)
    })
  }

  start (): void {
    this.#components.events.addEventListener('peer:update', this.#onUpdate)
    this.#joiner.start()
  }

  /** Ends the dials that are under way */
  stop (): void {
    this.#components.events.removeEventListener('peer:update', this.#onUpdate)
    this.#joiner.stop()
  }

  stats (): JoiningStats {
    return this.#joiner.stats()
  }

  /** Whether there should be anybody: somebody was named, or answered before */
  expected (): boolean {
    return this.#named.length > 0 || this.#remembered.size > 0
  }

  /** Whether a peer of the DHT is known that can be asked */
  anybody (): boolean {
    for (const { addresses } of this.#components.table) {
      if (addresses.length > 0) {
        return true
      }
    }
    return this.#connected()
  }

  #connected (): boolean {
    const { connectionManager, table } = this.#components
    return connectionManager.getConnections().some(({ status, remotePeer }) => status === 'open' && table.has(remotePeer.toString()))
  }

  /** kad-dht takes in who answers its ping: what it learns by its own questions is remembered too */
  readonly #onUpdate = ({ detail: { peer } }: CustomEvent<PeerUpdate>): void => {
    const { connectionManager, table } = this.#components
    const id = peer.id.toString()

    if (table.has(id) && this.#remembered.stale(id) && connectionManager.getConnections(peer.id).some(({ status }) => status === 'open')) {
      const proven = this.#reachedBy(id)
      this.#remembered.spoke(id, [...proven == null ? [] : [proven], ...peer.addresses.map(({ multiaddr }) => multiaddr.toString())])
    }
  }

  /** The address by which we connected to a peer: of one that came to us we know no more than a port of the moment */
  #reachedBy (id: string): string | undefined {
    const connections = this.#components.connectionManager.getConnections(peerIdFromString(id))
    const ours = connections.find(({ status, direction, limits }) => status === 'open' && direction === 'outbound' && limits == null)
    return ours == null ? undefined : withoutPeer(ours.remoteAddr.toString(), id)
  }
}
