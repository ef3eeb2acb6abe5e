import { InvalidOptionError } from '../interface/errors.ts'
import { AdoptedBrokers } from './adopted-brokers.ts'
import { BitswapTakeover } from './bitswap-takeover.ts'
import { BrokerTakeover } from './broker-takeover.ts'
import { tellPuts } from './cache-seam.ts'
import { HeliaRouting } from './helia-routing.ts'
import { Lifecycle } from './lifecycle.ts'
import { override } from '../provider/override.ts'
import { BROKER_NAME, RoutingBroker } from './routing-broker.ts'
import { SUPPORTED_HELIA, heliaSeams, isSupportedVersion } from './seams.ts'
import { RoutingSessionStore } from './session-store.ts'
import type { NodeExchange } from './bitswap-takeover.ts'
import type { LookupsTakeover } from './broker-takeover.ts'
import type { HeliaContentRouting } from './helia-routing.ts'
import type { RunnableContentRouting } from './lifecycle.ts'
import type { HintParser } from './read-options.ts'
import type { MountableLibp2p } from './protocol-switch.ts'
import type { SessionHost } from './session-store.ts'
import type { BlockFetcher } from '../interface/fetcher.ts'
import type { BlockBroker, BlockRetrievalOptions, Helia } from '@helia/interface'
import type { CID } from 'multiformats/cid'

export interface WithContentRoutingInit {
  /** `false`: wrap the node, but leave its reads alone until `contentRouting.enable()`. @default true */
  enabled?: boolean
}

/** What the composition root puts in */
export interface ContentRoutingParts {
  readonly routing: RunnableContentRouting
  /** The list that `routing` reads at each retrieval: adopted brokers are added to it */
  readonly fetchers: BlockFetcher[]
  /** Makes a fetcher of a broker that the node has */
  adopt (broker: BlockBroker, name: string): BlockFetcher
  /** Races brokers as Helia does, for reads that ask not to go through content routing */
  race (cid: CID, brokers: readonly BlockBroker[], options: BlockRetrievalOptions): Promise<Uint8Array>
  parseHint: HintParser
  /** Takes the place of the bitswap that the node has, while content routing has the node */
  readonly exchange?: NodeExchange
  /** Requests go past content routing, for this reason, until what it returns is called. @default nobody is told */
  unaccounted? (reason: string): () => void
  /** Names of brokers that are left to themselves. @default none */
  readonly unasked?: readonly string[]
  /** Takes the place of the node's routers for those who look up through it. @default they stay as they are */
  readonly lookups?: LookupsTakeover
}

/**
 * Wraps a Helia node, started or not: while the node runs, every block it lacks
 * is fetched through content routing, in whatever order mixins were added and
 * over any number of restarts. See `docs/architecture.md`.
 */
