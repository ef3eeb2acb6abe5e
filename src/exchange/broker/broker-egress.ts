import { raceSignal } from '../../clock/race-signal.ts'
import { FetchError } from '../../interface/errors.ts'
import { PRIVACY_PRESETS } from '../../interface/privacy-preset.ts'
import { httpOrigin } from '../../provider/provider.ts'
import { tellProviders } from '../../provider/told-providers.ts'
import { askedObserver } from './broker-events.ts'
import { brokerHints } from './broker-hints.ts'
import { brokerOutcome } from './broker-outcome.ts'
import { gatewayRecord } from '../../provider/gateway-record.ts'
import type { Disclosure, Observer } from '../../interface/disclosure.ts'
import type { BlockFetcher } from '../../interface/fetcher.ts'
import type { ComponentLogger, Logger } from '../../interface/logger.ts'
import type { Provider, ProviderId, Route } from '../../interface/provider.ts'
import type { Attempt, Request, Want } from '../../interface/request.ts'
import type { BlockBroker } from '@helia/interface'
import type { CID } from 'multiformats/cid'
import type { ProgressEvent } from 'progress-events'

export interface AdoptedBrokerComponents {
  logger: ComponentLogger
  /** Announcements belong to no retrieval: makes the token for what a broker's `announce` may send */
  discloseAnnounce (cid: CID, observer: Observer): Disclosure
  /** Whether a fetcher of our own can ask this provider. @default yes */
  reachable? (provider: Provider): boolean
}

export interface AdoptedBrokerInit {
  /** Tells brokers of one name apart. @default the broker's name */
  name?: string
  /** May be used outside mode `open` too. @default false */
  trusted?: boolean
  /** Tell it when a block has become local. @default true */
  announces?: boolean
}

// as many broken promises as a process can carry without noticing; a broker that heeds its signal has none
const MAX_ABANDONED = 256
// announcements are quick; a thousand unanswered ones are a broker that hangs
const MAX_ANNOUNCING = 1024
// what a well-connected node broadcasts one want to; past that the ledger has learnt what there is to learn
const MAX_NAMED_OBSERVERS = 256

/**
 * Our HTTP fetcher asks gateways itself, so this broker is no provider but a
 * way to those that only it may ask, at local addresses that the user allowed
 * it. One that adds to requests (credentials) may be answered where we are
 * not: it is a provider of last resort.
 */
const GATEWAY_BROKER = 'trustless-gateway'

interface GatewayBroker {
  allowLocal?: boolean
  transformRequestInit?: unknown
}

/** A block broker that the user composed, asked like any other provider */
export class AdoptedBrokerFetcher implements BlockFetcher {
  readonly name: string
  readonly transport = 'broker'
  readonly broker: BlockBroker
  readonly trusted: boolean
  readonly #provider: Provider
  readonly #components: AdoptedBrokerComponents
  readonly #log: Logger
  readonly #announces: boolean
  #abandoned = 0
  #announcing = 0

  constructor (broker: BlockBroker, components: AdoptedBrokerComponents, init: AdoptedBrokerInit = {}) {
    const id: ProviderId = `broker:${init.name ?? broker.name}`
    this.name = id
    this.broker = broker
    this.trusted = init.trusted ?? false
    this.#announces = init.announces ?? true
    this.#components = components
    this.#log = components.logger.forComponent('portolan:exchange:broker')
    this.#provider = { id, addresses: [], protocols: [], source: 'adopted', fallback: broker.name === GATEWAY_BROKER, domains: [id] }
  }

  standing (): readonly Provider[] {
    return this.broker.retrieve == null || this.#isGatewayPath ? [] : [this.#provider]
  }

  routes (provider: Provider): readonly Route[] {
    if (this.broker.retrieve == null) {
      return []
    }
    if (this.#isGatewayPath) {
      return this.#alone(provider) ? httpOrigin(provider).map(address => ({ provider: provider.id, transport: 'broker', address })) : []
    }
    return provider.id === this.#provider.id ? [{ provider: provider.id, transport: 'broker' }] : []
  }

