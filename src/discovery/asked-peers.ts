import { anySignal } from 'any-signal'
import { LRUCache } from 'lru-cache'
import { DEFAULT_MAX_BLOCK_SIZE } from '../block/verify.ts'
import { ConnectedPeers, connectedProvider } from './connected-libp2p.ts'
import { PRIVACY_PRESETS } from '../interface/privacy-preset.ts'
import type { ConnectedLibp2p, PeerConnection } from './connected-libp2p.ts'
import type { Clock } from '../interface/clock.ts'
import type { ComponentLogger } from '../interface/logger.ts'
import type { BlockKey, Provider, ProviderSource } from '../interface/provider.ts'
import type { Attempt, Request, Want } from '../interface/request.ts'
import type { AddressPolicy } from '../provider/address.ts'

export interface AskedPeersComponents {
  logger: ComponentLogger
  clock: Clock
  policy?: AddressPolicy
  /** Asks whether a connected peer has a block, and discloses it; undefined when it does not say */
  ask (peer: string, want: Want, attempt: Pick<Attempt, 'request' | 'signal'>): Promise<boolean | undefined>
  /** Whether the operator named this peer */
  chosen (peer: string): boolean
  /** Whether this peer is left alone: for what it did, for a while, or because it is asked in another way */
  avoided (peer: string): boolean
}

export interface AskedPeers extends ProviderSource {
  /** Whether this peer has just said that it has not got the block */
  denied (peer: string, key: BlockKey): boolean
}

/** Peers that learn of a read when nothing else is said: half of those whom the last resort asks one after the other */
export const DEFAULT_ASKED_PEERS = 8
/** More would tell a read to everybody */
export const MAX_ASKED_PEERS = 64
/** Milliseconds for an answer: a round trip to anywhere and a look at a busy disk. Who answers later is no faster than a lookup. */
export const ASK_TIMEOUT = 2_000
/** Milliseconds for which a peer must have been connected: who comes when a read begins may have come to listen */
export const NEWCOMER = 5_000
/** Milliseconds for which a no is believed: a read and its rounds */
const DENIED_FOR = 30_000
const MAX_DENIALS = 4_096
/** The first version with words for it; what came before would send the block */
const PROTOCOL = '/ipfs/bitswap/1.2.0'

/**
 * Asks some of the connected peers whether they have the block that is sought, and
 * no more than that: the nearest, never one that came a moment ago by itself.
 * Each learns the CID, so there is none of it but in mode `open` and where it was asked for.
 *
 * @param getLibp2p - may throw or return undefined while there is no node
 * @param count - peers asked for one block
 */
export function askedPeersSource (getLibp2p: () => ConnectedLibp2p | undefined, components: AskedPeersComponents, count: number): AskedPeers {
  const { clock, policy } = components
  const log = components.logger.forComponent('portolan:discovery:asked')
  const peers = new ConnectedPeers(getLibp2p, log)
  const denials = new LRUCache<string, number>({ max: MAX_DENIALS })
  const denied = (peer: string, key: BlockKey): boolean => (denials.get(`${peer} ${key}`) ?? -Infinity) > clock.now()

  function mayBeAsked ({ remotePeer, direction, timeline }: PeerConnection, key: BlockKey): boolean {
    const peer = remotePeer.toString()
    const since = timeline == null ? 0 : clock.wall() - timeline.open
    return !components.avoided(peer) && !denied(peer, key) && (direction === 'outbound' || since >= NEWCOMER || components.chosen(peer))
  }

  async function candidates (key: BlockKey, signal: AbortSignal): Promise<PeerConnection[]> {
    const found: PeerConnection[] = []

    for await (const { connection, protocols } of peers.nearest(signal)) {
      if (protocols.includes(PROTOCOL) && mayBeAsked(connection, key) && found.push(connection) === count) {
        break
      }
    }
    return found
  }

  /** Those who have it, in the order of their answers */
  async function * asked (want: Want, request: Request, signal: AbortSignal): AsyncGenerator<Provider, void, undefined> {
    const open = new Map<PeerConnection, Promise<{ readonly connection: PeerConnection, readonly answer: boolean | undefined }>>()

    for (const connection of await candidates(want.key, signal)) {
      const peer = connection.remotePeer.toString()
      open.set(connection, components.ask(peer, want, { request, signal }).then(answer => ({ connection, answer }), (err: unknown) => {
        log.error('%s could not be asked - %e', peer, err)
        return { connection, answer: undefined }
      }))
    }

    while (open.size > 0) {
      const { connection, answer } = await Promise.race(open.values())
      open.delete(connection)

      if (answer === true) {
        yield connectedProvider(connection, { source: 'asked', policy })
      } else if (answer === false) {
        denials.set(`${connection.remotePeer.toString()} ${want.key}`, clock.now() + DENIED_FOR)
      }
    }
  }

  return {
    name: 'asked',
    denied,
    async * find ({ cid, key }, request) {
      if (!PRIVACY_PRESETS[request.mode].connectedPeers || request.signal.aborted) {
        return
      }

      using timeout = clock.timeout(ASK_TIMEOUT)
      // leaving takes back what is still asked
      const over = new AbortController()
      const signal = anySignal([request.signal, timeout.signal, over.signal])

      try {
        yield * asked({ cid, key, maxBytes: DEFAULT_MAX_BLOCK_SIZE }, request, signal)
      } finally {
        over.abort()
        signal.clear()
      }
    }
  }
}
