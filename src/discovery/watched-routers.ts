import { contentRoutingSymbol } from '@libp2p/interface'
import { override } from '../provider/override.ts'
import { lookupOf } from './own-lookup.ts'
import type { Logger } from '../interface/logger.ts'
import type { Override } from '../provider/override.ts'
import type { ProviderRecord } from '../provider/provider.ts'
import type { CID } from 'multiformats/cid'

interface Options {
  readonly signal?: AbortSignal
}

/** A router of Helia, or a content router of libp2p */
export interface NodeRouter {
  readonly name?: string
  capabilities? (): readonly string[]
  findProviders (cid: CID, options?: Options): AsyncIterable<ProviderRecord>
}

/** The node that has them: Helia's routing, or libp2p's. Where the list is not to be found, nothing is watched. */
export type RouterOwner = object & { readonly routers?: unknown }

/** More than anybody composes: what comes after them works unwatched */
const MAX_ROUTERS = 64

/**
 * The routers of a node, one by one. Helia swallows what they throw, and libp2p
 * ends the answers of all when one of them fails: in lookups of ours each error
 * is told instead, and hides nobody. Other lookups go through untouched.
 */
export class WatchedRouters {
  readonly #owner: () => RouterOwner | undefined
  readonly #names: (router: object, index: number) => string
  readonly #log: Logger
  readonly #overrides = new Map<object, Override | undefined>()
  #watching = false

  /**
   * @param owner - may throw or return undefined while there is no node
   * @param names - of routers that have none of their own
   */
  constructor (owner: () => RouterOwner | undefined, log: Logger, names: (router: object, index: number) => string = (_, index) => `router ${index + 1}`) {
    this.#owner = owner
    this.#names = names
    this.#log = log
  }

  /** Those that say they are of last resort; none while they are not watched */
  get fallback (): readonly NodeRouter[] {
    return this.#watching ? this.#routers().filter(isFallback) : []
  }

  start (): void {
    this.#watching = true
    this.watch()
  }

  /** To be called before each lookup: routers come late */
  watch (): void {
    if (!this.#watching) {
      return
    }
    for (const [index, router] of this.#routers().entries()) {
      if (!this.#overrides.has(router) && this.#overrides.size < MAX_ROUTERS) {
        this.#overrides.set(router, this.#watch(router, router.name ?? this.#names(router, index)))
      }
    }
  }

  /** All of them are as they were */
  stop (): void {
    this.#watching = false
    this.#overrides.forEach(watched => { watched?.restore() })
    this.#overrides.clear()
  }

  #watch (router: NodeRouter, name: string): Override | undefined {
    const log = this.#log
    const watched = override(router, 'findProviders', previous => (cid, options) => {
      const own = lookupOf(options)

      if (own == null) {
        return previous(cid, options)
      }
      return (async function * () {
        try {
          if (own.withoutFallback === true && isFallback(router)) {
            return
          }
          yield * previous(cid, options)
        } catch (err) {
          if (options?.signal?.aborted !== true) {
            log.error('%s failed for %c - %e', name, cid, err)
            own.failed?.(name, err as Error)
          }
        }
      })()
    })

    try {
      watched.install()
      return watched
    } catch (err) {
      log.error('%s cannot be watched, its errors stay unheard - %e', name, err)
      return undefined
    }
  }

  #routers (): readonly NodeRouter[] {
    try {
      const routers = this.#owner()?.routers
      return Array.isArray(routers) ? routers.filter(isRouter) : []
    } catch (err) {
      // withLibp2p's getter throws until the node has started
      this.#log.trace('no routers - %e', err)
      return []
    }
  }
}

/** Names of services that are content routers of a libp2p node */
export function serviceNames (services: () => object | undefined): (router: object, index: number) => string {
  return (router, index) => {
    const named = Object.entries(services() ?? {}).find(([, service]) => (service as { [contentRoutingSymbol]?: unknown } | null)?.[contentRoutingSymbol] === router)
    return named?.[0] ?? `router ${index + 1}`
  }
}

function isRouter (router: unknown): router is NodeRouter {
  return typeof router === 'object' && router != null && 'findProviders' in router
}

/** One that cannot say what it is capable of is as any other */
function isFallback (router: NodeRouter): boolean {
  try {
    return router.capabilities?.().includes('fallback') === true
  } catch {
    return false
  }
}
