import type { Peer, PeerData, PeerId, PeerStore } from '@libp2p/interface'

/** Addresses of one peer that kad-dht may add to: honest ones have a dozen. A message has room for 400 000, and libp2p reads all of them for each stream. */
const MAX_ADDRESSES = 32

/** Peers of one record: honest ones name themselves, and nobody else is believed */
const MAX_PEERS = 4

interface Named {
  readonly multiaddrs: readonly Uint8Array[]
}

interface Recording {
  handle (from: PeerId, message: { readonly providers: readonly Named[] }): Promise<unknown>
}

/**
 * kad-dht reads each address of a record before it looks whose it is: those of one
 * message took a second, in which the node did nothing else. Of the handler nothing
 * is in its types; where it is not found, what is read is not bounded here.
 */
export function readingLess<D extends object> (dht: D): D {
  const recording = (dht as { rpc?: { handlers?: Record<string, Recording | undefined> } }).rpc?.handlers?.ADD_PROVIDER

  if (recording != null) {
    const handle = recording.handle.bind(recording)
    recording.handle = async (from, message) => handle(from, {
      ...message,
      providers: message.providers.slice(0, MAX_PEERS).map(named => ({ ...named, multiaddrs: named.multiaddrs.slice(0, 2 * MAX_ADDRESSES) }))
    })
  }
  return dht
}

type Known = Pick<PeerStore, 'get' | 'merge'>

/** The peer store, as kad-dht is given it: what others say of peers does not grow without end */
export function withAddressLimit<S extends Known> (peerStore: S): S {
  const merge: PeerStore['merge'] = async (id, data, options) => {
    const told = data.multiaddrs ?? []

    if (told.length === 0) {
      return peerStore.merge(id, data, options)
    }
    const known = new Set((await stored(peerStore, id))?.addresses.map(({ multiaddr }) => multiaddr.toString()) ?? [])
    let room = Math.max(0, MAX_ADDRESSES - known.size)
    const multiaddrs: PeerData['multiaddrs'] = []

    for (const multiaddr of told.slice(0, 2 * MAX_ADDRESSES)) {
      if (known.has(multiaddr.toString()) || room-- > 0) {
        multiaddrs.push(multiaddr)
      }
    }
    return peerStore.merge(id, { ...data, multiaddrs }, options)
  }

  return new Proxy(peerStore, {
    get: (target, name) => {
      const value = Reflect.get(target, name, target) as unknown
      return name === 'merge' ? merge : typeof value === 'function' ? value.bind(target) as unknown : value
    }
  })
}

async function stored (peerStore: Known, id: PeerId): Promise<Peer | undefined> {
  try {
    return await peerStore.get(id)
  } catch (err) {
    if ((err as Error).name === 'NotFoundError') {
      return undefined
    }
    throw err
  }
}
