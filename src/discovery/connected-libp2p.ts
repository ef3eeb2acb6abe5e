import { raceSignal } from '../clock/race-signal.ts'
import { providerFromRecord } from '../provider/provider.ts'
import type { Logger } from '../interface/logger.ts'
import type { Provider } from '../interface/provider.ts'
import type { ProviderRecordInit } from '../provider/provider.ts'
import type { CID } from 'multiformats/cid'

/** The part of a libp2p node that is used here */
export interface ConnectedLibp2p {
  getConnections (): readonly PeerConnection[]
  peerStore: { get (peer: never): Promise<{ readonly protocols: readonly string[] }> }
}

export interface PeerConnection {
  readonly remotePeer: { toString (): string, toCID (): CID }
  readonly remoteAddr: { toString (): string }
  readonly status: string
  readonly direction?: string
  /** Wall time at which it was opened */
  readonly timeline?: { readonly open: number }
  /** Limited connections (relayed ones) are not for blocks */
  readonly limits?: unknown
  readonly rtt?: number
}

// each costs a look into the peer store, which may be on disk
const MAX_LOOKED_AT = 128

/** The connected peers of a node that may not be there yet */
export class ConnectedPeers {
  readonly #getLibp2p: () => ConnectedLibp2p | undefined
  readonly #log: Logger

  /** @param getLibp2p - may throw or return undefined while there is no node */
  constructor (getLibp2p: () => ConnectedLibp2p | undefined, log: Logger) {
    this.#getLibp2p = getLibp2p
    this.#log = log
  }

  /** One connection per peer, by measured round trip, unmeasured ones last, and what each peer speaks: nothing before it was identified */
  async * nearest (signal: AbortSignal): AsyncGenerator<{ readonly connection: PeerConnection, readonly protocols: readonly string[] }, void, undefined> {
    const node = this.#node()

    for (const connection of node == null ? [] : nearest(node)) {
      if (signal.aborted || node == null) {
        return
      }
      yield { connection, protocols: await this.#protocols(node, connection, signal) }
    }
  }

  #node (): ConnectedLibp2p | undefined {
    try {
      return this.#getLibp2p()
    } catch (err) {
      // withLibp2p's getter throws until the node has started
      this.#log.trace('no libp2p node yet - %e', err)
      return undefined
    }
  }

  async #protocols (node: ConnectedLibp2p, { remotePeer }: PeerConnection, signal: AbortSignal): Promise<readonly string[]> {
    try {
      return (await raceSignal(node.peerStore.get(remotePeer as never), signal)).protocols
    } catch (err) {
      this.#log.trace('%s is connected but not identified - %e', remotePeer, err)
      return []
    }
  }
}

/** As whoever named it */
export function connectedProvider ({ remotePeer, remoteAddr }: PeerConnection, init: ProviderRecordInit): Provider {
  return providerFromRecord({ id: remotePeer.toCID(), multiaddrs: [remoteAddr], protocols: ['transport-bitswap'] }, init)
}

function nearest (node: ConnectedLibp2p): PeerConnection[] {
  const byPeer = new Map<string, PeerConnection>()

  for (const connection of node.getConnections()) {
    const peer = connection.remotePeer.toString()
    const known = byPeer.get(peer)
    if (connection.status === 'open' && connection.limits == null && distance(connection) <= (known == null ? Infinity : distance(known))) {
      byPeer.set(peer, connection)
    }
  }
  return [...byPeer.values()].sort((a, b) => distance(a) - distance(b)).slice(0, MAX_LOOKED_AT)
}

function distance (connection: PeerConnection): number {
  return connection.rtt ?? Number.MAX_SAFE_INTEGER
}
