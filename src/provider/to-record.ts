import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { uriToMultiaddr } from '@multiformats/uri-to-multiaddr'
import { withoutPeer } from './endpoint.ts'
import { gatewayRecord } from './gateway-record.ts'
import { peerOfProvider } from './identity.ts'
import type { Provider } from '../interface/provider.ts'
import type { PeerId } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { CID } from 'multiformats/cid'

/** A provider in the words of Helia's routing */
export interface HeliaProvider {
  id: CID
  multiaddrs: Multiaddr[]
  /** Absent where nothing is known of them: whoever wants to know dials */
  protocols?: string[]
  router: string
  fallback: boolean
}

/** And in those of libp2p's */
export interface PeerRecord {
  id: PeerId
  multiaddrs: Multiaddr[]
  routing: string
}

/** Undefined for whom Helia has no words: a broker */
export function toHeliaProvider (provider: Provider): HeliaProvider | undefined {
  const { id, protocols, source, fallback } = provider
  const peer = peerIdOf(provider)
  const more = { ...(protocols.length === 0 ? {} : { protocols: [...protocols] }), router: source, fallback }

  if (peer != null) {
    return { id: peer.toCID() as CID, multiaddrs: multiaddrsOf(provider), ...more }
  }
  const origin = /^https?:/.test(id) ? provider.addresses[0] ?? id.replace(':', '://') : undefined
  return origin == null ? undefined : { ...gatewayRecord(origin, fallback) as HeliaProvider, ...more }
}

/** Undefined for who is no peer */
export function toPeerRecord (provider: Provider): PeerRecord | undefined {
  const peer = peerIdOf(provider)
  return peer == null ? undefined : { id: peer, multiaddrs: multiaddrsOf(provider), routing: provider.source }
}

function peerIdOf ({ id }: Provider): PeerId | undefined {
  const peer = peerOfProvider(id)
  return peer == null ? undefined : peerIdFromString(peer)
}

/** Without the peer's own name at the end, as libp2p keeps them */
function multiaddrsOf ({ id, addresses }: Provider): Multiaddr[] {
  const peer = peerOfProvider(id) ?? ''

  return addresses.map(address => address.startsWith('/') ? multiaddr(withoutPeer(address, peer)) : uriToMultiaddr(address))
}
