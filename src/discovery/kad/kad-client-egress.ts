import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { anySignal } from 'any-signal'
import { concat } from 'uint8arrays/concat'
import { raceSignal } from '../../clock/race-signal.ts'
import { DialDisclosure } from '../../interface/dial-disclosure.ts'
import { KadRequestError, MAX_RECORDS, told } from './kad-client.ts'
import { decodeAnswer, encodeProvider, encodeRequest } from './kad-message.ts'
import { KadStream } from './kad-stream-egress.ts'
import type { KadAnswer, KadClient, KadPeer, KadRequestOptions, ProviderRecord, Reach } from './kad-client.ts'
import type { KadMessageType } from './kad-message.ts'
import type { Clock } from '../../interface/clock.ts'
import type { Disclosure } from '../../interface/disclosure.ts'
import type { ComponentLogger, Logger } from '../../interface/logger.ts'
import type { Connection, PeerId } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'

export const DEFAULT_KAD_PROTOCOL = '/ipfs/kad/1.0.0'
/** Milliseconds: kad-dht's server gives a stream up 10 s after the last message, and a reset is worth avoiding */
const REST = 8_000
/** Streams that rest: two lookups' worth. A stream costs some KB here and there. */
const MAX_RESTING = 64
/** Errors of a node that is busy, forbids the dial or stops: nothing was tried */
const DECLINED = new Set(['DialDeniedError', 'DialError', 'NotStartedError'])
/** A PING is about nothing */
const NO_KEY = new Uint8Array(0)
/** Milliseconds to say goodbye in order */
const CLOSE_TIMEOUT = 1_000

/** The part of libp2p's connection manager that is used here */
export interface KadConnections {
  getConnections (peer?: PeerId): Connection[]
  openConnection (peer: PeerId | Multiaddr[], options: { signal: AbortSignal, onProgress?: DialDisclosure['onProgress'] }): Promise<Connection>
}

export interface KadClientComponents {
  readonly clock: Clock
  readonly logger: ComponentLogger
  readonly connectionManager: KadConnections
  /** Our own peer id */
  readonly self: string
}

export interface KadClientInit {
  /** @default '/ipfs/kad/1.0.0' */
  readonly protocol?: string
  /** Whether an address of an answer may be dialled and passed on. @default all of them */
  readonly usable?: (address: string) => boolean
}

/**
 * Speaks the client's side of the DHT over the connections of a libp2p node.
 * A stream that was answered on rests for a while: the next question to that
 * peer takes one round trip instead of two.
 */
export class Libp2pKadClient implements KadClient {
  readonly #components: KadClientComponents
  readonly #protocol: string
  readonly #usable: (address: string) => boolean
  readonly #log: Logger
  /** The one that has rested longest first */
  readonly #resting = new Map<string, KadStream>()
  #stopped = new AbortController()
  #cancelSweep: (() => void) | undefined

  constructor (components: KadClientComponents, init: KadClientInit = {}) {
    this.#components = components
    this.#protocol = init.protocol ?? DEFAULT_KAD_PROTOCOL
    this.#usable = init.usable ?? (() => true)
    this.#log = components.logger.forComponent('portolan:discovery:kad')
  }

  /** Streams that rest */
  get resting (): number {
    return this.#resting.size
  }

  start (): void {
    if (this.#stopped.signal.aborted) {
      this.#stopped = new AbortController()
    }
  }

