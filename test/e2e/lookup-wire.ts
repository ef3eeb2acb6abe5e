import { identify } from '@libp2p/identify'
import { kadDHT, passthroughMapper } from '@libp2p/kad-dht'
import { ping } from '@libp2p/ping'
import { CID } from 'multiformats/cid'
import { sha256 } from 'multiformats/hashes/sha2'
import { enhancedDHTDiscovery } from '../../src/discovery/enhanced-dht-discovery.ts'
import { addressPolicy } from '../../src/provider/address.ts'
import type { DisclosureEntry, Ledger } from '../../src/interface/disclosure.ts'
import type { DhtNetwork } from '../../src/testing/dht/dht-network.ts'
import type { Libp2p } from '@libp2p/interface'
import type { Libp2pOptions } from 'libp2p'

export async function cidOf (text: string): Promise<CID> {
  return CID.createV1(0x55, await sha256.digest(new TextEncoder().encode(text)))
}

/** Whom a node asked about a block, message by message, as seen on the wire of a network in memory */
export function asked (network: DhtNetwork, node: { toString (): string }, cid: CID): { readonly peers: string[], stop (): void } {
  const peers: string[] = []
  const stop = network.memory.watch(({ from, to, protocol, bytes }) => {
    if (from === node.toString() && protocol === network.protocol && Buffer.from(bytes).includes(Buffer.from(cid.multihash.bytes))) {
      peers.push(to)
    }
  })
  return { peers, stop }
}

/** What is disclosed, with the last state of each */
export function ledger (): Ledger & { readonly entries: DisclosureEntry[] } {
  const entries: DisclosureEntry[] = []
  return { entries, intended: entry => { entries.push(entry) }, settled: () => {} }
}

/** A libp2p node in that network, with kad-dht under any name, and with our discovery unless told otherwise */
export function inNetwork (network: DhtNetwork, { discovery = true } = {}): Libp2pOptions {
  return {
    addresses: { listen: [] },
    transports: [network.memory.transport()],
    connectionMonitor: { enabled: false },
    connectionManager: { maxConnections: 1_000 },
    services: {
      identify: identify(),
      ping: ping(),
      ...discovery ? { finder: enhancedDHTDiscovery({ protocol: network.protocol, policy: addressPolicy() }) } : {},
      table: kadDHT({ protocol: network.protocol, clientMode: true, peerInfoMapper: passthroughMapper, allowQueryWithZeroPeers: true, initialQuerySelfInterval: 86_400_000 })
    } as never
  }
}

/** Resolves when so many servers are in the node's table */
export async function join (network: DhtNetwork, libp2p: Libp2p, count = 10): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const tagged = new Set<string>()
  const onUpdate = ({ detail: { peer } }: CustomEvent<{ peer: { id: { toString (): string }, tags: Map<string, unknown> } }>): void => {
    if (peer.tags.has('kad-peer')) {
      tagged.add(peer.id.toString())
    }
    if (tagged.size >= count) {
      resolve()
    }
  }
  libp2p.addEventListener('peer:update', onUpdate as never)
  await Promise.all(network.servers.slice(0, count).map(async server => libp2p.dial(server.libp2p.getMultiaddrs())))
  await promise
  libp2p.removeEventListener('peer:update', onUpdate as never)
}
