import { peerIdFromString } from '@libp2p/peer-id'
import { anySignal } from 'any-signal'
import { Walker } from '../kad/walker.ts'
import type { KadAnswer, KadClient } from '../kad/kad-client.ts'
import type { WalkerComponents } from '../kad/walker.ts'
import type { Request } from '../../interface/request.ts'

/** Asks others where a peer is: multiaddrs without its own `/p2p/`, none when nobody knows. Each who is asked is disclosed, as learning of a peer. */
export type PeerLookup = (peer: string, request: Request, options: { signal: AbortSignal }) => Promise<readonly string[]>

export interface PeerWalkComponents extends WalkerComponents {
  /** Whether there is anybody to ask */
  joined (signal: AbortSignal): Promise<boolean>
}

/** Whom such a walk asks at a time: addresses of a peer are with the peers nearest to it, and one of them is enough */
const WIDTH = 6
/** A third of what a lookup of a large network asks */
const MAX_ASKED = 24

/** Walks the DHT towards a peer, until somebody names it with an address */
export function peerWalk ({ joined, ...components }: PeerWalkComponents): PeerLookup {
  return async (peer, request, { signal }) => {
    if (!await joined(signal)) {
      return []
    }
    const found = new AbortController()
    const either = anySignal([signal, found.signal])
    let addresses: readonly string[] = []
    const client: Pick<KadClient, 'findNode'> = {
      findNode: async (asked, key, disclosure, options): Promise<KadAnswer> => {
        const answer = await components.client.findNode(asked, key, disclosure, options)
        const named = answer.closer.find(({ id }) => id === peer)

        if (named != null && named.addresses.length > 0 && addresses.length === 0) {
          addresses = named.addresses
          found.abort()
        }
        return answer
      }
    }
    const walker = new Walker({ ...components, client: client as KadClient }, { k: WIDTH, concurrency: WIDTH, maxAsked: MAX_ASKED })

    try {
      await walker.findClosest(peerIdFromString(peer).toMultihash().bytes, {
        signal: either,
        request: { disclose: init => request.disclose({ ...init, form: 'peer' }) }
      })
    } catch (err) {
      if (!found.signal.aborted) {
        throw err
      }
    } finally {
      either.clear()
    }
    return addresses
  }
}
