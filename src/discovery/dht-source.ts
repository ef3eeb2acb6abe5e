import { peerIdFromString } from '@libp2p/peer-id'
import { InvalidProviderError } from '../interface/errors.ts'
import { providerFromRecord } from '../provider/provider.ts'
import { WalkFailedError } from './kad/walk-run.ts'
import type { LookupTurn } from './lookup-batches.ts'
import type { KadPeer } from './kad/kad-client.ts'
import type { WalkOptions } from './kad/walker.ts'
import type { ComponentLogger, Logger } from '../interface/logger.ts'
import type { Provider, ProviderSource } from '../interface/provider.ts'
import type { Request } from '../interface/request.ts'
import type { AddressPolicy } from '../provider/address.ts'
import type { CID } from 'multiformats/cid'

export interface DHTSourceComponents {
  readonly logger: ComponentLogger
  /** Everybody in the DHT who says that somebody has it, and discloses each question */
  walk (cid: CID, options: WalkOptions & { readonly request: Request }): AsyncIterable<KadPeer>
  /** Lookups that leave together with others wait for them. @default none does */
  readonly turn?: LookupTurn
  /** Whether there is anybody to begin with; a node that has just started may have to wait for them */
  joined (signal: AbortSignal): Promise<boolean>
  /** Whether somebody should be there, for he was named or met before: that he is not is no answer. @default no */
  expected? (): boolean
  /** Who told this node, as a server of the DHT, that they have it: found without a word to anybody. @default nobody */
  stored? (cid: CID, signal: AbortSignal): Promise<ReadonlyArray<Pick<KadPeer, 'id' | 'addresses'>>>
  readonly policy?: AddressPolicy
}

const NAME = 'dht'

/**
 * Who says in the DHT that they have a block. It is for later: some twenty peers
 * learn of each lookup, of a router that was named only that one.
 */
export function dhtSource ({ walk, turn, joined, expected, stored, policy, logger }: DHTSourceComponents): ProviderSource {
  const log = logger.forComponent('portolan:discovery:dht')

  return {
    name: NAME,
    later: true,
    async * find ({ cid }, request) {
      for (const peer of await stored?.(cid, request.signal) ?? []) {
        const provider = toProvider(peer, policy, log)
        if (provider != null) {
          yield provider
        }
      }
      if (!await joined(request.signal)) {
        if (expected?.() === true && !request.signal.aborted) {
          throw new WalkFailedError([], 'no peer of the DHT is known: whoever was named to join through (bootstrap) does not answer, or is in another DHT (dhtProtocol)')
        }
        return
      }
      await turn?.(request)
      for await (const peer of walk(cid, { request, signal: request.signal })) {
        const provider = toProvider(peer, policy, log)
        if (provider != null) {
          yield provider
        }
      }
    }
  }
}

/** One that makes no sense hides none of the others */
function toProvider ({ id, addresses }: Pick<KadPeer, 'id' | 'addresses'>, policy: AddressPolicy | undefined, log: Logger): Provider | undefined {
  try {
    return providerFromRecord({ id: peerIdFromString(id), multiaddrs: addresses }, { source: NAME, policy })
  } catch (err) {
    if (!(err instanceof InvalidProviderError)) {
      throw err
    }
    log('ignoring a provider - %e', err)
    return undefined
  }
}
