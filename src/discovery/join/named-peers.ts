import { multiaddr } from '@multiformats/multiaddr'
import { InvalidOptionError } from '../../interface/errors.ts'
import { quote } from '../../interface/quote.ts'
import { peerOfText } from '../../provider/identity.ts'
import { MAX_ADDRESSES } from '../../provider/provider.ts'
import { peerKey } from '../kad/kad-key.ts'
import type { KadPeer } from '../kad/kad-client.ts'
import type { PeerStore } from '@libp2p/interface'

/** What `@libp2p/bootstrap` marks its peers with in the peer store */
const BOOTSTRAP_TAG = 'bootstrap'
/** As many as the configuration takes */
const MAX_NAMED = 64

/** Peers by the multiaddrs that the operator gave, each of which ends in `/p2p/PEER-ID`. Throws an `InvalidOptionError` for any other. */
export function namedPeers (list: readonly string[]): KadPeer[] {
  const peers = new Map<string, string[]>()

  for (const text of list) {
    const [id, address] = read(text)
    peers.set(id, [...peers.get(id) ?? [], address])
  }
  if (peers.size > MAX_NAMED) {
    throw new InvalidOptionError(`bootstrap must name at most ${MAX_NAMED} peers, got ${peers.size}`)
  }
  return [...peers].map(([id, addresses]) => ({ id, key: peerKey(id), addresses: addresses.slice(0, MAX_ADDRESSES) }))
}

/** Those that the node's own `@libp2p/bootstrap` was given */
export async function taggedPeers (peerStore: Pick<PeerStore, 'all'>, signal: AbortSignal): Promise<KadPeer[]> {
  const peers = await peerStore.all({ filters: [({ tags }) => tags.has(BOOTSTRAP_TAG)], limit: MAX_NAMED, signal })

  return peers.map(({ id, addresses }) => ({ id: id.toString(), key: peerKey(id.toString()), addresses: addresses.slice(0, MAX_ADDRESSES).map(({ multiaddr }) => multiaddr.toString()) }))
}

function read (text: unknown): [id: string, address: string] {
  try {
    const components = typeof text === 'string' ? multiaddr(text).getComponents() : []
    const last = components.at(-1)

    const id = last?.name === 'p2p' ? peerOfText(last.value ?? '') : undefined

    if (id != null && components.length > 1) {
      return [id, multiaddr(components.slice(0, -1)).toString()]
    }
  } catch (err) {
    throw new InvalidOptionError(`bootstrap must be multiaddrs that end in /p2p/PEER-ID, got ${quote(text)}: ${(err as Error).message}`, { cause: err })
  }
  throw new InvalidOptionError(`bootstrap must be multiaddrs that end in /p2p/PEER-ID, got ${quote(text)}`)
}
