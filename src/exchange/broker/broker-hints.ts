import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { uriToMultiaddr } from '@multiformats/uri-to-multiaddr'
import type { Provider } from '../../interface/provider.ts'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { CID } from 'multiformats/cid'

/** How Helia's brokers are told about providers */
export type BrokerHint = CID | Multiaddr | Multiaddr[]

const P2P = 'p2p:'

/**
 * Hints in the form that brokers take: a peer with its addresses, a peer
 * without any as a CID, an HTTP provider as a multiaddr. What a broker cannot
 * be told (an address that no multiaddr expresses) is left out.
 */
export function brokerHints (hints: readonly Provider[], options: { http: boolean }): BrokerHint[] {
  return hints.flatMap((hint): BrokerHint[] => {
    if (hint.id.startsWith(P2P)) {
      return peerHint(hint, options)
    }
    return options.http ? hint.addresses.flatMap(toMultiaddr) : []
  })
}

function peerHint (hint: Provider, options: { http: boolean }): BrokerHint[] {
  const peer = hint.id.slice(P2P.length)
  const told = hint.addresses.filter(address => options.http || !address.startsWith('http'))
  const addresses = told.flatMap(toMultiaddr).map(address => {
    const named = address.getComponents().some(component => component.name === 'p2p')
    return named ? address : address.encapsulate(`/p2p/${peer}`)
  })

  return addresses.length > 0 ? [addresses] : [peerIdFromString(peer).toCID()]
}

function toMultiaddr (address: string): Multiaddr[] {
  try {
    return [address.startsWith('/') ? multiaddr(address) : uriToMultiaddr(address)]
  } catch {
    // a URL with a path or a user cannot be said as a multiaddr: the broker does without it
    return []
  }
}
