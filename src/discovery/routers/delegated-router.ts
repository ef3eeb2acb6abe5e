import { peerIdFromString } from '@libp2p/peer-id'
import { anySignal } from 'any-signal'
import { systemRandom } from '../../clock/random.ts'
import { InvalidOptionError, InvalidProviderError, RouterFailedError } from '../../interface/errors.ts'
import { quote } from '../../interface/quote.ts'
import { PRIVACY_PRESETS } from '../../interface/privacy-preset.ts'
import { addressPolicy } from '../../provider/address.ts'
import { peerOfProvider, peerOfText } from '../../provider/identity.ts'
import { BoundRequest } from '../bound-request.ts'
import { isBridge, isFresh, isRescue, KeptAnswers } from './delegated-answers.ts'
import { delegatedCounts } from './delegated-counts.ts'
import { RouterRequests } from './delegated-requests.ts'
import { SharedStream } from './delegated-shared.ts'
import { checkedFilter, lookupURL, routerName, routerURL } from './delegated-url.ts'
import type { LookupTurn } from '../lookup-batches.ts'
import type { RecordFilter } from './delegated-records.ts'
import type { Question } from './delegated-requests.ts'
import type { Clock, Random } from '../../interface/clock.ts'
import type { HttpTransport } from '../../interface/http-transport.ts'
import type { ComponentLogger, Logger } from '../../interface/logger.ts'
import type { BlockKey, Provider, ProviderId, ProviderSource } from '../../interface/provider.ts'
import type { Request } from '../../interface/request.ts'
import type { RouterStats } from '../../interface/stats.ts'
import type { AddressPolicy } from '../../provider/address.ts'
import type { CID } from 'multiformats/cid'

/**
 * Requests to one router at a time. At 4 a page of 65 parts waited longer for its
 * turn than for all answers; 32 took the median load from 6.7 to 4.3 s.
 */
export const DEFAULT_MAX_REQUESTS = 32

/** Milliseconds for the head of an answer: below the 15 s of a lookup, so that the story can say who was late */
export const DEFAULT_HEAD_TIMEOUT = 12_000

/** Milliseconds for all of it: servers look for 25 s and stream what they find meanwhile */
export const DEFAULT_ROUTER_TIMEOUT = 25_000

/** A day: beyond it a timer is a mistake in units */
const MAX_MS = 86_400_000

/** Providers without addresses that the router is asked about in one lookup, all at once: more of them are rarely better ones */
export const MAX_PEER_LOOKUPS = 4

export interface DelegatedRouterInit {
  /** The endpoint, with or without `/routing/v1` */
  url: string | URL
  /** @default the host of the URL, and its path */
  name?: string
  /** The operator's own: asked in mode `strict` too. @default false */
  own?: boolean
  /** What can be used: sent to the router, and applied to what it answers. @default everything */
  filter?: RecordFilter
  /** @default 32 */
  maxRequests?: number
  /** Milliseconds until an answer begins. @default 12_000 */
  headTimeout?: number
  /** Milliseconds until it has ended. @default 25_000 */
  timeout?: number
}

export interface DelegatedRouterComponents {
  /** Shared with whoever else speaks HTTP: it checks addresses, follows no redirect and settles disclosures */
  readonly transport: HttpTransport
  readonly clock: Clock
  readonly logger: ComponentLogger
  /** @default the machine's dice */
  readonly random?: Random
  /** Lookups that leave together with others wait for them. @default none does */
  readonly turn?: LookupTurn
  /** Tells which addresses of providers share no failure domain. @default nothing is allow-listed */
  readonly policy?: AddressPolicy
}

export interface DelegatedRouter extends ProviderSource {
  /** A provider of which only the peer id is known; undefined when the router knows no address of it either */
  findPeer (peer: string, request: Request): Promise<Provider | undefined>
  stats (): RouterStats
}

