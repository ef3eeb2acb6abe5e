import { withoutPeer } from '../../provider/endpoint.ts'

/** Peers of which an address is remembered: more than are asked between two restarts of a connection, about 1 MB */
const MAX_PEERS = 2_048
/** Of one peer: both families, and where it was before */
const MAX_PER_PEER = 4

/**
 * Where a peer has been reached, or says under its signature that it is: the only
 * addresses that are known to be its own. Anybody can name others in its name.
 */
export class ProvenAddresses {
  readonly #peers = new Map<string, readonly string[]>()

  get size (): number {
    return this.#peers.size
  }

  /** The one that worked last comes first */
  of (peer: string): readonly string[] {
    return this.#peers.get(peer) ?? []
  }

  add (peer: string, address: string): void {
    const text = withoutPeer(address, peer)
    const addresses = [text, ...this.of(peer).filter(known => known !== text)].slice(0, MAX_PER_PEER)
    this.#peers.delete(peer)
    this.#peers.set(peer, addresses)

    if (this.#peers.size > MAX_PEERS) {
      const [oldest = peer] = this.#peers.keys()
      this.#peers.delete(oldest)
    }
  }

  clear (): void {
    this.#peers.clear()
  }
}
