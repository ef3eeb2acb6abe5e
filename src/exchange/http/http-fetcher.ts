import { LRUCache } from 'lru-cache'
import { DEFAULT_MAX_RETRY_AFTER, retryAfter } from '../../clock/retry-after.ts'
import { systemClock } from '../../clock/system-clock.ts'
import { FetchError } from '../../interface/errors.ts'
import { PRIVACY_PRESETS } from '../../interface/privacy-preset.ts'
import { TransportError } from '../../interface/http-transport.ts'
import { httpOrigin } from '../../provider/provider.ts'
import { CarError, readCar } from '../car/car-reader.ts'
import { judge, judgeCar } from './answer.ts'
import { BodyCollector, BodyLengthError } from './body-collector.ts'
import { CAR_HEADERS, carURL, counted } from './car-request.ts'
import { portOf } from './port.ts'
import { printable } from './printable.ts'
import type { HttpResponse, HttpTransport, TransportFailure } from '../../interface/http-transport.ts'
import type { Answer } from './answer.ts'
import type { Clock } from '../../interface/clock.ts'
import type { PrivacyMode } from '../../interface/disclosure.ts'
import type { FetchErrorInit } from '../../interface/errors.ts'
import type { Block, BlockFetcher, DagWant } from '../../interface/fetcher.ts'
import type { Outcome } from '../../interface/outcome.ts'
import type { Provider, Route } from '../../interface/provider.ts'
import type { Attempt, Want } from '../../interface/request.ts'
import type { AddressPolicy } from '../../provider/address.ts'

export interface HttpBlockFetcherInit {
  transport: HttpTransport
  /** Which addresses are routes at all; the transport checks again what it dials */
  policy: AddressPolicy
  /**
   * Whether an origin is one of the operator's own: in mode `strict` no other is asked.
   *
   * @default none is
   */
  own? (origin: string): boolean
  /** @default 'http' */
  name?: string
  /** Ask for what is there, and for nothing to be fetched: whoever lacks a block says so at once. @default false */
  onlyIfCached?: boolean
  /** Upper bound in ms on how long a provider may send us away. @default 600_000 */
  maxRetryAfter?: number
  /** Reads Retry-After dates. @default the machine's */
  clock?: Clock
}

export interface HttpBlockFetcher extends BlockFetcher {
  readonly transport: 'http'
  /** Which of the provider's HTTP addresses the policy keeps out of `routes`, and why */
  unusable (provider: Provider): string | undefined
  stop (): Promise<void>
}

/**
 * Fetches raw blocks from trustless gateways: `GET /ipfs/<cid>?format=raw`. What
 * comes back is capped, complete and of the right type; the caller verifies the hash.
 *
 * @example
 * ```ts
 * const policy = addressPolicy()
 * const fetcher = httpBlockFetcher({ transport: undiciTransport({ policy }), policy })
 * ```
 */
export function httpBlockFetcher (init: HttpBlockFetcherInit): HttpBlockFetcher {
  return new GatewayFetcher(init)
}

interface Reachable {
  readonly routes: readonly Route[]
  readonly refused: string | undefined
}

const HEADERS: Record<string, string> = {
  accept: 'application/vnd.ipld.raw',
  // a block is what was hashed: packed it would cost a second limit, and a bomb would have somewhere to go off
  'accept-encoding': 'identity'
}

/** Origins of which it is remembered whether they make CARs: as many as a busy node meets gateways in an hour */
const MAX_ORIGINS = 1_024
/** A server gets a new version now and then, not by the minute; each request for a CAR asks again */
const CARS_TTL = 3_600_000

const OUTCOMES: Record<TransportFailure, Exclude<Outcome, 'delivered'>> = {
  dns: 'unreachable',
  connect: 'unreachable',
  // whoever failed to prove its name may not be the provider: nothing to hold against it
  tls: 'unreachable',
  lost: 'unreachable',
  network: 'unreachable',
  truncated: 'invalid',
  protocol: 'invalid',
  redirect: 'refused'
}

class GatewayFetcher implements HttpBlockFetcher {
  readonly name: string
  readonly transport = 'http'
  readonly #transport: HttpTransport
  readonly #policy: AddressPolicy
  readonly #maxRetryAfter: number
  readonly #clock: Clock
  readonly #onlyIfCached: boolean
  readonly #own: (origin: string) => boolean
  /** Providers are values: parsing their addresses once is enough */
  readonly #reachable = new WeakMap<Provider, Reachable>()
  /** Origins that answered a request for a CAR, with one or with something else */
  readonly #makesCars: LRUCache<string, boolean>

