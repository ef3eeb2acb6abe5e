import { raceSignal } from '../../clock/race-signal.ts'
import { KadRequestError, told } from './kad-client.ts'
import { Libp2pKadClient } from './kad-client-egress.ts'
import type { KadAnswer, KadClient, KadPeer, KadRequestOptions } from './kad-client.ts'
import type { KadClientInit, KadConnections } from './kad-client-egress.ts'
import type { Clock } from '../../interface/clock.ts'
import type { Disclosure } from '../../interface/disclosure.ts'
import type { ComponentLogger, Logger } from '../../interface/logger.ts'

/** A libp2p node that has just been started, and of which nobody knows whose it is */
export interface LookupNode {
  /** Its peer id */
  readonly self: string
  readonly connections: KadConnections
  stop (): Promise<void>
}

export type CreateLookupNode = () => Promise<LookupNode>

export interface LookupIdentityComponents {
  readonly clock: Clock
  readonly logger: ComponentLogger
  /** Absent where there is no way to have another identity: nothing is looked up then */
  readonly create?: CreateLookupNode
}

/** Milliseconds: what is looked up for one page is asked under one identity, and connections to those who were asked are of use a second time */
const REST = 60_000
/** Milliseconds after which the next lookup is made under another one, however busy it is: what it asks in this time can be linked */
const MAX_AGE = 3_600_000
/** Milliseconds to create one, and to end it */
const START_TIMEOUT = 5_000
const STOP_TIMEOUT = 2_000

interface Identity {
  readonly node: LookupNode
  readonly client: Libp2pKadClient
  readonly since: number
  users: number
}

/**
 * Asks the DHT under an identity that is not the node's: made when it is needed,
 * forgotten when it has rested for a minute or is an hour old, kept nowhere. It
 * tells nobody anything, so nothing can be announced by it.
 */
export class LookupIdentity implements KadClient {
  readonly #components: LookupIdentityComponents
  readonly #init: KadClientInit
  readonly #log: Logger
  readonly #all = new Set<Identity>()
  #current: Promise<Identity> | undefined
  /** The one that was made last */
  #latest: Identity | undefined
  #running = false
  #cancelRest: () => void = () => {}
  #ending: Promise<unknown> = Promise.resolve()

  constructor (components: LookupIdentityComponents, init: KadClientInit = {}) {
    this.#components = components
    this.#init = init
    this.#log = components.logger.forComponent('portolan:discovery:identity')
  }

  start (): void {
    this.#running = true
  }

  /** Resolves when nothing of any identity is left, or it took too long */
  async stop (): Promise<void> {
    this.#running = false
    this.#cancelRest()
    const current = this.#current
    this.#current = undefined
    // one that is being made ends as soon as it is there
    await current?.catch(() => {})
    this.#all.forEach(identity => { this.#end(identity) })
    await this.#ending
  }

  async findNode (peer: KadPeer, key: Uint8Array, disclosure: Disclosure | undefined, options: KadRequestOptions): Promise<KadAnswer> {
    return this.#use(disclosure, options.signal, async client => client.findNode(peer, key, disclosure, options))
  }

  async getProviders (peer: KadPeer, multihash: Uint8Array, disclosure: Disclosure, options: KadRequestOptions): Promise<KadAnswer> {
    return this.#use(disclosure, options.signal, async client => client.getProviders(peer, multihash, disclosure, options))
  }

  async addProviders (): Promise<void> {
    throw new KadRequestError('declined', 'Under an identity for lookups nothing is announced: it would be gone before anybody came')
  }

  async #use (disclosure: Disclosure | undefined, signal: AbortSignal, ask: (client: KadClient) => Promise<KadAnswer>): Promise<KadAnswer> {
    let identity: Identity

    try {
      identity = await raceSignal(this.#identity(), signal)
    } catch (err) {
      disclosure?.notSent()
      throw err
    }
    identity.users++
    if (this.#latest === identity) {
      this.#cancelRest()
    }

    try {
      return await ask(identity.client)
    } finally {
      if (--identity.users === 0) {
        this.#rest(identity)
      }
    }
  }

  async #identity (): Promise<Identity> {
    const { clock } = this.#components
    const known = this.#current
    const identity = await known

    if (identity != null && clock.now() - identity.since < MAX_AGE) {
      return identity
    }
    // somebody else may have noticed first
    if (this.#current === known) {
      this.#current = this.#create()
      this.#current.catch(() => { this.#current = undefined })
    }
    if (identity?.users === 0) {
      this.#end(identity)
    }
    return this.#current as Promise<Identity>
  }

  async #create (): Promise<Identity> {
    const { clock, logger, create } = this.#components

    if (!this.#running || create == null) {
      throw new KadRequestError('declined', create == null
        ? 'In this mode the DHT is asked under an identity of its own only, and this discovery was given no way to have one (lookupNode)'
        : 'Nothing is looked up any more')
    }
    using timeout = clock.timeout(START_TIMEOUT)
    const creating = create()

    try {
      const node = await raceSignal(creating, timeout.signal)
      const identity: Identity = { node, client: new Libp2pKadClient({ clock, logger, connectionManager: node.connections, self: node.self }, this.#init), since: clock.now(), users: 0 }
      this.#all.add(identity)
      this.#latest = identity
      this.#log('lookups are made under a new identity')
      this.#rest(identity)
      return identity
    } catch (err) {
      // one that comes too late is not left running
      creating.then(async node => node.stop()).catch((error: unknown) => { this.#log('an identity was not made - %e', error) })
      throw new KadRequestError('declined', `No identity for lookups could be made: ${told(err)}`, { cause: err })
    }
  }

  /** Nobody asks anything under it just now */
  #rest (identity: Identity): void {
    if (!this.#running || this.#latest !== identity) {
      this.#end(identity)
      return
    }
    this.#cancelRest()
    this.#cancelRest = this.#components.clock.schedule(REST, () => {
      this.#current = undefined
      this.#end(identity)
    })
  }

  /** Once each; never rejects */
  #end (identity: Identity): void {
    if (this.#all.delete(identity)) {
      identity.client.stop()
      this.#ending = Promise.all([this.#ending, this.#stopped(identity.node)])
    }
  }

  async #stopped (node: LookupNode): Promise<void> {
    using timeout = this.#components.clock.timeout(STOP_TIMEOUT)

    try {
      await raceSignal(node.stop(), timeout.signal)
    } catch (err) {
      this.#log.error('an identity for lookups did not end in good order - %e', err)
    }
  }
}
