import { merged } from './merged.ts'
import { ownLookup } from './own-lookup.ts'
import { RouterReports, routerLookup } from './router-lookup.ts'
import { onlyTrusted, routersLeftOut } from './trusted-routers.ts'
import type { LookupTurn } from './lookup-batches.ts'
import type { NodeRouter, WatchedRouters } from './watched-routers.ts'
import type { Clock } from '../interface/clock.ts'
import type { ComponentLogger } from '../interface/logger.ts'
import type { Provider, ProviderSource } from '../interface/provider.ts'
import type { Request } from '../interface/request.ts'
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
  /** The same routers, one by one: the errors of each are told. @default only what all of them make together is known */
  routers?: readonly WatchedRouters[]
  /** Lookups that leave together with others wait for them. @default none does */
  turn?: LookupTurn
  /** Those that are asked in every mode, by name. @default none */
  trusted?: ReadonlySet<string>
  /** Whether the DHT is asked beside them. @default no */
  withoutDHT? (): boolean
  /** Whether their routers of last resort are. @default no */
  withoutFallback? (): boolean
}

const NONE: ReadonlySet<string> = new Set()

/** Where only those may be asked who were named, it has to be seen who is */
export function mayBeAsked (request: Request, { routers, trusted = NONE }: Pick<RoutingSourceComponents, 'routers' | 'trusted'>): boolean {
  return !onlyTrusted(request.mode) || (trusted.size > 0 && routers?.every(({ isWhole }) => isWhole) === true)
}

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

      const reports = new RouterReports()
      components.routers?.forEach(routers => { routers.watch() })
      if (!mayBeAsked(request, components)) {
        return
      }
      if (components.turn != null) {
        await components.turn(request)
      }
      yield * routerLookup({
        log,
        clock: components.clock,
        request,
        disclosure: request.disclose({ observer: 'router:helia', form: 'cid', transport: 'foreign', audience: 'unbounded' }),
        record: { policy: components.policy },
        isSilent: () => reports.count === 0 && components.routers?.every(({ isWhole }) => isWhole) === true,
        find: signal => routing.findProviders(cid, { signal, ...ownLookup({ asked: reports.asked, spared: reports.spared, failed: reports.failed, refused: routersLeftOut(request.mode, components.trusted ?? NONE), withoutDHT: components.withoutDHT?.(), withoutFallback: components.withoutFallback?.() }) })
      })
      reports.throwIfAny()
    }
  }
}

/**
 * Whom the routers of last resort name: for later. Helia asks them when all
 * others have ended, so one that hangs would keep them from ever being asked.
 */
export function fallbackSource (routers: WatchedRouters, components: Pick<RoutingSourceComponents, 'logger' | 'clock' | 'policy' | 'trusted' | 'turn'>): ProviderSource {
  const log = components.logger.forComponent('portolan:discovery:fallback')

  return {
    name: 'fallback',
    later: true,
    async * find ({ cid }, request) {
      const reports = new RouterReports()
      const leftOut = routersLeftOut(request.mode, components.trusted ?? NONE)
      const fallback = routers.fallback.filter(({ name = '' }) => leftOut?.(name, true) !== true)

      if (fallback.length > 0 && components.turn != null) {
        await components.turn(request)
      }

      yield * merged(fallback.map(router => one(router, cid, request)), (index, err) => { reports.failed(fallback[index]?.name ?? 'fallback', err) })
      reports.throwIfAny()
    }
  }

  function one (router: NodeRouter, cid: CID, request: Request): AsyncGenerator<Provider, void, undefined> {
    return routerLookup({
      log,
      clock: components.clock,
      request,
      disclosure: request.disclose({ observer: `router:${router.name ?? 'fallback'}`, form: 'cid', transport: 'foreign', audience: 'unbounded' }),
      record: { policy: components.policy },
      find: signal => router.findProviders(cid, { signal })
    })
  }
}
