import { failureDomains } from '../../provider/domains.ts'
import type { KadPeer } from './kad-client.ts'
import type { AddressPolicy } from '../../provider/address.ts'

/** Places in a set that the peers of one network hold together: addresses of a /24 cost little more than one, so its owner could be everybody in it */
const MAX_OF_NETWORK = 2

/**
 * What a peer shares with others: each /24 or /48 that it has an address in, and
 * the operator of a name. A peer with several counts in all of them, since it
 * chooses which ones to tell; none is shared on loopback and in networks that
 * were allowed by name.
 */
export type NetworksOf = (peer: Pick<KadPeer, 'addresses'>) => readonly string[]

export const noNetworks: NetworksOf = () => []

/** @param policy - who is exempt */
export function networksUnder (policy: AddressPolicy): NetworksOf {
  // a table names the same peers to every lookup
  const known = new WeakMap<Pick<KadPeer, 'addresses'>, readonly string[]>()

  return peer => {
    let networks = known.get(peer)

    if (networks == null) {
      networks = failureDomains(peer.addresses, policy)
      known.set(peer, networks)
    }
    return networks
  }
}

/** Places by network, taken by those who come first */
export class Places {
  readonly #max: number
  readonly #taken = new Map<string, number>()

  constructor (max = MAX_OF_NETWORK) {
    this.#max = max
  }

  /** Whether each of these networks has a place left */
  has (networks: readonly string[]): boolean {
    return networks.every(network => (this.#taken.get(network) ?? 0) < this.#max)
  }

  /** One in each of them, or in none when one of them has none left. @returns whether there was one */
  take (networks: readonly string[]): boolean {
    const has = this.has(networks)

    if (has) {
      this.add(networks)
    }
    return has
  }

  /** Whether there are places left or not */
  add (networks: readonly string[]): void {
    for (const network of networks) {
      this.#taken.set(network, (this.#taken.get(network) ?? 0) + 1)
    }
  }
}

/** Those who find a place, in their order */
export function diverse<T extends Pick<KadPeer, 'addresses'>> (peers: Iterable<T>, networksOf: NetworksOf, max = MAX_OF_NETWORK): T[] {
  const places = new Places(max)
  return [...peers].filter(peer => places.take(networksOf(peer)))
}
