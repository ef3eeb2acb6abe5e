import { ConnectedPeers, connectedProvider } from './connected-libp2p.ts'
import { PRIVACY_PRESETS } from '../interface/privacy-preset.ts'
import type { ConnectedLibp2p, PeerConnection } from './connected-libp2p.ts'
import type { ComponentLogger } from '../interface/logger.ts'
import type { BlockKey, ProviderSource } from '../interface/provider.ts'
import type { AddressPolicy } from '../provider/address.ts'

export interface ConnectedPeersComponents {
  logger: ComponentLogger
  policy?: AddressPolicy
  /** Whether this peer has just said that it has not got the block. @default nobody has */
  denied? (peer: string, key: BlockKey): boolean
}

export interface ConnectedPeersInit {
  /** Protocol prefixes by which a peer shows that it speaks bitswap. @default ['/ipfs/bitswap'] */
  protocols?: readonly string[]
}

/** Per retrieval: what a node without any routing would have asked, and few enough not to be a broadcast */
export const MAX_CONNECTED_PEERS = 16
const DEFAULT_PROTOCOLS = ['/ipfs/bitswap']

/**
 * Peers that are connected already and speak bitswap: when nobody is known to
 * have a block, a plain node would have asked them too. Only in mode `open`,
 * only as a last resort, the nearest first.
 *
 * @param getLibp2p - may throw or return undefined while there is no node
 */
export function connectedPeersSource (getLibp2p: () => ConnectedLibp2p | undefined, components: ConnectedPeersComponents, init: ConnectedPeersInit = {}): ProviderSource {
  const prefixes = init.protocols ?? DEFAULT_PROTOCOLS
  const record = { source: 'connected', policy: components.policy }
  const peers = new ConnectedPeers(getLibp2p, components.logger.forComponent('portolan:discovery:connected'))

  return {
    name: 'connected',
    lastResort: true,
    async * find ({ key }, request) {
      if (!PRIVACY_PRESETS[request.mode].connectedPeers) {
        return
      }

      const unidentified: PeerConnection[] = []
      let found = 0

      for await (const { connection, protocols } of peers.nearest(request.signal)) {
        if (components.denied?.(connection.remotePeer.toString(), key) === true) {
          continue
        }

        if (protocols.length === 0) {
          unidentified.push(connection)
        } else if (protocols.some(protocol => prefixes.some(prefix => protocol.startsWith(prefix)))) {
          yield connectedProvider(connection, record)

          if (++found >= MAX_CONNECTED_PEERS) {
            return
          }
        }
      }

      // connected a moment ago: the first stream will tell, before anything is asked
      for (const connection of unidentified.slice(0, MAX_CONNECTED_PEERS - found)) {
        if (!request.signal.aborted && connection.status === 'open') {
          yield connectedProvider(connection, record)
        }
      }
    }
  }
}
