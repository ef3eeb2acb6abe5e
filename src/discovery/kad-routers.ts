import { contentRoutingSymbol } from '@libp2p/interface'
import { raceSignal } from '../clock/race-signal.ts'
import { override } from '../provider/override.ts'
import { RECORD_LASTING } from './lasting.ts'
import { lookupOf } from './own-lookup.ts'
import type { Clock } from '../interface/clock.ts'
import type { Logger } from '../interface/logger.ts'
import type { Override } from '../provider/override.ts'
import type { PeerRecord } from '../provider/to-record.ts'
import type { PeerId, PeerStore } from '@libp2p/interface'
import type { CID } from 'multiformats/cid'

interface FindOptions {
  readonly signal?: AbortSignal
}

interface ContentRouter {
  findProviders (cid: CID, options?: FindOptions): AsyncIterable<PeerRecord>
}

/** What is used of kad-dht. Its tag and its router are public; the protocol and the records that lie here are not in its types. */
interface Kad {
  readonly [Symbol.toStringTag]?: string
  readonly [contentRoutingSymbol]?: ContentRouter
  readonly protocol?: string
  readonly k?: number
  readonly providers?: {
    loadProviders? (cid: CID, options?: FindOptions): Promise<{ entries (): Iterable<[PeerId, Date]> }>
    addProvider? (cid: CID, provider: PeerId, options?: object): Promise<void>
  }
}

export interface KadRoutersComponents {
  readonly log: Logger
  readonly clock: Pick<Clock, 'wall'>
  /** All that the node is made of: read at each start */
  readonly services: () => Iterable<unknown>
  readonly peerStore: Pick<PeerStore, 'get'>
  readonly self: string
  /** Somebody has told this node, as a server of the DHT, that they have a block: what was known of it may have changed */
  onRecord? (cid: CID): void
  /** Answers in the place of kad-dht */
  answer (cid: CID, options: FindOptions): AsyncIterable<PeerRecord>
}

/** A peer that others told this node of, as its own DHT server would tell them */
export interface StoredProvider {
  readonly id: string
  readonly addresses: readonly string[]
}

const KAD_DHT = '@libp2p/kad-dht'
/** As in Kubo and kad-dht, which end their lookups when they have so many */
const DEFAULT_K = 20

/**
 * The content routers of the node's kad-dht, answered by us while we run: who
 * asks libp2p has the same lookup as everybody else, and it is not made twice.
 * `dht.findProviders`, with its events, stays as it is.
 */
export class KadRouters {
  readonly #components: KadRoutersComponents
  readonly #protocol: string
  #kads: readonly Kad[] = []
  #overrides: readonly Override[] = []
  #watches: readonly Override[] = []

  constructor (components: KadRoutersComponents, protocol: string) {
    this.#components = components
    this.#protocol = protocol
  }

  /** Of how many kad-dhts the lookups are answered here */
  get size (): number {
    return this.#overrides.length
  }

  start (): void {
    const { services, log } = this.#components
    this.#kads = [...services()].filter(isKad).filter(({ protocol }) => protocol === this.#protocol)
    this.#overrides = this.#kads.map(kad => this.#override(kad)).filter(kad => kad != null)
    this.#watches = this.#kads.map(kad => this.#watch(kad)).filter(kad => kad != null)

    if (this.#overrides.length === 0) {
      log('no kad-dht that speaks %s was found, so libp2p\'s own lookups stay as they are', this.#protocol)
    }
  }

  stop (): void {
    this.#overrides.concat(this.#watches).forEach(taken => { taken.restore() })
    this.#overrides = []
    this.#watches = []
    this.#kads = []
  }

  /** Who told this node, as a server of the DHT, that they have the block. Never throws. */
  async stored (cid: CID, signal: AbortSignal): Promise<StoredProvider[]> {
    const { log, peerStore, self } = this.#components
    const found = new Map<string, StoredProvider>()

    for (const kad of this.#kads) {
      try {
        for (const peer of await this.#recorded(kad, cid, signal)) {
          const id = peer.toString()

          if (id !== self && !found.has(id)) {
            const addresses = await raceSignal(peerStore.get(peer, { signal }), signal).then(({ addresses }) => addresses.map(({ multiaddr }) => multiaddr.toString()), () => [])
            found.set(id, { id, addresses })
          }
        }
      } catch (err) {
        if (!signal.aborted) {
          log.error('could not read the records of %c that lie here - %e', cid, err)
        }
      }
    }
    return [...found.values()]
  }

  /** Hears of records as kad-dht takes them in; without it they are found when what is known is no longer fresh */
  #watch ({ providers }: Kad): Override | undefined {
    const { onRecord, log } = this.#components

    if (onRecord == null || typeof providers?.addProvider !== 'function') {
      return undefined
    }
    const watch = override(providers as Required<typeof providers>, 'addProvider', previous => async (cid, provider, options) => {
      await previous(cid, provider, options)
      try {
        onRecord(cid)
      } catch (err) {
        log.error('could not hear that %c is provided - %e', cid, err)
      }
    })

    try {
      watch.install()
      return watch
    } catch (err) {
      log.error('records that kad-dht takes in are not heard of here - %e', err)
      return undefined
    }
  }

  /** Those that still hold, whatever kad-dht was told about removing them */
  async #recorded ({ providers, k = DEFAULT_K }: Kad, cid: CID, signal: AbortSignal): Promise<PeerId[]> {
    const since = this.#components.clock.wall() - RECORD_LASTING
    const records = await raceSignal(providers?.loadProviders?.(cid, { signal }) ?? Promise.resolve(new Map<PeerId, Date>()), signal)
    return [...records.entries()].filter(([, at]) => at.getTime() > since).map(([peer]) => peer).slice(0, k)
  }

  #override (kad: Kad): Override | undefined {
    const { answer, log } = this.#components
    const router = kad[contentRoutingSymbol] as ContentRouter
    const k = kad.k ?? DEFAULT_K
    const taken = override(router, 'findProviders', () => async function * (cid, options = {}) {
      const own = lookupOf(options)

      if (own?.withoutDHT === true) {
        own.spared?.()
        return
      }
      let named = 0
      for await (const peer of answer(cid, options)) {
        yield peer
        if (++named >= k) {
          return
        }
      }
    })

    try {
      taken.install()
      return taken
    } catch (err) {
      log.error('the lookups of kad-dht cannot be answered here, so they are made twice - %e', err)
      return undefined
    }
  }
}

/** What a service is made with knows all others by name, and throws for a name that is not there */
export function allComponents (components: object): Iterable<unknown> {
  return Object.values((components as { components?: object }).components ?? {})
}

function isKad (service: unknown): service is Kad {
  const kad = service as Kad | null
  return kad?.[Symbol.toStringTag] === KAD_DHT && 'findProviders' in (kad[contentRoutingSymbol] ?? {})
}