  constructor (init: HttpBlockFetcherInit) {
    this.name = init.name ?? 'http'
    this.#transport = init.transport
    this.#onlyIfCached = init.onlyIfCached ?? false
    this.#own = init.own ?? (() => false)
    this.#policy = init.policy
    this.#maxRetryAfter = init.maxRetryAfter ?? DEFAULT_MAX_RETRY_AFTER
    const clock = init.clock ?? systemClock
    this.#clock = clock
    this.#makesCars = new LRUCache({ max: MAX_ORIGINS, ttl: CARS_TTL, ttlResolution: 0, perf: { now: () => clock.now() + 1 } }) // 0 would mean: no age
  }

  routes (provider: Provider): readonly Route[] {
    return this.#reach(provider).routes
  }

  refuses ({ address }: Route, mode: PrivacyMode): string | undefined {
    return PRIVACY_PRESETS[mode].httpHosts === 'any' || this.#own(address ?? '')
      ? undefined
      : `${printable(address ?? 'it')} is not named as your own (providers, siblings, own routers), and mode "${mode}" asks no other host over HTTP`
  }

  unusable (provider: Provider): string | undefined {
    return this.#reach(provider).refused
  }

  async fetch (want: Want, route: Route, attempt: Attempt): Promise<Uint8Array> {
    const who = describe(route)
    const url = new URL(`/ipfs/${want.cid.toString()}?format=raw`, origin(who, route))
    const response = await this.#send(url, this.#onlyIfCached ? { ...HEADERS, 'cache-control': 'only-if-cached' } : HEADERS, who, route, attempt)
    attempt.phase('first-byte')
    // RFC 9111, 5.2.1.7: what is not cached is answered with 504
    const answer: Answer = this.#onlyIfCached && response.status === 504
      ? { kind: 'failure', outcome: 'not-here', why: 'answered 504: does not have the block' }
      : judge(response, want.maxBytes, url)

    if (answer.kind === 'failure') {
      response.discard()
      throw this.#failed(answer, response, who, route)
    }

    const collector = new BodyCollector(want.maxBytes, answer.announced)

    try {
      // leaving the loop early ends the request on the wire
      for await (const chunk of response.body) {
        attempt.bytes(chunk.byteLength)
        collector.push(chunk)
      }
      return collector.finish()
    } catch (error) {
      throw failure(error, `${who} answered 200, but`, route, attempt)
    }
  }

  async * stream (dag: DagWant, route: Route, attempt: Attempt): AsyncGenerator<Block, void, undefined> {
    const who = describe(route)
    const address = origin(who, route)

    if (this.#makesCars.get(address) === false) {
      throw new FetchError('not-here', `${who} makes no CARs, as it said a while ago`, { provider: route.provider })
    }

    const url = carURL(dag, address)
    const response = await this.#send(url, CAR_HEADERS, who, route, attempt)
    attempt.phase('first-byte')
    const answer = judgeCar(response, url)

    if (answer.kind !== 'car') {
      response.discard()
      if (answer.kind === 'no-cars') {
        if (answer.lasting) {
          this.#makesCars.set(address, false)
        }
        throw new FetchError('not-here', `${who} ${answer.why}`, { provider: route.provider })
      }
      throw this.#failed(answer, response, who, route)
    }

    this.#makesCars.set(address, true)

    try {
      yield * readCar(counted(response.body, attempt), { root: dag.cid, maxBlockBytes: dag.maxBytes })
    } catch (error) {
      throw streamFailure(error, `${who} answered 200, but`, route, attempt)
    }
  }

  streams ({ address }: Route): boolean | undefined {
    return address === undefined ? false : this.#makesCars.get(address)
  }

  async stop (): Promise<void> {
    await this.#transport.close?.()
  }

  /** Asks once more when a kept connection turns out to have died meanwhile: that says nothing about the provider */
  async #send (url: URL, headers: Record<string, string>, who: string, route: Route, attempt: Attempt): Promise<HttpResponse> {
    if (attempt.signal.aborted) {
      throw cancelled(who, route, attempt)
    }

