import { override } from '../provider/override.ts'
import { ProtocolSwitch } from './protocol-switch.ts'
import type { Override } from '../provider/override.ts'
import type { MountableLibp2p } from './protocol-switch.ts'
import type { Logger } from '../interface/logger.ts'
import type { BlockBroker } from '@helia/interface'
import type { Blockstore } from 'interface-blockstore'
import type { CID } from 'multiformats/cid'

/** The bitswap that takes over, as the composition root brings it */
export interface NodeExchange {
  readonly running: boolean
  readonly servesEveryone: boolean
  /** Monotonic milliseconds */
  now (): number
  wantsFrom (peer: string): boolean
  /** In place before it first waits for anything */
  start (libp2p: never, options: { mount: ProtocolSwitch, replaces: boolean }): Promise<void>
  drain (): Promise<void>
  stop (): Promise<void>
  arrived (cid: CID, size?: number): void
}

export interface BitswapTakeoverComponents {
  readonly exchange: NodeExchange
  /** May throw or return undefined while there is no node */
  readonly libp2p: () => MountableLibp2p | undefined
  /** The raw store: what is put there can be served */
  readonly store: Blockstore
  readonly log: Logger
  /** Who is asked has changed */
  changed (): void
}

const BROKER = 'bitswap'

/** Milliseconds in which answers to what the node's own bitswap has said are expected: as long as a peer that does not answer is waited for */
const ANSWERS_WITHIN = 30_000
/** Peers that the node's own bitswap spoke to: as many as libp2p has connections, by default */
const MAX_SPOKEN_TO = 300

/** What is used of `@helia/bitswap` beyond the contract of a broker; where it is missing, streams are ours alone */
interface MountedBitswap extends BlockBroker {
  bitswap?: {
    getWantlist? (): readonly unknown[]
    network?: { sendMessage? (peer: { toString (): string }, message: { wantlist?: { size: number } }, ...rest: unknown[]): Promise<void> }
  }
}

/**
 * One of two bitswaps owns the protocol: ours while content routing has the
 * node, else the one that was mounted. That one keeps running. It is not asked,
 * and streams reach it only as answers to what it was made to ask (a read past
 * content routing, or one that was under way).
 */
export class BitswapTakeover {
  readonly #components: BitswapTakeoverComponents
  readonly #stored: readonly Override[]
  readonly #spokenTo = new Map<string, number>()
  #mounted: readonly MountedBitswap[] = []
  #eavesdropping: readonly Override[] = []
  #state: 'off' | 'on' | 'draining' | 'ending' = 'off'
  #again: readonly BlockBroker[] | undefined
  #ending: Promise<void> = Promise.resolve()

