import { sha256 } from 'multiformats/hashes/sha2'
import { CID } from 'multiformats/cid'
import { blockKey } from '../block/key.ts'
import { seededRandom } from '../clock/random.ts'
import { FetchError } from '../interface/errors.ts'
import { SimulatedProvider } from './simulated-provider.ts'
import { VirtualClock } from './virtual-clock.ts'
import type { Behaviour } from './simulated-provider.ts'
import type { Random } from '../interface/clock.ts'
import type { Block, BlockFetcher, DagWant } from '../interface/fetcher.ts'
import type { BlockKey, Provider, ProviderSource, Route } from '../interface/provider.ts'
import type { Attempt, Want } from '../interface/request.ts'

export interface SimulatedNetworkInit {
  /** @default 1 */
  seed?: number
  clock?: VirtualClock
  /** Milliseconds until the lookup names its first provider. @default 0 */
  lookupDelay?: number
  /** Milliseconds between two providers named. @default 0 */
  lookupGap?: number
}

export interface AddProviderOptions {
  domains?: readonly string[]
  /** Left out of what the lookup finds: reachable by hint only. @default false */
  unlisted?: boolean
}

const RAW = 0x55

/**
 * A seeded network of providers on a virtual clock: a fetcher and a provider
 * source for a manager, and levers for everything that goes wrong outside.
 *
 * @example
 *
 * ```ts
 * const network = new SimulatedNetwork({ seed: 7 })
 * network.add('good', { latency: 20 })
 * network.add('silent', { silent: true })
 * const cid = network.block(new Uint8Array([1, 2, 3]))
 * ```
 */
export class SimulatedNetwork {
  readonly clock: VirtualClock
  readonly random: Random
  readonly providers = new Map<string, SimulatedProvider>()
  readonly source: ProviderSource
  readonly fetcher: BlockFetcher
  lookups = 0
  /** While set, every lookup fails with it */
  lookupError: Error | undefined
  /** While true no provider can be reached: a cable was pulled on our side */
  outage = false
  /** Failure domains that are out: their providers cannot be reached, all at once */
  readonly outages = new Set<string>()
  readonly #blocks = new Map<BlockKey, Uint8Array>()
  readonly #unlisted = new Set<string>()

  constructor (init: SimulatedNetworkInit = {}) {
    const { lookupDelay = 0, lookupGap = 0 } = init
    this.clock = init.clock ?? new VirtualClock()
    this.random = seededRandom(init.seed ?? 1)
    const network = this

    this.source = {
      name: 'simulated',
      async * find (_want, request): AsyncGenerator<Provider> {
        network.lookups++

        if (lookupDelay > 0) {
          await network.clock.sleep(lookupDelay, { signal: request.signal })
        }

        if (network.lookupError != null) {
          throw network.lookupError
        }

        for (const provider of network.providers.values()) {
          if (!network.#unlisted.has(provider.name)) {
            yield provider.provider

            if (lookupGap > 0) {
              await network.clock.sleep(lookupGap, { signal: request.signal })
            }
          }
        }
      }
    }

    this.fetcher = {
      name: 'simulated',
      transport: 'http',
      routes: (provider: Provider): readonly Route[] => {
        const simulated = network.#byId(provider.id)
        return simulated == null ? [] : [simulated.route]
      },
      fetch: async (want: Want, route: Route, attempt: Attempt): Promise<Uint8Array> => {
        const simulated = network.#byId(route.provider)
        const disclosure = attempt.request.disclose({ observer: route.provider, form: 'cid', transport: 'http', audience: 'one' })

        if (simulated == null || network.#cut(simulated)) {
          disclosure.notSent()
          return network.#unreachable(attempt)
        }

        if (simulated.reachable) {
          disclosure.sent()
        } else {
          disclosure.notSent()
        }

        return simulated.serve(want, attempt)
      },
      async * stream (dag: DagWant, route: Route, attempt: Attempt): AsyncGenerator<Block> {
        const simulated = network.#byId(route.provider)

        if (simulated == null || network.#cut(simulated)) {
          await network.#unreachable(attempt)
        } else if (simulated.behaviour.streams === true) {
          attempt.request.disclose({ observer: route.provider, form: 'cid', transport: 'http', audience: 'one' }).sent()
          yield * simulated.stream(dag, attempt)
        } else {
          throw new FetchError('not-here', `${simulated.id}: makes no streams`, { provider: simulated.id })
        }
      }
    }
  }

  add (name: string, behaviour: Behaviour = {}, options: AddProviderOptions = {}): SimulatedProvider {
    const provider = new SimulatedProvider(name, behaviour, {
      clock: this.clock,
      random: this.random,
      content: key => this.#blocks.get(key)
    }, options.domains)
    this.providers.set(name, provider)

    if (options.unlisted === true) {
      this.#unlisted.add(name)
    } else {
      this.#unlisted.delete(name)
    }

    return provider
  }

  /** Publishes a raw block */
  block (bytes: Uint8Array): CID {
    const digest = sha256.digest(bytes)

    if (digest instanceof Promise) {
      throw new TypeError('The simulated network needs a synchronous sha2-256')
    }

    const cid = CID.createV1(RAW, digest)
    this.#blocks.set(blockKey(cid), bytes)
    return cid
  }

  /** Publishes a block whose CID is known, e.g. a node of a DAG */
  put (cid: CID, bytes: Uint8Array): void {
    this.#blocks.set(blockKey(cid), bytes)
  }

  /** Forgets a block: long runs publish as they go */
  drop (cid: CID): void {
    this.#blocks.delete(blockKey(cid))
  }

  get requests (): number {
    let count = 0

    for (const provider of this.providers.values()) {
      count += provider.requestCount
    }

    return count
  }

  get bytesSent (): number {
    let count = 0

    for (const provider of this.providers.values()) {
      count += provider.bytesSent
    }

    return count
  }

  #byId (id: string): SimulatedProvider | undefined {
    return this.providers.get(id.replace(/^http:(.*)\.example$/, '$1'))
  }

  #cut (simulated: SimulatedProvider): boolean {
    return this.outage || simulated.provider.domains.some(domain => this.outages.has(domain))
  }

  async #unreachable (attempt: Attempt): Promise<never> {
    await this.clock.sleep(1, { signal: attempt.signal })
    throw Object.assign(new Error('network is unreachable'), { code: 'ENETUNREACH' })
  }
}
