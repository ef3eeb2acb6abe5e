import type { KadAnswer, KadClient, KadPeer } from '../kad/kad-client.ts'

/** Who is told that a peer answered */
export interface Remembers {
  /** Whether it matters: an answer is heard thousands of times, and noted once in a while */
  stale (id: string): boolean
  spoke (id: string, addresses: readonly string[]): void
}

/**
 * The same client, which notes whoever answers.
 *
 * @param reachedBy - the address by which we connected to a peer, if it was we who did
 */
export function rememberingClient (client: KadClient, peers: Remembers, reachedBy: (id: string) => string | undefined): KadClient {
  const noted = async <T> (peer: KadPeer, answer: Promise<T>): Promise<T> => {
    const value = await answer

    if (peers.stale(peer.id)) {
      const proven = reachedBy(peer.id)
      peers.spoke(peer.id, proven == null ? peer.addresses : [proven, ...peer.addresses])
    }
    return value
  }

  return {
    findNode: async (peer, ...rest): Promise<KadAnswer> => noted(peer, client.findNode(peer, ...rest)),
    getProviders: async (peer, ...rest): Promise<KadAnswer> => noted(peer, client.getProviders(peer, ...rest)),
    addProviders: async (peer, ...rest): Promise<void> => noted(peer, client.addProviders(peer, ...rest))
  }
}
