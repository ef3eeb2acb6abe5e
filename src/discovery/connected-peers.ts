import { raceSignal } from '../clock/race-signal.ts'
import { providerFromRecord } from '../provider/provider.ts'
import type { ComponentLogger } from '../interface/logger.ts'
import type { Provider, ProviderSource } from '../interface/provider.ts'
import type { AddressPolicy } from '../provider/address.ts'
import type { CID } from 'multiformats/cid'

/** The part of a libp2p node that is used here */
export interface ConnectedLibp2p {
  getConnections (): ReadonlyArray<{
    readonly remotePeer: ConnectedPeerId
    readonly remoteAddr: { toString (): string }
    readonly status: string
    /** Limited connections (relayed ones) are not for blocks */
    readonly limits?: unknown
    readonly rtt?: number
  }>
  peerStore: { get (peer: never): Promise<{ readonly protocols: readonly string[] }> }
}

interface ConnectedPeerId {
  toString (): string
  toCID (): CID
}

export interface ConnectedPeersComponents {
  logger: ComponentLogger
  policy?: AddressPolicy
}

export interface ConnectedPeersInit {
  /** Protocol prefixes by which a peer shows that it speaks bitswap. @default ['/ipfs/bitswap'] */
  protocols?: readonly string[]
}

/** Per retrieval: what a node without any routing would have asked, and few enough not to be a broadcast */
export const MAX_CONNECTED_PEERS = 16
// each costs a look into the peer store, which may be on disk
const MAX_LOOKED_AT = 128
const DEFAULT_PROTOCOLS = ['/ipfs/bitswap']

/**
 * Peers that are connected already and speak bitswap: when nobody is known to
 * have a block, a plain node would have asked them too. Only in mode `open`,
 * only as a last resort, the nearest first.
 *
 * @param getLibp2p - may throw or return undefined while there is no node
 */
export function connectedPeersSource (getLibp2p: () => ConnectedLibp2p | undefined, components: ConnectedPeersComponents, init: ConnectedPeersInit = {}): ProviderSource {
  const protocols = init.protocols ?? DEFAULT_PROTOCOLS
  const log = components.logger.forComponent('portolan:discovery:connected')

  function libp2p (): ConnectedLibp2p | undefined {
    try {
      return getLibp2p()
    } catch (err) {
      // withLibp2p's getter throws until the node has started
      log.trace('no libp2p node yet - %e', err)
      return undefined
    }
  }

  return {
    name: 'connected',
    lastResort: true,
    async * find (_want, request) {
      const node = request.mode === 'open' ? libp2p() : undefined
      if (node == null) {
        return
      }

      const unidentified: Connection[] = []
      let found = 0

      for (const connection of nearest(node)) {
        if (request.signal.aborted || found >= MAX_CONNECTED_PEERS) {
          return
        }

        const known = await protocolsOf(node, connection, request.signal)

        if (known.length === 0) {
          unidentified.push(connection)
        } else if (known.some(protocol => protocols.some(prefix => protocol.startsWith(prefix)))) {
          found++
          yield toProvider(connection)
        }
      }

      // connected a moment ago: the first stream will tell, before anything is asked
      for (const connection of unidentified.slice(0, MAX_CONNECTED_PEERS - found)) {
        if (!request.signal.aborted && connection.status === 'open') {
          yield toProvider(connection)
        }
      }
    }
  }

  function toProvider ({ remotePeer, remoteAddr }: Connection): Provider {
    return providerFromRecord({ id: remotePeer.toCID(), multiaddrs: [remoteAddr], protocols: ['transport-bitswap'] }, { source: 'connected', policy: components.policy })
  }

  async function protocolsOf (node: ConnectedLibp2p, { remotePeer }: Connection, signal: AbortSignal): Promise<readonly string[]> {
    try {
      return (await raceSignal(node.peerStore.get(remotePeer as never), signal)).protocols
    } catch (err) {
      log.trace('%s is connected but not identified - %e', remotePeer, err)
      return []
    }
  }
}

type Connection = ReturnType<ConnectedLibp2p['getConnections']>[number]

/** One connection per peer, by measured round trip, unmeasured ones last */
function nearest (node: ConnectedLibp2p): Connection[] {
  const byPeer = new Map<string, Connection>()

  for (const connection of node.getConnections()) {
    const peer = connection.remotePeer.toString()
    const known = byPeer.get(peer)
    if (connection.status === 'open' && connection.limits == null && distance(connection) <= (known == null ? Infinity : distance(known))) {
      byPeer.set(peer, connection)
    }
  }
  return [...byPeer.values()].sort((a, b) => distance(a) - distance(b)).slice(0, MAX_LOOKED_AT)
}

function distance (connection: Connection): number {
  return connection.rtt ?? Number.MAX_SAFE_INTEGER
}
