import { routerLookup } from './router-lookup.ts'
import type { Clock } from '../interface/clock.ts'
import type { ComponentLogger } from '../interface/logger.ts'
import type { ProviderSource } from '../interface/provider.ts'
import type { AddressPolicy } from '../provider/address.ts'
import type { ProviderRecord } from '../provider/provider.ts'
import type { CID } from 'multiformats/cid'

/** The part of `helia.routing` that is used here */
export interface FindsProviders {
  findProviders (cid: CID, options?: { signal?: AbortSignal }): AsyncIterable<ProviderRecord>
}

export interface RoutingSourceComponents {
  logger: ComponentLogger
  clock: Clock
  policy?: AddressPolicy
}

const NOBODY = new Set(['NoRoutersAvailableError'])

/**
 * Everybody whom the node's own routers find. Which of them ask whom is the
 * node's composition: one disclosure with an unbounded audience per lookup.
 *
 * @param getRouting - read at each lookup, since mixins replace `findProviders`
 */
export function heliaRoutingSource (getRouting: () => FindsProviders | undefined, components: RoutingSourceComponents): ProviderSource {
  const log = components.logger.forComponent('portolan:discovery:helia')

  return {
    name: 'helia',
    async * find ({ cid }, request) {
      const routing = getRouting()
      if (routing == null) {
        return
      }

      yield * routerLookup({
        log,
        clock: components.clock,
        request,
        disclosure: request.disclose({ observer: 'router:helia', form: 'cid', transport: 'foreign', audience: 'unbounded' }),
        record: { policy: components.policy },
        nobody: NOBODY,
        find: signal => routing.findProviders(cid, { signal })
      })
    }
  }
}
