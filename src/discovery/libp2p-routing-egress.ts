import { override } from '../provider/override.ts'
import { ownLookup } from './own-lookup.ts'
import { mayBeAsked } from './helia-routing-egress.ts'
import { providing, withdrawing } from './provide-egress.ts'
import { RouterReports, routerLookup } from './router-lookup.ts'
import { routersLeftOut } from './trusted-routers.ts'
import type { RoutingSourceComponents, FindsProviders } from './helia-routing-egress.ts'
import type { Provides } from './provide-egress.ts'
import type { ProviderSource } from '../interface/provider.ts'

export type { FindsProviders } from './helia-routing-egress.ts'

const NAME = 'libp2p'

/** The part of a libp2p node that is used here */
export interface HasContentRouting {
  contentRouting: FindsProviders & Provides
}

/**
 * Everybody whom the content routers of a libp2p node find: for nodes without Helia
 *
 * @param getRouting - read at each lookup
 */
export function libp2pRoutingSource (getRouting: () => FindsProviders, components: RoutingSourceComponents): ProviderSource {
  const log = components.logger.forComponent('portolan:discovery:libp2p')

  return {
    name: NAME,
    async * find ({ cid }, request) {
      const routing = getRouting()
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
        disclosure: request.disclose({ observer: `router:${NAME}`, form: 'cid', transport: 'foreign', audience: 'unbounded' }),
        record: { source: NAME, policy: components.policy },
        isSilent: () => reports.count === 0 && components.routers?.every(({ isWhole }) => isWhole) === true,
        find: signal => routing.findProviders(cid, { signal, ...ownLookup({ asked: reports.asked, spared: reports.spared, failed: reports.failed, refused: routersLeftOut(request.mode, components.trusted ?? new Set()), withoutDHT: components.withoutDHT?.() }) })
      })
      reports.throwIfAny()
    }
  }
}

/**
 * Answers those who look up through a libp2p node while it is installed.
 *
 * @param answer - undefined for a lookup that goes on to the original
 */
export function answerLibp2p (libp2p: HasContentRouting, answer: (...args: Parameters<FindsProviders['findProviders']>) => ReturnType<FindsProviders['findProviders']> | undefined): { install (): void, restore (): void, readonly original: FindsProviders } {
  const { contentRouting } = libp2p
  let original: FindsProviders | undefined
  let isInstalled = false
  const taken = override(contentRouting, 'findProviders', previous => {
    original = { findProviders: previous }
    return (cid, options) => (isInstalled ? answer(cid, options) : undefined) ?? previous(cid, options)
  })

  return {
    /** What is asked while others are answered here */
    get original () { return (isInstalled ? original : undefined) ?? contentRouting },
    install () {
      isInstalled = true
      taken.install()
    },
    restore () {
      isInstalled = false
      taken.restore()
    }
  }
}

/** Publishes through the content routers of a libp2p node */
export function libp2pProviding (libp2p: Pick<HasContentRouting, 'contentRouting'>): ReturnType<typeof providing> {
  return providing(NAME, () => libp2p.contentRouting)
}

/** Has the content routers of a libp2p node announce a block no more by themselves */
export function libp2pWithdrawing (libp2p: Pick<HasContentRouting, 'contentRouting'>): ReturnType<typeof withdrawing> {
  return withdrawing(() => libp2p.contentRouting)
}
