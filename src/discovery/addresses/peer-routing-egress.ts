import { peerIdFromString } from '@libp2p/peer-id'
import { raceSignal } from '../../clock/race-signal.ts'
import { withoutPeer } from '../../provider/endpoint.ts'
import { PRIVACY_PRESETS } from '../../interface/privacy-preset.ts'
import type { PeerLookup } from './peer-lookup.ts'
import type { PeerId } from '@libp2p/interface'

/** The part of a libp2p node that is used here */
export interface HasPeerRouting {
  readonly peerRouting: { findPeer (peer: PeerId, options: { signal: AbortSignal }): Promise<{ readonly multiaddrs: ReadonlyArray<{ toString (): string }> }> }
}

/** Errors that say that nobody was asked */
const NOBODY = new Set(['NoPeerRoutersError', 'NotStartedError', 'FindSelfError'])
/** And that nobody knew */
const NOT_FOUND = new Set(['NotFoundError', 'QueryError'])

/**
 * The peer routers of a libp2p node. Which of them ask whom is the node's
 * composition: an audience without bounds, so none in mode `strict`.
 *
 * @param getLibp2p - may throw or return undefined while there is no node
 */
export function libp2pPeerLookup (getLibp2p: () => HasPeerRouting | undefined): PeerLookup {
  return async (peer, request, { signal }) => {
    const libp2p = PRIVACY_PRESETS[request.mode].peerRouters ? getLibp2p() : undefined

    if (libp2p == null) {
      return []
    }
    const disclosure = request.disclose({ observer: 'router:libp2p', form: 'peer', transport: 'foreign', audience: 'unbounded' })

    try {
      const { multiaddrs } = await raceSignal(libp2p.peerRouting.findPeer(peerIdFromString(peer), { signal }), signal)
      disclosure.sent()
      return multiaddrs.map(address => withoutPeer(address.toString(), peer))
    } catch (err) {
      const name = (err as Error | undefined)?.name ?? ''

      if (NOBODY.has(name)) {
        disclosure.notSent()
        return []
      }
      if (NOT_FOUND.has(name)) {
        disclosure.sent()
        return []
      }
      disclosure.unknown()
      throw err
    }
  }
}
