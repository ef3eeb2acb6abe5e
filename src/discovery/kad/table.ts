import { commonPrefixLength, compareDistance, peerKey } from './kad-key.ts'
import { withoutPeer } from '../../provider/endpoint.ts'
import { MAX_ADDRESSES } from '../../provider/provider.ts'
import type { KadPeer } from './kad-client.ts'
import type { KadKey } from './kad-key.ts'
import type { ComponentLogger, Logger } from '../../interface/logger.ts'
import type { Libp2pEvents, Peer, PeerStore, TypedEventTarget } from '@libp2p/interface'

/** What kad-dht marks the peers of its table with in the peer store */
const KAD_PEER_TAG = 'kad-peer'
/** kad-dht's own table has 1 280 places: 64 buckets of 20 */
const MAX_PEERS = 4_096

export interface KadTableComponents {
  readonly logger: ComponentLogger
  readonly peerStore: Pick<PeerStore, 'all'>
  readonly events: Pick<TypedEventTarget<Libp2pEvents>, 'addEventListener' | 'removeEventListener'>
  /** Our own peer id */
  readonly self: string
}

export interface KadTableInit {
  /** Whether an address may be dialled. @default all of them */
  readonly usable?: (address: string) => boolean
}

interface Entry extends KadPeer {
  /** The first 32 bits of its key: they decide nearly all comparisons */
  readonly head: number
}

/** The peers of kad-dht's table, as the peer store mirrors it: the table itself is nobody else's */
export class KadTable {
  readonly #components: KadTableComponents
  readonly #usable: (address: string) => boolean
  readonly #log: Logger
  readonly #peers = new Map<string, Entry>()
  readonly #self: KadKey
  #running = false

  constructor (components: KadTableComponents, init: KadTableInit = {}) {
    this.#components = components
    this.#usable = init.usable ?? (() => true)
    this.#log = components.logger.forComponent('portolan:discovery:table')
    this.#self = peerKey(components.self)
  }

  get size (): number {
    return this.#peers.size
  }

  /** Resolves when the peers of the store are in */
  async start (options: { signal?: AbortSignal } = {}): Promise<void> {
    if (this.#running) {
      return
    }

    this.#running = true
    this.#components.events.addEventListener('peer:update', this.#onUpdate)
    const peers = await this.#components.peerStore.all({ filters: [({ tags }) => tags.has(KAD_PEER_TAG)], limit: MAX_PEERS, signal: options.signal })

    for (const peer of this.#running ? peers : []) {
      // what an update told meanwhile is newer
      if (!this.#peers.has(peer.id.toString())) {
        this.#update(peer)
      }
    }
  }

  stop (): void {
    this.#running = false
    this.#components.events.removeEventListener('peer:update', this.#onUpdate)
    this.#peers.clear()
  }

  has (id: string): boolean {
    return this.#peers.has(id)
  }

  [Symbol.iterator] (): IterableIterator<KadPeer> {
    return this.#peers.values()
  }

  /** The nearest to a key, nearest first */
  nearest (key: KadKey, count: number): KadPeer[] {
    const head = headOf(key)
    const order = (a: Entry, b: Entry): number => ((a.head ^ head) >>> 0) - ((b.head ^ head) >>> 0) || compareDistance(key, a.key, b.key)
    const best: Entry[] = []
    let edge = Infinity

    for (const entry of this.#peers.values()) {
      if ((entry.head ^ head) >>> 0 <= edge) {
        best.push(entry)

        // cut rarely: sorting twice as many costs less than keeping them in order
        if (best.length >= 2 * count + 32) {
          best.sort(order).length = count
          edge = ((best[count - 1]?.head ?? 0) ^ head) >>> 0
        }
      }
    }

    return best.sort(order).slice(0, count)
  }

  /** Peers by how many bits of their key begin as ours does */
  buckets (): Map<number, KadPeer[]> {
    const result = new Map<number, KadPeer[]>()

    for (const peer of this.#peers.values()) {
      const length = commonPrefixLength(this.#self, peer.key)
      const bucket = result.get(length)

      if (bucket == null) {
        result.set(length, [peer])
      } else {
        bucket.push(peer)
      }
    }

    return result
  }

  readonly #onUpdate = ({ detail }: Libp2pEvents['peer:update']): void => {
    this.#update(detail.peer)
  }

  #update ({ id, tags, addresses }: Peer): void {
    const peer = id.toString()

    if (!tags.has(KAD_PEER_TAG) || peer === this.#components.self) {
      this.#peers.delete(peer)
      return
    }

    if (!this.#peers.has(peer) && this.#peers.size >= MAX_PEERS) {
      this.#log('%s finds no place beside %d others', peer, MAX_PEERS)
      return
    }

    const key = peerKey(peer)
    const told = addresses.map(({ multiaddr }) => withoutPeer(multiaddr.toString(), peer)).filter(this.#usable).slice(0, MAX_ADDRESSES)
    this.#peers.set(peer, {
      id: peer,
      key,
      head: headOf(key),
      // the store leaves out what was not confirmed for an hour: it is still the best that is known
      addresses: told.length > 0 ? told : this.#peers.get(peer)?.addresses ?? []
    })
  }
}

function headOf (key: KadKey): number {
  return ((key[0] as number) << 24 | (key[1] as number) << 16 | (key[2] as number) << 8 | (key[3] as number)) >>> 0
}
