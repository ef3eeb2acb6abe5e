import { contentRoutingSymbol } from '@libp2p/interface'
import { override } from '../provider/override.ts'
import { lookupOf } from './own-lookup.ts'
import { isNobodyThere } from './router-lookup.ts'
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

export interface WatchedRoutersInit {
  name? (router: object, index: number): string
  passes? (name: string): boolean
}

/** More than anybody composes: what comes after them works unwatched */
const MAX_ROUTERS = 64

/**
 * The routers of a node, one by one. Helia swallows what they throw, and libp2p
 * ends the answers of all when one of them fails: in lookups of ours each error
 * is told instead, and hides nobody. Other lookups go through untouched.
 */
export class WatchedRouters {
  readonly #owner: () => RouterOwner | undefined
  readonly #names: NonNullable<WatchedRoutersInit['name']>
  readonly #passes: NonNullable<WatchedRoutersInit['passes']>
  readonly #log: Logger
  readonly #overrides = new Map<object, Override | undefined>()
  #watching = false

  /**
   * @param owner - may throw or return undefined while there is no node
   * @param init - `name`: of a router that has none of its own, `passes`: whether one only passes on to others that are watched too
   */
  constructor (owner: () => RouterOwner | undefined, log: Logger, init: WatchedRoutersInit = {}) {
    const { name = (_, index) => `router ${index + 1}`, passes = () => false } = init
    this.#owner = owner
    this.#names = name
    this.#passes = passes
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

  /** Whether each of them says when it is asked: else somebody may be asked whom nobody sees */
  get isWhole (): boolean {
    return this.#watching && this.#list() != null && this.#routers().every(router => this.#overrides.get(router) != null)
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
    const isPassing = this.#passes(name)
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
          if (!isPassing && own.refused?.(name, isFallback(router)) === true) {
            return
          }
          if (!isPassing) {
            own.asked?.(name)
          }
          yield * previous(cid, options)
        } catch (err) {
          if (options?.signal?.aborted !== true && !isNobodyThere(err)) {
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
    return this.#list()?.filter(isRouter) ?? []
  }

  #list (): readonly unknown[] | undefined {
    try {
      const owner = this.#owner()
      return owner == null ? [] : Array.isArray(owner.routers) ? owner.routers : undefined
    } catch (err) {
      // withLibp2p's getter throws until the node has started
      this.#log.trace('no routers - %e', err)
      return undefined
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