  get #isGatewayPath (): boolean {
    return this.broker.name === GATEWAY_BROKER && (this.broker as GatewayBroker).transformRequestInit == null
  }

  /** Addresses that came with a request are exempt from nothing: the user allowed this broker what routers say */
  #alone (provider: Provider): boolean {
    return (this.broker as GatewayBroker).allowLocal === true && provider.source !== 'hint' && this.#components.reachable?.(provider) === false
  }

  async fetch (want: Want, route: Route, attempt: Attempt): Promise<Uint8Array> {
    const { provider } = route
    const { request, signal } = attempt

    if (PRIVACY_PRESETS[request.mode].brokers === 'trusted' && !this.trusted) {
      // selection leaves such brokers out; should it ever not, nothing is sent and nobody blamed
      throw new FetchError('cancelled', `${this.name} is not trusted, so it is not used in mode ${request.mode}`, { provider })
    }
    if (signal.aborted) {
      throw new FetchError('cancelled', `Asking ${provider} was cancelled`, { provider, cause: signal.reason })
    }
    if (this.#abandoned >= MAX_ABANDONED) {
      throw new FetchError('overloaded', `${this.#abandoned} retrievals of ${this.name} go on although they were cancelled: it gets no more until they end`, { provider })
    }

    const disclosure = request.disclose({ observer: provider, form: 'cid', transport: 'foreign', audience: 'unbounded' })
    // how a broker connects is its own affair and cannot be timed
    attempt.phase('connected')

    try {
      const bytes = await this.#retrieve(want, route, attempt)
      attempt.phase('first-byte')
      attempt.bytes(bytes.byteLength)
      disclosure.sent()
      return bytes
    } catch (err) {
      // whom it asked before it failed only it knows
      disclosure.unknown()
      if (signal.aborted) {
        throw new FetchError('cancelled', `Asking ${provider} was cancelled`, { provider, cause: err })
      }
      throw new FetchError(brokerOutcome(err), `${provider}: ${err instanceof Error ? err.message : String(err)}`, { provider, cause: err })
    }
  }

  async #retrieve (want: Want, route: Route, attempt: Attempt): Promise<Uint8Array> {
    const { broker } = this
    let settled = false
    const retrieval = (async () => broker.retrieve?.(want.cid, {
      ...(route.address == null ? {} : tellProviders([gatewayRecord(route.address, false)])),
      signal: attempt.signal,
      validateFn: async bytes => { await attempt.verify(bytes) },
      maxSize: want.maxBytes,
      // an HTTP address means nothing to bitswap but a failing dial
      providers: brokerHints(attempt.request.hints, { http: broker.name !== 'bitswap' }),
      onProgress: observers(attempt.request)
    }))().finally(() => { settled = true })

    try {
      const bytes: unknown = await raceSignal(retrieval, attempt.signal)
      if (!(bytes instanceof Uint8Array)) {
        throw new FetchError('invalid', 'the broker resolved with something that is not bytes', { provider: route.provider })
      }
      return bytes
    } finally {
      if (!settled) {
        this.#abandoned++
        const done = (): void => { this.#abandoned-- }
        retrieval.then(done, done)
      }
    }
  }

  /**
   * Forwards that a block is now local, without waiting: Helia holds its gc lock
   * while it announces, and a broker that then reads a block would wait for it
   * for ever. Never rejects.
   */
  async announce (cid: CID): Promise<void> {
    const { broker } = this
    if (broker.announce == null || !this.#announces) {
      return
    }
    if (this.#announcing >= MAX_ANNOUNCING) {
      this.#log.error('%s has %d announcements unanswered, not telling it about %c', this.#provider.id, this.#announcing, cid)
      return
    }

    const disclosure = this.#components.discloseAnnounce(cid, this.#provider.id)
    this.#announcing++
    void (async () => broker.announce?.(cid))()
      .catch((err: unknown) => { this.#log.error('%s could not announce %c - %e', this.#provider.id, cid, err) })
      .finally(() => {
        this.#announcing--
        disclosure.unknown()
      })
  }
}

/** Whom the broker's own progress events name goes into the ledger, each once per attempt */
function observers (request: Request): (event: ProgressEvent) => void {
  const named = new Set<Observer>()

  return event => {
    const observer = askedObserver(event)
    if (observer != null && named.size < MAX_NAMED_OBSERVERS && !named.has(observer)) {
      named.add(observer)
      request.disclose({ observer, form: 'cid', transport: 'foreign', audience: 'one' }).sent()
    }
  }
}

export function adoptedBrokerFetcher (broker: BlockBroker, components: AdoptedBrokerComponents, init: AdoptedBrokerInit = {}): AdoptedBrokerFetcher {
  return new AdoptedBrokerFetcher(broker, components, init)
}
