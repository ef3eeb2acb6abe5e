import { KadRouters } from './kad-routers.ts'
import { BoundRequest } from './bound-request.ts'
import { unrecordedRequests } from './unrecorded-requests.ts'
import { toPeerRecord } from '../provider/to-record.ts'
import { blockKey } from '../block/key.ts'
import type { ProviderAddresses } from './addresses/provider-addresses.ts'
import type { KadRoutersComponents } from './kad-routers.ts'
import type { Clock } from '../interface/clock.ts'
import type { BlockKey, ProviderSource } from '../interface/provider.ts'
import type { Request } from '../interface/request.ts'
import type { PeerRecord } from '../provider/to-record.ts'
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

/** Answers those who ask libp2p for what lies in the DHT, by the lookup that everybody shares */
export class DHTAnswers {
  readonly routers: KadRouters
  readonly #source: () => ProviderSource
  readonly #default: () => Request
  #request: (cid: CID) => Request

  constructor (components: Omit<KadRoutersComponents, 'answer'> & { readonly clock: Clock, source (): ProviderSource }, protocol: string) {
    this.#source = components.source
    this.#default = unrecordedRequests(components.clock, 'read')
    this.#request = this.#default
    this.routers = new KadRouters({ ...components, answer: (cid, options) => this.#answer(cid, options) }, protocol)
  }

  discloseWith (request: (cid: CID) => Request): () => void {
    this.#request = request

    return () => {
      if (this.#request === request) {
        this.#request = this.#default
      }
    }
  }

  /** As kad-dht: throws when it is aborted */
  async * #answer (cid: CID, { signal }: { readonly signal?: AbortSignal }): AsyncGenerator<PeerRecord, void, undefined> {
    const request = this.#request(cid)
    const bound = new BoundRequest(request, { signal: signal ?? request.signal, deadline: request.deadline })
    const named = new Map<string, number>()

    for await (const provider of this.#source().find({ cid, key: blockKey(cid) }, bound)) {
      const known = named.get(provider.id)
      const record = known == null || (known === 0 && provider.addresses.length > 0) ? toPeerRecord(provider) : undefined

      if (record != null) {
        named.set(provider.id, provider.addresses.length)
        yield record
      }
    }
    signal?.throwIfAborted()
  }
}
