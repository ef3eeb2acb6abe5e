import type { ProviderAddresses } from './addresses/provider-addresses.ts'
import type { BlockKey, ProviderSource } from '../interface/provider.ts'
import type { Request } from '../interface/request.ts'
import type { CID } from 'multiformats/cid'

/** A DHT of the node that is asked by itself */
export interface NodeDiscovery {
  readonly source: ProviderSource
  /** Where providers are: one book is enough for a node */
  readonly addresses?: ProviderAddresses
  forget? (key: BlockKey): void
  /** What others look up through libp2p is disclosed by these requests, until the returned function is called */
  discloseWith? (request: (cid: CID) => Request): () => void
}

/**
 * The discovery among the services of a libp2p node, whatever its name and
 * whichever copy of this package it is of; only while it runs.
 */
export function discoveryOf (services: object | undefined): NodeDiscovery | undefined {
  return Object.values(services ?? {}).find(isDiscovery)
}

function isDiscovery (service: unknown): service is NodeDiscovery {
  const { source, announce, isStarted } = (service ?? {}) as { source?: Partial<ProviderSource> | null, announce?: unknown, isStarted?: unknown }

  return source?.name === 'dht' && typeof source.find === 'function' && typeof announce === 'function' &&
    typeof isStarted === 'function' && (service as { isStarted (): boolean }).isStarted()
}
