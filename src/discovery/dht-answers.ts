import { blockKey } from '../block/key.ts'
import { toPeerRecord } from '../provider/to-record.ts'
import { BoundRequest } from './bound-request.ts'
import { KadRouters } from './kad-routers.ts'
import { namedOnce } from './named-once.ts'
import { ownRequests } from './own-requests.ts'
import type { KadRoutersComponents } from './kad-routers.ts'
import type { Clock } from '../interface/clock.ts'
import type { Ledger } from '../interface/disclosure.ts'
import type { ProviderSource } from '../interface/provider.ts'
import type { Request } from '../interface/request.ts'
import type { PeerRecord } from '../provider/to-record.ts'
import type { CID } from 'multiformats/cid'

/** Answers those who ask libp2p for what lies in the DHT, by the lookup that everybody shares */
export class DHTAnswers {
  readonly routers: KadRouters
  readonly #source: () => ProviderSource
  readonly #default: (cid: CID) => Request
  #request: (cid: CID) => Request

  constructor (components: Omit<KadRoutersComponents, 'answer'> & { readonly clock: Clock, readonly ledger?: Ledger, source (): ProviderSource }, protocol: string) {
    this.#source = components.source
    this.#default = ownRequests(components, 'read')
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
    const isNews = namedOnce()

    for await (const provider of this.#source().find({ cid, key: blockKey(cid) }, bound)) {
      const record = isNews(provider) ? toPeerRecord(provider) : undefined

      if (record != null) {
        yield record
      }
    }
    signal?.throwIfAborted()
  }
}