export function withContentRouting<H extends Helia> (helia: H, init: WithContentRoutingInit, parts: ContentRoutingParts): H & { contentRouting: HeliaContentRouting } {
  const { enabled = true } = init
  if (typeof enabled !== 'boolean') {
    throw new InvalidOptionError(`enabled must be true or false, got ${String(enabled)}`)
  }
  if ('contentRouting' in helia) {
    throw new InvalidOptionError('withContentRouting must be given a node that is not wrapped yet: this one has a contentRouting already')
  }

  const seams = heliaSeams(helia)
  const log = helia.logger.forComponent('portolan:helia')
  if (!isSupportedVersion(helia.info)) {
    log.error('%s %s is outside the range that is tested, %s: look out for a newer portolan', helia.info.name, helia.info.version, SUPPORTED_HELIA)
  }

  if (seams.cache != null) {
    tellPuts(seams, seams.cache)
  }
  const { exchange, unasked = [] } = parts
  const unaccounted = (reason: string): () => void => parts.unaccounted?.(reason) ?? (() => {})
  let accounted: () => void = () => {}
  let up = false
  const lifecycle = new Lifecycle(parts.routing)
  const adopted = new AdoptedBrokers(parts.fetchers, parts.adopt)
  const bitswap = exchange == null
    ? undefined
    : new BitswapTakeover({ exchange, libp2p: () => (helia as { libp2p?: MountableLibp2p }).libp2p, store: seams.store, log, changed: () => { adopt(up && takeover.active ? takeover.adopted : seams.brokers) } })
  const adopt = (brokers: readonly BlockBroker[]): void => {
    const asked = (bitswap?.asked(brokers) ?? brokers).filter(({ name }) => !unasked.includes(name))
    // one that is left to itself serves as before, so it hears what has come
    adopted.set(brokers, asked, bitswap?.past(brokers) ?? brokers)
  }
  const running = async (): Promise<RunnableContentRouting> => lifecycle.running()
  const announce = (cid: CID): void => {
    adopted.announce(cid)
    try {
      parts.routing.available?.(cid)
    } catch (err) {
      // Helia fails a put when an announcement throws
      log.error('could not note that %c is here - %e', cid, err)
    }
  }

  const broker: RoutingBroker = new RoutingBroker({
    log,
    running,
    announce,
    parseHint: parts.parseHint,
    bypass: async (cid, options) => {
      const accounted = unaccounted('a read asked to go past content routing')
      try {
        return await parts.race(cid, bitswap?.past(takeover.adopted) ?? takeover.adopted, options)
      } finally {
        accounted()
      }
    }
  })
  const takeover: BrokerTakeover = new BrokerTakeover(helia, seams, {
    broker,
    lookups: parts.lookups,
    adopted: brokers => {
      bitswap?.noticed(brokers)
      adopt(brokers)
    },
    createSession: (root, options) => new RoutingSessionStore({ log, host, running, announce, ...seams, parseHint: parts.parseHint }, root, options)
  })
  const host: SessionHost = {
    get active () { return takeover.active },
    get epoch () { return takeover.epoch },
    get generation () { return lifecycle.generation },
    nativeSession: takeover.nativeSession.bind(takeover)
  }

  const contentRouting = new HeliaRouting({
    lifecycle,
    routing: parts.routing,
    enabled,
    // a node that has not started, stops or has stopped keeps its own brokers
    switched: on => {
      if (on && up) {
        begin()
      } else {
        release(up ? 'content routing is disabled' : undefined)
      }
    },
    adopt: () => {
      if (up && !takeover.active) {
        adopt(seams.brokers)
      }
    }
  })

  /** The node has started, all mixins included */
  function begin (): void {
    up = true
    lifecycle.start().catch((err: unknown) => {
      release('content routing could not start')
      log.error('content routing could not start, the node goes on without it - %e', err)
    })
    if (contentRouting.enabled) {
      accounted()
      takeover.take()
      bitswap?.take(takeover.adopted)
    } else {
      release('content routing is disabled')
    }
  }

  /** The node has its own brokers; while it runs, what they tell to whom is told to nobody here */
  function release (why?: string): void {
    accounted()
    accounted = why == null ? () => {} : unaccounted(why)
    takeover.release()
    bitswap?.release()
  }

  /** Before anything of the node stops: its own brokers are in place when it stops them, so that they start again */
  async function end (): Promise<void> {
    up = false
    accounted()
    takeover.release()
    try {
      await lifecycle.stop()
    } catch (err) {
      log.error('content routing did not stop cleanly - %e', err)
    }
    await bitswap?.end()
    adopted.set([])
  }

  helia.addMixin({
    name: BROKER_NAME,
    start: async () => { await lifecycle.start() },
    // for those who hold the node's own `stop`
    stop: end
  })
  helia.events.addEventListener('start', begin)
  override(helia as Helia, 'stop', previous => async options => {
    await end()
    return previous(options)
  }).install()
  Object.defineProperty(helia, 'contentRouting', { value: contentRouting, enumerable: true, configurable: true })

  if (helia.status === 'started') {
    begin()
  }
  return helia as H & { contentRouting: HeliaContentRouting }
}
