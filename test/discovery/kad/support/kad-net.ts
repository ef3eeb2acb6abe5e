import { identify } from '@libp2p/identify'
import { kadDHT } from '@libp2p/kad-dht'
import { noise } from '@libp2p/noise'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { createLibp2p } from 'libp2p'
import { systemClock } from '../../../../src/clock/system-clock.ts'
import { Libp2pKadClient } from '../../../../src/discovery/kad/kad-client-egress.ts'
import { peerKey } from '../../../../src/discovery/kad/kad-key.ts'
import { PeerTiming } from '../../../../src/discovery/kad/peer-timing.ts'
import { KadTable } from '../../../../src/discovery/kad/table.ts'
import { Walker } from '../../../../src/discovery/kad/walker.ts'
import { silentLogger } from '../../../../src/testing/silent-logger.ts'
import type { KadPeer } from '../../../../src/discovery/kad/kad-client.ts'
import type { KadConnections } from '../../../../src/discovery/kad/kad-client-egress.ts'
import type { Clock } from '../../../../src/interface/clock.ts'
import type { Libp2p, Libp2pEvents, PeerId, PeerStore, TypedEventTarget } from '@libp2p/interface'
import type { KadDHT } from '@libp2p/kad-dht'
import type { Multiaddr } from '@multiformats/multiaddr'

/** Nobody outside of the test speaks it */
export const TEST_PROTOCOL = '/portolan-test/kad/1.0.0'

/** What libp2p hands to its services */
export interface NodeComponents {
  readonly connectionManager: KadConnections
  readonly peerStore: PeerStore
  readonly events: TypedEventTarget<Libp2pEvents>
  readonly addressManager: { getAddresses (): Multiaddr[] }
}

export interface KadNode {
  readonly libp2p: Libp2p<{ dht: KadDHT, components: NodeComponents }>
  readonly id: string
  asPeer (): KadPeer
  stop (): Promise<void>
}

/** A real libp2p node with a real kad-dht server on loopback */
export async function kadNode (options: { protocol?: string } = {}): Promise<KadNode> {
  const libp2p = await createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionManager: { inboundConnectionThreshold: 1_000 },
    services: {
      identify: identify(),
      ping: ping(),
      dht: kadDHT({ protocol: options.protocol ?? TEST_PROTOCOL, clientMode: false, peerInfoMapper: peer => peer, allowQueryWithZeroPeers: true }),
      components: (all: unknown) => {
        const { connectionManager, peerStore, events, addressManager } = all as NodeComponents
        return { connectionManager, peerStore, events, addressManager }
      }
    }
  })
  const id = libp2p.peerId.toString()

  return {
    libp2p,
    id,
    asPeer: () => ({ id, key: peerKey(id), addresses: libp2p.getMultiaddrs().map(address => address.toString().replace(`/p2p/${id}`, '')) }),
    async stop () { await libp2p.stop() }
  }
}

/** So many nodes. The first knows all others, each of the others those next to it. */
export async function kadNet (count: number): Promise<KadNode[]> {
  const nodes = await Promise.all(Array.from({ length: count }, async () => kadNode()))

  for (const [i, node] of nodes.entries()) {
    const known = i === 0 ? nodes.slice(1) : [1, 2, 3].map(step => nodes[(i + step) % count] as KadNode)
    await Promise.all(known.map(async other => { await introduce(node, other) }))
  }

  return nodes
}

/** Not in the types: the table of a kad-dht */
interface HasTable {
  readonly routingTable: { find (peer: PeerId): Promise<PeerId | undefined>, add (peer: PeerId): Promise<void> }
}

/** Resolves when kad-dht has the other one in its table: it asks it first whether it is there, and may have to ask again */
async function introduce (node: KadNode, other: KadNode): Promise<void> {
  const { routingTable } = node.libp2p.services.dht as unknown as HasTable
  const { peerId } = other.libp2p
  await node.libp2p.dial(other.libp2p.getMultiaddrs())

  while (await routingTable.find(peerId) == null) {
    await routingTable.add(peerId)
  }
}

export interface WalkingNode {
  readonly walker: Walker
  readonly client: Libp2pKadClient
  readonly table: KadTable
  readonly timing: PeerTiming
  stop (): void
}

/** Our side of the DHT on such a node */
export async function walkerOf (node: KadNode, clock: Clock = systemClock): Promise<WalkingNode> {
  const { connectionManager, peerStore, events } = node.libp2p.services.components
  const shared = { logger: silentLogger, clock, self: node.id }
  const client = new Libp2pKadClient({ ...shared, connectionManager }, { protocol: TEST_PROTOCOL })
  const table = new KadTable({ ...shared, peerStore, events })
  const timing = new PeerTiming()
  client.start()
  await table.start()

  return {
    walker: new Walker({ clock, client, table, timing }),
    client,
    table,
    timing,
    stop () {
      client.stop()
      table.stop()
    }
  }
}