  constructor (components: BitswapTakeoverComponents) {
    const { store, exchange } = components
    this.#components = components
    this.#stored = [
      override(store, 'put', previous => async (cid, bytes, options) => {
        const stored = await previous(cid, bytes, options)
        exchange.arrived(cid)
        return stored
      }),
      override(store, 'putMany', previous => async function * (blocks, options) {
        for await (const cid of previous(blocks, options)) {
          exchange.arrived(cid)
          yield cid
        }
      })
    ]
  }

  /** Ours has the protocol */
  get owns (): boolean {
    return this.#state === 'on' && this.#components.exchange.running
  }

  /** Whom content routing asks of these brokers */
  asked (brokers: readonly BlockBroker[]): readonly BlockBroker[] {
    return this.owns ? brokers.filter(({ name }) => name !== BROKER) : brokers
  }

  /** Whom reads past content routing may ask: the mounted one too, unless the answers would have it serve whom we do not */
  past (brokers: readonly BlockBroker[]): readonly BlockBroker[] {
    return this.#components.exchange.servesEveryone ? brokers : this.asked(brokers)
  }

  /** Content routing has the node, with these brokers */
  take (brokers: readonly BlockBroker[]): void {
    if (this.#state === 'ending') {
      this.#again = brokers
      return
    }
    if (this.#state !== 'off') {
      this.#resume(brokers)
      return
    }

    const libp2p = this.#libp2p()
    const mounted = brokers.filter(({ name }) => name === BROKER)

    if (libp2p == null || !this.#mountable(libp2p, mounted.length > 0)) {
      return
    }

    this.#stored.forEach(override => { override.install() })
    this.#start(libp2p, mounted.length > 0)
    this.#resume(brokers)
  }

  #resume (brokers: readonly BlockBroker[]): void {
    const libp2p = this.#state === 'draining' ? this.#libp2p() : undefined

    if (libp2p != null) {
      this.#start(libp2p, this.#mounted.length > 0)
    }
    this.noticed(brokers)
    this.#components.changed()
  }

  #start (libp2p: MountableLibp2p, replaces: boolean): void {
    this.#state = 'on'
    this.#components.exchange.start(libp2p as never, { mount: this.#switch(libp2p), replaces }).catch((err: unknown) => {
      this.#components.log.error('bitswap could not take over, the node\'s own goes on - %e', err)
      this.#left()
      this.#state = 'off'
      this.#components.changed()
    })
  }

  /** The brokers may have changed */
  noticed (brokers: readonly BlockBroker[]): void {
    const mounted = brokers.filter(({ name }) => name === BROKER) as MountedBitswap[]

    if (mounted.length === this.#mounted.length && mounted.every((broker, i) => broker === this.#mounted[i])) {
      return
    }
    this.#eavesdropping.forEach(override => { override.restore() })
    this.#mounted = mounted
    this.#eavesdropping = mounted.flatMap(({ bitswap }) => bitswap?.network?.sendMessage == null
      ? []
      : [override(bitswap.network as Required<NonNullable<typeof bitswap.network>>, 'sendMessage', previous => async (peer, message, ...rest) => {
          if ((message.wantlist?.size ?? 0) > 0) {
            this.#spoke(peer.toString())
          }
          await previous(peer, message, ...rest)
        })])
    this.#eavesdropping.forEach(override => { override.install() })
  }

  /** The protocol goes back: new streams at once, those that answer us until we have the answers */
  release (): void {
    this.#again = undefined

    if (this.#state !== 'on') {
      return
    }
    this.#state = 'draining'
    this.#components.exchange.drain().then(async () => {
      if (this.#state === 'draining') {
        await this.end()
      }
    }).catch((err: unknown) => { this.#components.log.error('bitswap was not given back cleanly - %e', err) })
    this.#components.changed()
  }

  /** Nothing of ours is left when it resolves. Never rejects. */
  async end (): Promise<void> {
    this.#again = undefined

    if (this.#state === 'off') {
      return
    }
    if (this.#state !== 'ending') {
      this.#state = 'ending'
      this.#ending = this.#end()
    }
    await this.#ending
  }

  async #end (): Promise<void> {
    try {
      await this.#components.exchange.stop()
    } catch (err) {
      this.#components.log.error('bitswap did not stop cleanly - %e', err)
    }
    this.#left()
    this.#state = 'off'
    const again = this.#again
    this.#again = undefined

    if (again != null) {
      this.take(again)
    }
  }

  #left (): void {
    this.#stored.forEach(override => { override.restore() })
    this.#eavesdropping.forEach(override => { override.restore() })
    this.#eavesdropping = []
    this.#mounted = []
    this.#spokenTo.clear()
  }

  #switch (libp2p: MountableLibp2p): ProtocolSwitch {
    const { exchange } = this.#components

    return new ProtocolSwitch(libp2p, peer => {
      if (exchange.wantsFrom(peer)) {
        return false
      }
      if (this.#state !== 'on') {
        return true
      }
      // what it is given it also answers
      return exchange.servesEveryone && ((this.#spokenTo.get(peer) ?? -Infinity) > exchange.now() || this.#mounted.some(isAsking))
    })
  }

  #spoke (peer: string): void {
    this.#spokenTo.delete(peer)
    this.#spokenTo.set(peer, this.#components.exchange.now() + ANSWERS_WITHIN)

    if (this.#spokenTo.size > MAX_SPOKEN_TO) {
      this.#spokenTo.delete(this.#spokenTo.keys().next().value ?? '')
    }
  }

  #mountable (libp2p: MountableLibp2p, replaces: boolean): boolean {
    const { log } = this.#components

    if (!ProtocolSwitch.supports(libp2p)) {
      log.error('the handlers of this libp2p cannot be found, so its bitswap, if it has one, stays as it is')
      return false
    }
    const taken = libp2p.getProtocols().find(protocol => protocol.startsWith('/ipfs/bitswap/'))

    if (taken != null && !replaces) {
      log.error('%s is handled by somebody who is no block broker of this node, so it is left alone', taken)
      return false
    }
    return true
  }

  #libp2p (): MountableLibp2p | undefined {
    try {
      return this.#components.libp2p()
    } catch (err) {
      // withLibp2p's getter throws until the node has started
      this.#components.log.trace('no libp2p node - %e', err)
      return undefined
    }
  }
}

function isAsking ({ bitswap }: MountedBitswap): boolean {
  return (bitswap?.getWantlist?.().length ?? 0) > 0
}
