import { ForeignAnswers } from './discovery/foreign-answers.ts'
import { fallbackSource, heliaRoutingSource } from './discovery/helia-routing-egress.ts'
import { answerLibp2p, libp2pRoutingSource } from './discovery/libp2p-routing-egress.ts'
import { discoveryOf } from './discovery/node-discovery.ts'
import { NodeLookups } from './discovery/node-lookups.ts'
import { WatchedRouters, serviceNames } from './discovery/watched-routers.ts'
import type { FindsProviders, HasContentRouting } from './discovery/libp2p-routing-egress.ts'
import type { LookupTurn } from './discovery/lookup-batches.ts'
import type { NodeDiscovery } from './discovery/node-discovery.ts'
import type { RouterOwner } from './discovery/watched-routers.ts'
import type { LookupsTakeover } from './helia/broker-takeover.ts'
import type { Clock, Random } from './interface/clock.ts'
import type { ComponentLogger } from './interface/logger.ts'
import type { BlockKey, ProviderSource } from './interface/provider.ts'
import type { Request } from './interface/request.ts'
import type { LookupsStats } from './interface/stats.ts'
import type { AddressPolicy } from './provider/address.ts'
import type { Helia } from '@helia/interface'
import type { PeerStore } from '@libp2p/interface'
import type { Datastore } from 'interface-datastore'
import type { CID } from 'multiformats/cid'

/** As @helia/libp2p calls the router that asks libp2p's */
const LIBP2P_ROUTER = 'libp2p-router'

export interface LookupsContext {
  readonly clock: Clock
  readonly random: Random
  readonly logger: ComponentLogger
  readonly policy: AddressPolicy
  readonly datastore?: Datastore
  /** Names of the node's routers that are asked in every mode */
  readonly trusted: ReadonlySet<string>
  /** Lookups that leave together with others wait for them */
  readonly turn: LookupTurn
  /** For a lookup that belongs to no retrieval */
  request (cid: CID): Request
  /** The same source, with the addresses that work */
  addressed (source: ProviderSource): ProviderSource
}

/** The lookups of a node: started and stopped with content routing */
export interface ComposedLookups {
  /** Read live: a node's own DHT is there once it has started */
  readonly sources: readonly ProviderSource[]
  start (): Promise<void>
  stop (): Promise<void>
  /** Somebody said that who has it has changed */
  forget (key: BlockKey): void
  stats (): LookupsStats
}

interface Libp2pOf {
  readonly services?: object
  readonly peerStore: Pick<PeerStore, 'get' | 'merge'>
}

/**
 * Those of a Helia node: its routers, their fallbacks, and the DHT of its libp2p
 * node, where that has a discovery of its own.
 *
 * @param discovery - of a node whose only routers are libp2p's: retrievals ask nobody else
 */
export function heliaLookups (helia: Helia, { logger, ...context }: LookupsContext, discovery?: () => NodeDiscovery | undefined): ComposedLookups & LookupsTakeover {
  const log = logger.forComponent('portolan:discovery:routers')
  const libp2p = (): Libp2pOf | undefined => (helia as { libp2p?: Libp2pOf }).libp2p
  const services = (): object | undefined => libp2p()?.services
  const routers = new WatchedRouters(() => helia.routing as RouterOwner, log, { passes: name => name === LIBP2P_ROUTER })
  const contentRouters = new WatchedRouters(() => (libp2p() as { contentRouting?: RouterOwner } | undefined)?.contentRouting, log, { name: serviceNames(services) })
  let original: FindsProviders | undefined

  const lookups: NodeLookups = new NodeLookups({
    ...context,
    logger,
    routers: heliaRoutingSource(() => original ?? helia.routing as FindsProviders, {
      ...context,
      logger,
      routers: [routers, contentRouters],
      withoutDHT: () => lookups.discovery != null,
      withoutFallback: () => routers.fallback.length > 0
    }),
    fallback: { source: fallbackSource(routers, { ...context, logger }), isThere: () => routers.fallback.length > 0 },
    discovery: discovery ?? (() => discoveryOf(services())),
    watched: [routers, contentRouters]
  }, { retrievals: discovery == null })
  const answers = new ForeignAnswers({ lookups, clock: context.clock, log, peerStore: () => libp2p()?.peerStore })

  return {
    get sources () { return lookups.sources },
    start: async () => { await lookups.start() },
    stop: async () => { await lookups.stop() },
    forget: key => { lookups.forget(key) },
    stats: () => lookups.stats(),
    take: findProviders => {
      original = { findProviders } as FindsProviders
      lookups.take()
    },
    release: () => {
      original = undefined
      lookups.release()
    },
    find: (cid, options) => answers.helia(cid, options)
  }
}

/** Those of a libp2p node without Helia: its content routers, and its DHT where it has a discovery of its own */
export function libp2pLookups (libp2p: HasContentRouting & Libp2pOf, { logger, ...context }: LookupsContext): ComposedLookups {
  const log = logger.forComponent('portolan:discovery:routers')
  const routers = new WatchedRouters(() => (libp2p as { contentRouting: RouterOwner }).contentRouting, log, { name: serviceNames(() => libp2p.services) })
  const taken = answerLibp2p(libp2p, (cid, options) => answers.libp2p(cid, options))

  const lookups: NodeLookups = new NodeLookups({
    ...context,
    logger,
    routers: libp2pRoutingSource(() => taken.original, { ...context, logger, routers: [routers], withoutDHT: () => lookups.discovery != null }),
    discovery: () => discoveryOf(libp2p.services),
    watched: [routers]
  }, { loud: true })
  const answers = new ForeignAnswers({ lookups, clock: context.clock, log, peerStore: () => libp2p.peerStore })

  return {
    get sources () { return lookups.sources },
    start: async () => {
      await lookups.start()
      taken.install()
      lookups.take()
    },
    stop: async () => {
      taken.restore()
      await lookups.stop()
    },
    forget: key => { lookups.forget(key) },
    stats: () => lookups.stats()
  }
}