/**
 * A router that is asked over the Delegated Routing V1 HTTP API. What it says is
 * streamed as it comes, and kept as long as it says.
 *
 * @example
 *
 * ```ts
 * import { defaultLogger } from '@libp2p/logger'
 * import { delegatedRouter, fetchTransport, systemClock } from 'portolan'
 *
 * const router = delegatedRouter({ url: 'https://router.example' })({ transport: fetchTransport(), clock: systemClock, logger: defaultLogger() })
 * ```
 */
export function delegatedRouter (init: DelegatedRouterInit): (components: DelegatedRouterComponents) => DelegatedRouter {
  const url = routerURL(init.url)
  const checked: Checked = {
    url,
    name: init.name ?? routerName(url),
    own: init.own ?? false,
    filter: checkedFilter(init.filter),
    maxRequests: within('maxRequests', init.maxRequests ?? DEFAULT_MAX_REQUESTS, 1_024),
    headTimeout: within('headTimeout', init.headTimeout ?? DEFAULT_HEAD_TIMEOUT, MAX_MS),
    timeout: within('timeout', init.timeout ?? DEFAULT_ROUTER_TIMEOUT, MAX_MS)
  }
  return components => new HttpRouter(checked, components)
}

function within (option: string, value: unknown, max: number): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 1 || value > max) {
    throw new InvalidOptionError(`${option} of a router must be a whole number from 1 to ${max}, got ${quote(value)}`)
  }
  return value
}

type Checked = Required<Omit<DelegatedRouterInit, 'url'>> & { readonly url: URL }

class HttpRouter implements DelegatedRouter {
  readonly name: string
  readonly #init: Checked
  readonly #clock: Clock
  readonly #log: Logger
  readonly #turn?: LookupTurn
  readonly #counts = delegatedCounts()
  readonly #answers: KeptAnswers
  readonly #requests: RouterRequests
  /** Bounded by the places of those under way and of those that wait */
  readonly #open = new Map<string, SharedStream<Provider>>()

  constructor (init: Checked, components: DelegatedRouterComponents) {
    this.name = init.name
    this.#init = init
    this.#clock = components.clock
    this.#turn = components.turn
    this.#log = components.logger.forComponent('portolan:discovery:delegated')
    this.#answers = new KeptAnswers(components.clock)
    this.#requests = new RouterRequests({ ...init, host: init.url.host }, { random: systemRandom, policy: addressPolicy(), ...components, counts: this.#counts })
  }

  stats (): RouterStats {
    return {
      name: this.name,
      ...this.#requests.stats(),
      cached: { answers: this.#answers.size, bytes: this.#answers.bytes },
      ...structuredClone(this.#counts)
    }
  }

  async * find ({ cid, key }: { cid: CID, key: BlockKey }, request: Request): AsyncGenerator<Provider, void, undefined> {
    const { url, filter } = this.#init
    const over = new AbortController()
    const signal = anySignal([request.signal, over.signal])
    const found: Provider[] = []
    const pending = new Map<ProviderId, Promise<ProviderId>>()

    try {
      // the specification has CIDv1 only
      for await (const provider of this.#ask({ key, url: lookupURL(url, 'providers', cid.toV1().toString(), filter), filter }, request)) {
        if (provider.addresses.length === 0 && pending.size < MAX_PEER_LOOKUPS && !pending.has(provider.id)) {
          pending.set(provider.id, this.#addresses(provider, request, signal).then(known => {
            found.push(...known)
            return provider.id
          }))
        }
        yield provider
        yield * found.splice(0)
      }

      while (pending.size > 0 && !request.signal.aborted) {
        pending.delete(await Promise.race(pending.values()))
        yield * found.splice(0)
      }
    } finally {
      over.abort()
      signal.clear()
    }
  }