    // selection leaves such hosts out; should it ever not, nothing is sent and nobody blamed
    const refused = this.refuses(route, attempt.request.mode)

    if (refused != null) {
      throw new FetchError('cancelled', `${who} is not asked: ${refused}`, { provider: route.provider })
    }

    let connected = false
    const onConnected = (): void => {
      if (!connected) {
        connected = true
        attempt.phase('connected')
      }
    }

    for (let retried = false; ; retried = true) {
      const disclosure = attempt.request.disclose({
        observer: route.provider,
        form: 'cid',
        transport: url.protocol === 'https:' ? 'https' : 'http',
        audience: 'one'
      })

      try {
        return await this.#transport.request({ url, headers, signal: attempt.signal, onConnected }, disclosure)
      } catch (error) {
        if (retried || !(error instanceof TransportError && error.stale) || attempt.signal.aborted) {
          throw failure(error, `${who}:`, route, attempt)
        }
      }
    }
  }

  #failed ({ outcome, why }: Extract<Answer, { kind: 'failure' }>, response: HttpResponse, who: string, { provider }: Route): FetchError {
    return new FetchError(outcome, `${who} ${why}`, { provider, retryAfter: outcome === 'overloaded' ? this.#retryAfter(response) : undefined })
  }

  #retryAfter ({ headers }: HttpResponse): number | undefined {
    return retryAfter(headers.get('retry-after'), this.#clock.wall(), this.#maxRetryAfter)
  }

  #reach (provider: Provider): Reachable {
    let reachable = this.#reachable.get(provider)

    if (reachable === undefined) {
      reachable = reach(provider, this.#policy)
      this.#reachable.set(provider, reachable)
    }

    return reachable
  }
}

function reach (provider: Provider, policy: AddressPolicy): Reachable {
  const routes: Route[] = []
  const refused: string[] = []

  for (const address of httpOrigin(provider)) {
    try {
      const url = new URL(address)
      policy.check(url.hostname, portOf(url))
      routes.push({ provider: provider.id, transport: 'http', address: url.origin })
    } catch (error) {
      refused.push((error as Error).message)
    }
  }

  return { routes, refused: refused.length === 0 ? undefined : refused.join('; ') }
}

function origin (who: string, { address, provider }: Route): string {
  if (address === undefined) {
    throw new FetchError('unreachable', `${who} has no address to be asked at over HTTP`, { provider })
  }

  return address
}

/** A stream that ends early is how gateways say that a block of it is missing: no lie, and worth another provider */
function streamFailure (error: unknown, who: string, route: Route, attempt: Attempt): FetchError {
  if (error instanceof CarError) {
    return new FetchError('invalid', `${who} sent ${error.message}`, { provider: route.provider, cause: error })
  }

  if (error instanceof TransportError && error.failure === 'truncated' && !attempt.signal.aborted) {
    return new FetchError('unreachable', `${who} the stream ended early: ${error.message}`, { provider: route.provider, cause: error })
  }

  return failure(error, who, route, attempt)
}

function describe ({ provider, address }: Route): string {
  return provider.startsWith('http') || address === undefined
    ? printable(provider)
    : `${printable(provider)} at ${printable(address)}`
}

function cancelled (who: string, { provider }: Route, { signal }: Attempt): FetchError {
  return new FetchError('cancelled', `${who} was not waited for any longer`, { provider, cause: signal.reason })
}

/** What went wrong below an answer's status, as the outcome it has for the provider */
function failure (error: unknown, who: string, route: Route, attempt: Attempt): FetchError {
  const init: FetchErrorInit = { provider: route.provider, cause: error }

  if (attempt.signal.aborted) {
    return cancelled(describe(route), route, attempt)
  }

  if (error instanceof TransportError) {
    return new FetchError(OUTCOMES[error.failure], `${who} ${error.message}`, init)
  }

  if (error instanceof BodyLengthError) {
    return new FetchError('invalid', `${who} sent ${error.message}`, init)
  }

  const { name, message } = error as Error

  // closing the transport is our doing
  return name === 'NotRunningError'
    ? new FetchError('cancelled', `${who} was not asked: ${message}`, init)
    : new FetchError('unreachable', `${who} could not be asked: ${printable(message, 200)}`, init)
}