  /** Ends all that is under way, and every stream */
  stop (): void {
    this.#cancelSweep?.()
    this.#cancelSweep = undefined
    const reason = new KadRequestError('broken', 'The client of the DHT was stopped')
    this.#stopped.abort(reason)

    for (const stream of [...this.#resting.values()]) {
      stream.abort(reason)
    }
  }

  async findNode (peer: KadPeer, key: Uint8Array, disclosure: Disclosure | undefined, options: KadRequestOptions): Promise<KadAnswer> {
    return this.#question(peer, 'FIND_NODE', key, disclosure, options)
  }

  async getProviders (peer: KadPeer, multihash: Uint8Array, disclosure: Disclosure, options: KadRequestOptions): Promise<KadAnswer> {
    return this.#question(peer, 'GET_PROVIDERS', multihash, disclosure, options)
  }

  async addProviders (peer: KadPeer, records: readonly ProviderRecord[], self: Pick<KadPeer, 'id' | 'addresses'>, options: KadRequestOptions): Promise<void> {
    const disclosures = records.map(({ disclosure }) => disclosure)
    let bytes

    try {
      if (records.length === 0 || records.length > MAX_RECORDS) {
        throw new RangeError(`A peer is told of 1 to ${MAX_RECORDS} blocks at once, not ${records.length}`)
      }
      // messages of a stream are read one by one, and the first that is refused ends it: the answer to the PING says that all were taken
      const provider = encodeProvider(self)
      bytes = concat([...records.map(({ multihash }) => encodeRequest({ type: 'ADD_PROVIDER', key: multihash, provider })), encodeRequest({ type: 'PING' })])
    } catch (error) {
      disclosures.forEach(disclosure => { disclosure.notSent() })
      throw error
    }

    const answer = await this.#exchange(peer, bytes, disclosures, options)
    decodeAnswer(answer, { type: 'PING', key: NO_KEY })
  }

  async #question (peer: KadPeer, type: KadMessageType, key: Uint8Array, disclosure: Disclosure | undefined, options: KadRequestOptions): Promise<KadAnswer> {
    const bytes = await this.#exchange(peer, encodeRequest({ type, key }), disclosure == null ? [] : [disclosure], options)
    const answer = decodeAnswer(bytes, { type, key, self: this.#components.self, from: peer.id })
    return { ...answer, closer: answer.closer.map(this.#dialable), providers: answer.providers.map(this.#dialable) }
  }

  readonly #dialable = (peer: KadPeer): KadPeer => {
    const addresses = peer.addresses.filter(this.#usable)
    return addresses.length === peer.addresses.length ? peer : { ...peer, addresses }
  }

  async #exchange (peer: KadPeer, bytes: Uint8Array, disclosures: readonly Disclosure[], { signal: outer, onReached }: KadRequestOptions): Promise<Uint8Array> {
    const signal = anySignal([outer, this.#stopped.signal])
    let written = false
    const onWritten = (): void => { written = true }
    let pending = disclosures

    try {
      signal.throwIfAborted()
      const rested = this.#take(peer.id)

      if (rested != null) {
        onReached?.({ rounds: 1, from: rested.from })

        try {
          return await this.#ask(rested, bytes, disclosures, signal, onWritten)
        } catch (error) {
          // it may have ended there a moment ago: that says nothing about the peer
          if (signal.aborted || !(error instanceof KadRequestError)) {
            throw error
          }
          this.#log.trace('a stream that rested is of no use - %e', error)
        }
      }

      const fresh = await this.#open(peer, disclosures[0], signal, onReached)

      if (written) {
        // what may have been read on the stream that rested is said once more
        settle(disclosures, written)
        written = false
        pending = disclosures.map(disclosure => disclosure.also())
      }
      return await this.#ask(fresh, bytes, pending, signal, onWritten)
    } finally {
      signal.clear()
      settle(pending, written)
    }
  }

  async #ask (stream: KadStream, bytes: Uint8Array, disclosures: readonly Disclosure[], signal: AbortSignal, onWritten: () => void): Promise<Uint8Array> {
    const answer = await stream.ask(bytes, disclosures, signal, onWritten)
    disclosures.forEach(disclosure => { disclosure.sent() })
    this.#rest(stream)
    return answer
  }

  async #open (peer: KadPeer, disclosure: Disclosure | undefined, signal: AbortSignal, onReached?: (reach: Reach) => void): Promise<KadStream> {
    const connection = await this.#connect(peer, disclosure, signal, onReached)
    const opening = connection.newStream(this.#protocol, { signal })

    try {
      return new KadStream(await raceSignal(opening, signal), { peer: peer.id, from: connection.remoteAddr.toString(), onGone: this.#forget })
    } catch (error) {
      // one that comes too late is not left open
      opening.then(stream => { stream.abort(error as Error) }, () => {})
      throw signal.aborted ? error : new KadRequestError('refused', `${peer.id} opens no stream: ${told(error)}`, { cause: error })
    }
  }

  async #connect ({ id, addresses }: KadPeer, disclosure: Disclosure | undefined, signal: AbortSignal, onReached?: (reach: Reach) => void): Promise<Connection> {
    const { clock, connectionManager } = this.#components
    const startedAt = clock.now()

    try {
      const peer = peerIdFromString(id)
      const there = connectionManager.getConnections(peer).find(({ status, limits }) => status === 'open' && limits == null)

      if (there != null) {
        onReached?.({ rounds: 2, from: there.remoteAddr.toString() })
        return there
      }

      // over a relay, which counts bytes and ends soon, the DHT is not spoken; and a relay that an answer names would learn whom we ask
      const direct = addresses.filter(address => !address.includes('/p2p-circuit'))

      // without addresses libp2p would look for some, and tell others about it
      if (direct.length === 0) {
        throw new KadRequestError('unreachable', `${id} cannot be reached: ${addresses.length === 0 ? 'no address' : 'none but by a relay'} is known`)
      }

      const dialled = disclosure == null ? undefined : DialDisclosure.for(disclosure)
      const opening = connectionManager.openConnection(direct.map(address => multiaddr(`${address}/p2p/${id}`)), { signal, onProgress: dialled?.onProgress })
      opening.then(() => { dialled?.reached() }, (error: Error | undefined) => { dialled?.failed(!DECLINED.has(error?.name ?? '')) })
      const connection = await raceSignal(opening, signal)
      onReached?.({ rounds: 2, dialled: clock.now() - startedAt, from: connection.remoteAddr.toString() })
      return connection
    } catch (error) {
      throw signal.aborted || error instanceof KadRequestError ? error : new KadRequestError(DECLINED.has((error as Error | undefined)?.name ?? '') ? 'declined' : 'unreachable', `${id} cannot be reached: ${told(error)}`, { cause: error })
    }
  }

  #take (peer: string): KadStream | undefined {
    const stream = this.#resting.get(peer)
    this.#resting.delete(peer)

    if (stream?.usable === true) {
      return stream
    }
    stream?.abort(new KadRequestError('broken', 'The stream is not open any more'))
    return undefined
  }

  #rest (stream: KadStream): void {
    if (!stream.usable || this.#stopped.signal.aborted) {
      return
    }
    if (this.#resting.has(stream.peer)) {
      this.#close(stream)
      return
    }

    stream.restsSince = this.#components.clock.now()
    this.#resting.set(stream.peer, stream)

    if (this.#resting.size > MAX_RESTING) {
      this.#close(this.#resting.values().next().value as KadStream)
    }
    this.#sweepLater()
  }

  #close (stream: KadStream): void {
    const timeout = this.#components.clock.timeout(CLOSE_TIMEOUT)
    stream.close(AbortSignal.any([timeout.signal, this.#stopped.signal])).finally(() => { timeout[Symbol.dispose]() }).catch((error: unknown) => { this.#log.error('a stream did not close - %e', error) })
  }

  readonly #forget = (stream: KadStream): void => {
    if (this.#resting.get(stream.peer) === stream) {
      this.#resting.delete(stream.peer)
    }
  }

  #sweepLater (): void {
    this.#cancelSweep ??= this.#components.clock.schedule(REST / 4, () => {
      this.#cancelSweep = undefined
      const before = this.#components.clock.now() - REST * 3 / 4

      for (const stream of [...this.#resting.values()]) {
        if (stream.restsSince <= before) {
          this.#close(stream)
        }
      }

      if (this.#resting.size > 0) {
        this.#sweepLater()
      }
    })
  }
}

/** What nobody has settled who knew better */
function settle (disclosures: readonly Disclosure[], written: boolean): void {
  for (const disclosure of disclosures) {
    if (written) {
      disclosure.unknown()
    } else {
      disclosure.notSent()
    }
  }
}
