import { FetchError } from '../../interface/errors.ts'
import { answererOf } from '../../provider/answerer.ts'
import { httpOrigin } from '../../provider/provider.ts'
import { decoratedFetcher } from '../decorated-fetcher.ts'
import { relayedAttempt } from '../relayed-attempt.ts'
import type { BlockFetcher } from '../../interface/fetcher.ts'
import type { Provider, ProviderId, Route } from '../../interface/provider.ts'
import type { Attempt, Want } from '../../interface/request.ts'

export interface SiblingFetcherInit {
  /** The nodes of this fleet */
  readonly siblings: readonly Provider[]
  /** Asks over HTTP for what is there already, and for nothing to be fetched */
  readonly http: BlockFetcher
  /** Asks peers. Absent where there is no bitswap of our own. */
  readonly bitswap?: BlockFetcher
}

/**
 * The other nodes of a fleet, always candidates. They are asked for what they
 * have, never to fetch it, so that two nodes cannot send each other in circles;
 * asking one is disclosed and measured like any other, under a transport of its own.
 */
export class SiblingFetcher implements BlockFetcher {
  readonly name = 'sibling'
  readonly transport = 'sibling'
  readonly #siblings: ReadonlyMap<ProviderId, Provider>
  readonly #http: BlockFetcher
  readonly #bitswap?: BlockFetcher

  constructor ({ siblings, http, bitswap }: SiblingFetcherInit) {
    this.#siblings = new Map(siblings.map(sibling => [sibling.id, sibling]))
    this.#http = http
    this.#bitswap = bitswap
  }

  standing (): readonly Provider[] {
    return [...this.#siblings.values()]
  }

  /** By the addresses that the operator named, whatever else is said of it */
  routes ({ id }: Provider): readonly Route[] {
    const sibling = this.#siblings.get(id)
    const routes = sibling == null ? [] : [...this.#http.routes(sibling), ...this.#bitswap?.routes(sibling) ?? []]

    return routes.map(route => ({ ...route, transport: 'sibling' }))
  }

  unusable ({ id }: Provider): string | undefined {
    const sibling = this.#siblings.get(id)
    return sibling == null ? undefined : this.#http.unusable?.(sibling) ?? this.#bitswap?.unusable?.(sibling)
  }

  /** What is true of the way by which it is asked */
  proven (route: Route): boolean {
    const fetcher = this.#by(route)
    return fetcher?.proven?.({ ...route, transport: fetcher.transport }) ?? true
  }

  async fetch (want: Want, route: Route, attempt: Attempt): Promise<Uint8Array> {
    const fetcher = this.#by(route)

    if (fetcher == null) {
      throw new FetchError('unreachable', `${route.provider} was not asked: there is no bitswap to ask it by`, { provider: route.provider })
    }
    return fetcher.fetch(want, { ...route, transport: fetcher.transport }, relayedAttempt(attempt, { transport: 'sibling' }))
  }

  /** The same fetcher, for everybody else: a sibling asked in another way would fetch on our behalf */
  sparing (fetcher: BlockFetcher): BlockFetcher {
    return decoratedFetcher(fetcher, {
      routes: provider => fetcher.routes(provider).filter(route => !this.#siblings.has(answererOf(route)))
    })
  }

  #by (route: Route): BlockFetcher | undefined {
    return route.address == null ? this.#bitswap : this.#http
  }

  /** Whether this provider is one of them, under whichever name it was found */
  has (provider: Provider): boolean {
    return this.#siblings.has(provider.id) || httpOrigin(provider).some(address => this.#siblings.has(answererOf({ provider: provider.id, address })))
  }
}
