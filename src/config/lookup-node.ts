import { identify } from '@libp2p/identify'
import { createLibp2p } from 'libp2p'
import { COMMON_AGENT } from '../interface/privacy-preset.ts'
import type { KadConnections } from '../discovery/kad/kad-client-egress.ts'
import type { CreateLookupNode } from '../discovery/kad/lookup-identity.ts'
import type { Libp2pOptions } from 'libp2p'

/** A lookup of the public network asks some sixty peers, and two may be under way */
const MAX_CONNECTIONS = 150

/**
 * A libp2p node with a key of its own that is kept nowhere: it connects as the
 * node does, under the same rules, and has nothing else in common with it. It
 * listens nowhere, serves nothing, and knows nobody but whom it asks.
 *
 * @param shared - how the node itself connects
 */
export function lookupNode ({ connectionManager, ...shared }: Pick<Libp2pOptions, 'transports' | 'connectionGater' | 'connectionEncrypters' | 'streamMuxers' | 'connectionManager'>): CreateLookupNode {
  return async () => {
    const node = await createLibp2p({
      ...shared,
      addresses: { listen: [] },
      nodeInfo: { userAgent: COMMON_AGENT },
      connectionManager: { resolvers: connectionManager?.resolvers, maxConnections: MAX_CONNECTIONS },
      connectionMonitor: { enabled: false },
      services: {
        identify: identify(),
        // as it is, libp2p would start it twice
        connections: ({ connectionManager: manager }: { connectionManager: KadConnections }): KadConnections => ({
          getConnections: peer => manager.getConnections(peer),
          openConnection: async (peer, options) => manager.openConnection(peer, options)
        })
      }
    })

    return { self: node.peerId.toString(), connections: node.services.connections, stop: async () => { await node.stop() } }
  }
}
