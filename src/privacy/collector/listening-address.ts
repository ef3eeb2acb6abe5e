import { NotListeningError } from '../../interface/errors.ts'
import type { Libp2p } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'

/**
 * An address by which others can dial this node, peer id included: one of its own
 * if there is any, otherwise one over a relay.
 *
 * @throws NotListeningError - the node is not started, or listens nowhere
 */
export function listeningAddress (libp2p: Pick<Libp2p, 'getMultiaddrs' | 'peerId'>): Multiaddr {
  const addresses = libp2p.getMultiaddrs()
  const address = addresses.find(address => !address.getComponents().some(({ name }) => name === 'p2p-circuit')) ?? addresses[0]

  if (address == null) {
    throw new NotListeningError('This node listens on no address: start it, with at least one in addresses.listen')
  }

  return address.getComponents().at(-1)?.name === 'p2p' ? address : address.encapsulate(`/p2p/${libp2p.peerId.toString()}`)
}