  async findPeer (peer: string, request: Request): Promise<Provider | undefined> {
    const id = peerOfText(peer)

    if (id == null) {
      throw new InvalidProviderError(`${quote(peer)} is not a peer id`)
    }

    // what a peer speaks is not asked for: only where it is
    const filter = { addresses: this.#init.filter.addresses }
    const url = lookupURL(this.#init.url, 'peers', peerIdFromString(id).toCID().toString(), filter)

    for await (const provider of this.#ask({ key: `peer:${id}`, peer: id, url, filter }, request)) {
      if (provider.addresses.length > 0) {
        return provider
      }
    }
    return undefined
  }

  /** Never rejects: that the way to one provider is not known hides none of the others */
  async #addresses (provider: Provider, request: Request, signal: AbortSignal): Promise<Provider[]> {
    const peer = peerOfProvider(provider.id)

    try {
      const known = peer == null ? undefined : await this.findPeer(peer, new BoundRequest(request, { signal, deadline: request.deadline }))
      return known == null ? [] : [{ ...known, protocols: provider.protocols.length > 0 ? provider.protocols : known.protocols }]
    } catch (err) {
      this.#log.trace('no addresses of %s - %e', provider.id, err)
      return []
    }
  }

  /** Ends early when the request's signal aborts, or its deadline passes after something was found */
  async * #ask (question: Question, request: Request): AsyncGenerator<Provider, void, undefined> {
    const clock = this.#clock

    if (request.signal.aborted || (PRIVACY_PRESETS[request.mode].httpRouters === 'own' && !this.#init.own)) {
      return
    }

    const kept = this.#answers.get(question.key)

    if (kept != null && isFresh(kept, clock.now())) {
      this.#counts.cacheHits++
      yield * kept.providers
      return
    }

    const told = new Set<string>()
    const news = (provider: Provider): boolean => told.size < told.add(`${provider.id} ${provider.addresses.join(' ')}`).size

    if (kept != null && isBridge(kept, clock.now())) {
      this.#counts.stale++
      yield * kept.providers.filter(news)
    }

    try {
      await this.#turn?.(request)
      for await (const provider of this.#listen(question, request)) {
        if (news(provider)) {
          yield provider
        }
      }
    } catch (err) {
      if (request.signal.aborted) {
        return
      }
      if (kept != null && isRescue(kept, clock.now())) {
        this.#counts.staleOnError++
        this.#log('%s failed, what it said before is used - %e', this.name, err)
        yield * kept.providers.filter(news)
      } else if (told.size === 0) {
        throw err
      } else {
        this.#log.error('%s failed after %d providers - %e', this.name, told.size, err)
      }
    }
  }

  /** Joins the request for it that is under way, or makes one */
  async * #listen (question: Question, request: Request): AsyncGenerator<Provider, void, undefined> {
    const clock = this.#clock
    const left = request.deadline - clock.now()
    const deadline = new AbortController()
    const cancel = left === Infinity
      ? () => {}
      : clock.schedule(Math.max(0, left), () => {
        this.#counts.failures.late++
        deadline.abort(new RouterFailedError(this.name, 'late', `it gave no answer within ${Math.max(0, Math.round(left))} ms`))
      })
    const signal = anySignal([request.signal, deadline.signal])
    const reader = this.#stream(question, request).read(signal)

    try {
      yield * reader
    } finally {
      reader.leave()
      cancel()
      signal.clear()
    }
  }

  #stream (question: Question, request: Request): SharedStream<Provider> {
    const open = this.#open.get(question.key)

    if (open != null) {
      this.#counts.shared++
      return open
    }

    const stream = new SharedStream(signal => this.#request(question, request, signal), () => {
      if (this.#open.get(question.key) === stream) {
        this.#open.delete(question.key)
      }
    })
    this.#open.set(question.key, stream)
    return stream
  }

  async * #request (question: Question, request: Request, signal: AbortSignal): AsyncGenerator<Provider, void, undefined> {
    const heard = yield * this.#requests.ask(question, request, this.#answers.get(question.key), signal)

    if (heard === 'not-kept') {
      this.#answers.delete(question.key)
    } else if (heard != null) {
      this.#answers.set(question.key, heard)
    }
  }
}
