import { peerIdFromString } from '@libp2p/peer-id'
import { DEFAULT_KAD_PROTOCOL } from '../kad/kad-client-egress.ts'
import { Joiner } from './joiner.ts'
import { namedPeers, taggedPeers } from './named-peers.ts'
import { RememberedPeers, rememberedPrefix } from './remembered-peers.ts'
import { rememberingClient } from './remembering-client.ts'
import type { KadClient, KadPeer } from '../kad/kad-client.ts'
import type { KadConnections } from '../kad/kad-client-egress.ts'
import type { Clock, Random } from '../../interface/clock.ts'
import type { ComponentLogger } from '../../interface/logger.ts'
import type { AddressPolicy } from '../../provider/address.ts'
import type { PeerStore } from '@libp2p/interface'

export interface WayInComponents {
  readonly clock: Clock
  readonly random: Random
  readonly logger: ComponentLogger
  readonly self: string
  readonly peerStore: Pick<PeerStore, 'all'>
  readonly connectionManager: Pick<KadConnections, 'getConnections'>
  readonly policy: AddressPolicy
  readonly client: KadClient
  readonly table: Iterable<KadPeer> & { has (id: string): boolean }
}

export interface WayInInit {
  readonly protocol?: string
  readonly bootstrap?: readonly string[]
  usable (address: string): boolean
}

export interface WayIn {
  readonly joiner: Joiner
  /** To be kept across restarts, below `prefix` */
  readonly remembered: RememberedPeers
  readonly prefix: string
  /** The client that fills it */
  readonly client: KadClient
  /** Whether a peer of the DHT is known that can be asked */
  anybody (): boolean
}

/** Puts together what leads into a DHT. Throws an `InvalidOptionError` when the named peers make no sense. */
export function wayIn ({ self, clock, random, logger, peerStore, connectionManager, policy, client, table }: WayInComponents, { protocol = DEFAULT_KAD_PROTOCOL, bootstrap, usable }: WayInInit): WayIn {
  const remembered = new RememberedPeers(clock, { policy, usable })
  const listed = bootstrap == null ? undefined : namedPeers(bootstrap)
  const remembering = rememberingClient(client, remembered, id => reachedBy(connectionManager, id))
  const connected = (): boolean => connectionManager.getConnections().some(({ status, remotePeer }) => status === 'open' && table.has(remotePeer.toString()))

  return {
    remembered,
    prefix: rememberedPrefix(protocol),
    client: remembering,
    joiner: new Joiner({ clock, random, logger, self, client: remembering, remembered, connected, named: async signal => listed ?? taggedPeers(peerStore, signal) }),
    anybody: () => some(table, ({ addresses }) => addresses.length > 0) || connected()
  }
}

/** The address by which we connected to a peer: of one that came to us we know no more than a port of the moment */
function reachedBy (connectionManager: WayInComponents['connectionManager'], id: string): string | undefined {
  const connection = connectionManager.getConnections(peerIdFromString(id)).find(({ status, direction, limits }) => status === 'open' && direction === 'outbound' && limits == null)
  return connection?.remoteAddr.toString().replace(/\/p2p\/[^/]+$/, '')
}

function some<T> (items: Iterable<T>, test: (item: T) => boolean): boolean {
  for (const item of items) {
    if (test(item)) {
      return true
    }
  }
  return false
}
